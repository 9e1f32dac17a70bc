"""``check``: a folder that runs is ready; a fault is told with its file, its line and a remedy; nothing is written."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.perennial import cli
from include.perennial.digests import file_sha256
from include.perennial.errors import BadInput
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import EnvironmentConnections, narrow
from include.perennial.steps.check import CheckReport, Level, Problem, check
from tests.deliveries import settings
from tests.pipeline_folders import line_of
from tests.training_runs import FEATURES, FIRST, SPEC, make_toy, toy_frame

NOW = dt.datetime(2013, 2, 6, tzinfo=dt.timezone.utc)


def rows(n: int) -> pd.DataFrame:
    """The ``n``-th week as a CSV can hold it: whole numbers stay whole beside gaps."""
    return toy_frame(n).astype({"noise": "Int64"})


def delivered(root: Path, weeks: int = 4, **changes: Any) -> Pipeline:
    """The toy pipeline with a CSV for each of its first ``weeks``."""
    pipeline = make_toy(root, **changes)
    folder = pipeline.folder / "delivery"
    folder.mkdir(exist_ok=True)
    for n in range(weeks):
        rows(n).to_csv(folder / f"{FIRST.shift(n).key}.csv", index=False)
    return pipeline


def checked(root: Path, **asked: Any) -> CheckReport:
    return check("toy", root / "pipelines", EnvironmentConnections(settings(root)), now=NOW, **asked)


def only_problem(report: CheckReport, level: Level = Level.ERROR) -> Problem:
    assert [problem.level for problem in report.problems] == [level], report.problems
    assert report.problems[0].remedy
    return report.problems[0]


def require_place(problem: Problem, path: Path, part: str) -> None:
    assert (problem.file, problem.line) == (str(path), line_of(part, path.read_text())), problem


def test_a_folder_that_runs_is_ready_and_its_week_has_a_price(tmp_path: Path) -> None:
    delivered(tmp_path)

    report = checked(tmp_path)

    assert (report.is_ready, report.problems) == (True, ())
    assert [str(done.step) for done in report.steps] == ["spec", "source", "expectations", "features", "fit", "gate"]
    assert report.cost
    assert report.cost.runs_per_week == 1
    assert report.cost.week_s == pytest.approx(report.cost.ingest_s + report.cost.train_s + report.cost.score_s)


def test_labels_of_a_source_of_their_own_are_joined_and_rows_without_one_left_out(tmp_path: Path) -> None:
    labels = {"source": {"kind": "files", "path": "outcomes.csv", "format": "csv"}}
    data = {**SPEC["data"], "label_delay_periods": 1, "labels": labels}
    pipeline = delivered(tmp_path, weeks=5, data=data)
    told = pd.concat([rows(n)[["id", "label"]].iloc[20:] for n in range(5)])
    told.to_csv(pipeline.folder / "outcomes.csv", index=False)

    report = checked(tmp_path)

    assert (report.is_ready, report.problems) == (True, ())


def test_nothing_is_written(tmp_path: Path) -> None:
    delivered(tmp_path)
    before = {path: file_sha256(path) for path in tmp_path.rglob("*") if path.is_file()}

    checked(tmp_path)

    assert {path: file_sha256(path) for path in tmp_path.rglob("*") if path.is_file()} == before


def test_every_problem_of_a_spec_is_told_at_its_line(tmp_path: Path) -> None:
    path = delivered(tmp_path).folder / "pipeline.yaml"
    path.write_text(path.read_text().replace("min_rows: 100", "min_rows: 0").replace("period: week", "period: weak"))

    report = checked(tmp_path)

    assert [problem.line for problem in report.problems] == [
        line_of("period: weak", path.read_text()),
        line_of("min_rows: 0", path.read_text()),
    ]
    assert report.steps == ()


def test_an_unknown_pipeline_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    delivered(tmp_path)

    report = check("toi", tmp_path / "pipelines", EnvironmentConnections(settings(tmp_path)))

    assert "Did you mean 'toy'?" in only_problem(report).text


def test_a_source_without_files_is_told_at_the_source(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, weeks=0)

    require_place(only_problem(checked(tmp_path)), pipeline.folder / "pipeline.yaml", "source:")


def test_too_few_partitions_are_told_at_the_window(tmp_path: Path) -> None:
    pipeline = delivered(tmp_path, weeks=3)

    problem = only_problem(checked(tmp_path))

    require_place(problem, pipeline.folder / "pipeline.yaml", "partitions: 3")
    assert "needs 4 partitions" in problem.text


def test_a_broken_expectation_is_told_at_its_own_line_once(tmp_path: Path) -> None:
    path = delivered(tmp_path).folder / "expectations.py"
    path.write_text(
        "from great_expectations import expectations as gxe\n\nROWS = []\nBATCH = [\n"
        "    gxe.ExpectColumnMeanToBeBetween(column='signal', min_value=-9, max_value=9),\n"
        "    gxe.ExpectColumnMeanToBeBetween(column='noise', min_value=8, max_value=9),\n]\n"
    )

    report = checked(tmp_path)

    require_place(report.problems[0], path, "    gxe.ExpectColumnMeanToBeBetween(column='noise'")
    assert sum("expect_column_mean" in problem.text for problem in report.problems) == 1


def test_features_that_fail_are_told_at_the_line_that_fails(tmp_path: Path) -> None:
    broken = FEATURES.replace('set(X["group"])', 'set(X["grope"])')
    pipeline = delivered(tmp_path, features=broken)

    problem = only_problem(checked(tmp_path))

    require_place(problem, pipeline.folder / "features.py", "self.groups_ = ")
    assert "KeyError: 'grope'" in problem.text


def test_a_candidate_that_cannot_be_built_leaves_the_others(tmp_path: Path) -> None:
    wrong = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {"Z": 1}}
    delivered(tmp_path, candidates={**SPEC["candidates"], "wrong": wrong})

    report = checked(tmp_path)

    assert "no parameter 'Z'" in only_problem(report).text
    assert report.steps[-1].step == "gate"


def test_a_gate_that_no_first_model_passes_is_told_at_its_floor(tmp_path: Path) -> None:
    gate = {**SPEC["gate"], "first_floors": {"roc_auc": 0.98}}
    pipeline = delivered(tmp_path, gate=gate)

    require_place(only_problem(checked(tmp_path)), pipeline.folder / "pipeline.yaml", "roc_auc: 0.98")


def test_fewer_partitions_than_a_run_needs_prove_nothing_about_the_gate(tmp_path: Path) -> None:
    delivered(tmp_path, gate={**SPEC["gate"], "first_floors": {"roc_auc": 0.98}})

    report = checked(tmp_path, n_partitions=3)

    assert only_problem(report, Level.WARNING)
    assert report.is_ready


def test_a_number_of_partitions_that_does_not_fit_the_window_is_refused(tmp_path: Path) -> None:
    delivered(tmp_path)

    with pytest.raises(BadInput, match="expected 3 to 4"):
        checked(tmp_path, n_partitions=9)


def test_one_file_of_all_time_is_split_into_its_partitions(tmp_path: Path) -> None:
    pipeline = make_toy(tmp_path, source={"kind": "files", "path": "all.csv", "format": "csv"})
    pd.concat([rows(n) for n in range(6)]).to_csv(pipeline.folder / "all.csv", index=False)

    report = checked(tmp_path)

    assert report.is_ready
    assert f"{FIRST.shift(2).key} to {FIRST.shift(5).key}" in report.steps[1].sentence


def test_a_source_that_lists_nothing_is_asked_from_its_start_when_its_newest_periods_are_empty(tmp_path: Path) -> None:
    folder = delivered(tmp_path).folder
    (folder / "source.py").write_text(
        "import shutil\nimport pandas as pd\nfrom pathlib import Path\n\n"
        f"FOLDER = Path({str(folder / 'delivery')!r})\n\n"
        "def deliver(partition, folder):\n"
        "    shutil.copy(FOLDER / f'{partition.key}.csv', folder / 'rows.csv')\n\n"
        "def assemble(partition, folder):\n"
        "    return pd.read_csv(folder / 'rows.csv', dtype={'id': str})\n"
    )
    make_toy(tmp_path, source={"kind": "python"})
    late = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)

    report = check("toy", tmp_path / "pipelines", EnvironmentConnections(settings(tmp_path)), now=late)

    assert f"{FIRST.key} to {FIRST.shift(3).key}" in report.steps[1].sentence


def test_an_sql_connection_that_is_not_set_is_told_with_its_variable(tmp_path: Path) -> None:
    query = "SELECT * FROM t WHERE at >= :start AND at < :end"
    make_toy(tmp_path, source={"kind": "sql", "connection": "warehouse", "query": query})

    assert "AIRFLOW_CONN_WAREHOUSE" in only_problem(checked(tmp_path)).text


def test_the_command_prints_one_json_object_and_its_status_says_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = delivered(tmp_path)
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(tmp_path / "pipelines"))

    assert cli.main(["check", "toy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_ready"]

    (pipeline.folder / "features.py").write_text("class Features\n")
    assert cli.main(["check", "toy"]) == 1
    assert f"error: {pipeline.folder / 'features.py'}:1: not valid Python" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_of_a_large_file_only_the_newest_partitions_are_taken_and_nothing_changes(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_toy(tmp_path, source={"kind": "files", "path": f"all.{form}", "format": form})
    everything = pd.concat([rows(n) for n in range(6)])
    path = pipeline.folder / f"all.{form}"
    everything.to_parquet(path) if form == "parquet" else everything.to_csv(path, index=False)
    whole = checked(tmp_path)
    monkeypatch.setattr(narrow, "LARGE_BYTES", 0)

    of_part = checked(tmp_path)

    assert of_part.is_ready
    assert [done.sentence for done in of_part.steps] == [done.sentence for done in whole.steps]


def test_of_a_large_file_a_time_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = make_toy(tmp_path, source={"kind": "files", "path": "all.csv", "format": "csv"})
    frame = pd.concat([rows(n) for n in range(5)], ignore_index=True).astype({"at": str})
    frame.loc[700, "at"] = "yesterday"
    frame.to_csv(pipeline.folder / "all.csv", index=False)
    monkeypatch.setattr(narrow, "LARGE_BYTES", 0)

    assert "row 702, column 'at': 'yesterday'" in only_problem(checked(tmp_path)).text
