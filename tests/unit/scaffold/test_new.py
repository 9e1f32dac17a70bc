"""A table of any shape becomes a folder that ``check`` finds ready, and nothing of the data becomes code."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.perennial import cli
from include.perennial.errors import BadInput
from include.perennial.pipeline_folder import discover, load_pipeline
from include.perennial.scaffold import run
from include.perennial.settings import PROJECT_ROOT
from include.perennial.sources import EnvironmentConnections
from include.perennial.spec import ColumnType, FilesSource
from include.perennial.steps.check import CheckReport, check
from tests.deliveries import settings
from tests.unit.scaffold.tables import HOSTILE, SHAPES, amount, count, gaps, grade, hostile, made, table, write


def checked(root: Path) -> CheckReport:
    return check("fresh", root / "pipelines", EnvironmentConnections(settings(root)))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_made_of_a_table_is_ready_to_run(shape: str, tmp_path: Path) -> None:
    made(tmp_path, write(SHAPES[shape](), tmp_path))

    report = checked(tmp_path)

    assert report.problems == ()
    assert report.steps[-1].step == "gate"


@pytest.mark.parametrize(
    ("target", "task", "kind", "metric", "word"),
    [
        (amount, None, "regression", "mse_skill", "regression, from the target"),
        (count, None, "regression", "poisson_deviance_skill", "counts, from the target"),
        (count, "regression", "regression", "mse_skill", "regression, as asked for"),
        (grade, None, "multiclass", "log_loss_skill", "multiclass, from the target"),
    ],
    ids=["amount", "count", "count as an amount", "classes"],
)
def test_the_task_follows_from_the_target_and_is_told(
    target: Any, task: str | None, kind: str, metric: str, word: str, tmp_path: Path
) -> None:
    done = made(tmp_path, write(table().assign(y=target), tmp_path), task=task)

    spec = load_pipeline("fresh", tmp_path / "pipelines").spec
    assert spec.task == kind
    assert metric in {str(name) for name in spec.gate.first_floors}
    assert any(f"The task is {word}" in line for line in done.guesses)


def test_whole_numbers_as_classes_keep_their_order(tmp_path: Path) -> None:
    frame = table().assign(y=lambda f: grade(f).map({"low": 9, "mid": 10, "top": 11}))
    made(tmp_path, write(frame, tmp_path), task="multiclass")

    assert load_pipeline("fresh", tmp_path / "pipelines").spec.classes == (9, 10, 11)
    assert checked(tmp_path).problems == ()


def test_a_parquet_file_keeps_its_types(tmp_path: Path) -> None:
    frame = table(flag=[True, False] * 600).assign(at=lambda frame: pd.to_datetime(frame["at"]))
    made(tmp_path, write(frame, tmp_path, "rows.parquet"))

    columns = load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns

    assert (columns["flag"], columns["at"], columns["x"]) == ("boolean", "timestamp", "float")
    assert checked(tmp_path).is_ready


def test_hostile_names_and_values_stay_names_and_values(tmp_path: Path) -> None:
    frame = hostile()
    made(tmp_path, write(frame, tmp_path))

    folder = tmp_path / "pipelines" / "fresh"
    pipeline = load_pipeline("fresh", tmp_path / "pipelines")
    assert set(pipeline.spec.data.columns) == {*frame.columns}
    for module in ("features", "expectations"):
        ran = {ast.unparse(node.func) for node in ast.walk(_tree(folder, module)) if isinstance(node, ast.Call)}
        assert not any("abort" in name or "exit" in name.lower() for name in ran), ran
    sets = [node.value for node in ast.walk(_tree(folder, "expectations")) if isinstance(node, ast.keyword)]
    values = [ast.literal_eval(node) for node in sets if isinstance(node, ast.List)]
    assert sorted(text for text in HOSTILE if text) in values
    assert "<script>" not in (folder / "README.md").read_text()


def _tree(folder: Path, module: str) -> ast.Module:
    return ast.parse((folder / f"{module}.py").read_text())


def test_a_hostile_file_name_is_not_taken_over(tmp_path: Path) -> None:
    made(tmp_path, write(table(), tmp_path, "$(id) '\"; {{x}}.csv"))

    source = load_pipeline("fresh", tmp_path / "pipelines").spec.source
    assert isinstance(source, FilesSource)
    assert source.path == "data.csv"


def test_a_large_file_stays_where_it_is_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COPIED_BYTES", 10)
    file = write(table(), tmp_path)

    done = made(tmp_path, file)

    source = load_pipeline("fresh", tmp_path / "pipelines").spec.source
    assert isinstance(source, FilesSource)
    assert source.path == str(file)
    assert any("stays where it is" in line for line in done.guesses)
    assert any("{key}" in line for line in done.look_at)


def test_a_large_file_whose_path_no_spec_may_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COPIED_BYTES", 10)

    with pytest.raises(BadInput, match="rename the file"):
        made(tmp_path, write(table(), tmp_path, "{x}.csv"))
    assert discover(tmp_path / "pipelines") == []


def test_the_period_is_the_longest_with_enough_partitions_or_the_one_asked_for(tmp_path: Path) -> None:
    file = write(table(), tmp_path)
    made(tmp_path, file)
    made(tmp_path, file, name="daily", period="day")
    made(tmp_path, file, name="monthly", period="month")

    assert load_pipeline("fresh", tmp_path / "pipelines").spec.period == "week"
    assert load_pipeline("daily", tmp_path / "pipelines").spec.period == "day"
    monthly = load_pipeline("monthly", tmp_path / "pipelines").spec
    assert (monthly.schedule.ingest, monthly.schedule.train) == ("0 4 1 * *", "0 6 1 * *")
    assert "a bad month" in (tmp_path / "pipelines" / "monthly" / "pipeline.yaml").read_text()


def test_too_few_groups_of_the_key_are_no_clusters(tmp_path: Path) -> None:
    frame = table(shop=["a", "b", "c"] * 400)
    made(tmp_path, write(frame, tmp_path), key=("shop", "at"))
    made(tmp_path, write(frame, tmp_path), key=("id", "at"), name="many")

    clusters = [load_pipeline(name, tmp_path / "pipelines").spec.gate.compare.cluster for name in ("fresh", "many")]
    assert clusters == [("shop", "at"), ("id",)]


def test_the_schedule_ends_with_the_file_and_one_partition_is_left_to_score(tmp_path: Path) -> None:
    made(tmp_path, write(table(days=35), tmp_path), period="week")

    spec = load_pipeline("fresh", tmp_path / "pipelines").spec
    assert (str(spec.schedule.start), str(spec.schedule.end)) == ("2024-01-01", "2024-01-29")
    assert spec.window.partitions + spec.window.holdout == 4


def test_mixed_types_become_text_and_are_told_with_an_example(tmp_path: Path) -> None:
    frame = table().astype({"z": object})
    frame.loc[700, "z"] = "n/a?"

    done = made(tmp_path, write(frame, tmp_path))

    assert load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns["z"] is ColumnType.STRING
    assert any("row 702 holds 'n/a?'" in line for line in done.look_at), done.look_at


def test_identifiers_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    made(tmp_path, write(table(zone=[f"0{n % 7}" for n in range(1200)]), tmp_path))

    assert load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns["zone"] is ColumnType.STRING


def test_of_thousands_of_columns_the_ones_that_tell_most_are_taken(tmp_path: Path) -> None:
    noise = pd.DataFrame(
        {f"f{n}": pd.Series(range(1200)).sample(frac=1, random_state=n).to_numpy() for n in range(200)}
    )

    made(tmp_path, write(pd.concat([table(), noise], axis=1), tmp_path), most_columns=5)

    columns = load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns
    assert len(columns) == 5 + len(["id", "at", "y"])
    assert "x" in columns


def test_a_strong_column_is_told_and_one_that_is_known_in_time_may_stay(tmp_path: Path) -> None:
    frame = table()
    frame["x"] = frame["y"] + 0.001 * frame["z"]

    done = made(tmp_path, write(gaps(frame, "x", 0.05), tmp_path), keep=("x",))

    assert any("Suspiciously strong alone" in line and "'x'" in line for line in done.look_at)
    assert checked(tmp_path).steps[-1].step == "gate"


def test_a_column_left_out_is_in_no_file_but_the_card(tmp_path: Path) -> None:
    made(tmp_path, write(table(), tmp_path), leave_out=("z",))

    assert "z" not in load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns
    assert "as asked for: 'z'" in (tmp_path / "pipelines" / "fresh" / "README.md").read_text()


def test_the_dag_file_names_the_pipeline_and_nothing_else(tmp_path: Path) -> None:
    made(tmp_path, write(table(), tmp_path))

    assert 'build_dags("fresh")' in (tmp_path / "dags" / "fresh.py").read_text()


def test_weeks_of_a_few_rows_make_months_of_some_that_are_measured_and_the_sixties_are_no_hindrance(
    tmp_path: Path,
) -> None:
    early = table(days=1200).assign(at=lambda frame: frame["at"].str.replace("20", "19", n=1))
    made(tmp_path, write(early, tmp_path))

    spec = load_pipeline("fresh", tmp_path / "pipelines").spec
    assert (spec.period, spec.schedule.start.year) == ("month", 1924)
    assert spec.monitor.drift.min_rows == 20
    assert checked(tmp_path).problems == ()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = write(table(), tmp_path)
    made(tmp_path, file)
    before = (tmp_path / "pipelines" / "fresh" / "pipeline.yaml").read_bytes()

    with pytest.raises(BadInput, match="exists already"):
        made(tmp_path, file, leave_out=("z",))
    (tmp_path / "dags" / "other.py").write_text("mine")
    with pytest.raises(BadInput, match=r"other\.py exists already"):
        made(tmp_path, file, name="other")

    assert (tmp_path / "pipelines" / "fresh" / "pipeline.yaml").read_bytes() == before
    assert discover(tmp_path / "pipelines") == ["fresh"]
    assert sorted(path.name for path in (tmp_path / "pipelines").iterdir()) == ["fresh"]


def test_the_command_says_what_it_guessed_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(tmp_path / "pipelines"))
    (tmp_path / "dags").mkdir()
    file = write(table(), tmp_path)
    asked = ["new", "fresh", "--from", str(file), "--target", "y", "--time", "at", "--key", "id"]

    assert cli.main([*asked, "--dags", str(tmp_path / "dags")]) == 0

    said = capsys.readouterr().out
    assert "Partitions are weeks, chosen from the data: 12 of them" in said
    assert said.endswith("next: ./perennial check fresh\n")


@pytest.mark.parametrize(
    "shape", ["plain", "hostile names and values", "many categories", "an amount as target", "classes as target"]
)
def test_what_is_made_is_formatted_as_the_project_is(shape: str, tmp_path: Path) -> None:
    made(tmp_path, write(SHAPES[shape](), tmp_path))

    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(PROJECT_ROOT / "pyproject.toml")]
    done = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
