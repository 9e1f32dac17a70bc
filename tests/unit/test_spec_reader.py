"""Reading a pipeline.yaml: defaults, order of problems, names, links, bounded messages, light imports."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from include.perennial.errors import SpecError
from include.perennial.settings import PROJECT_ROOT
from include.perennial.spec import Metric
from include.perennial.spec.reader import read_spec
from tests.pipeline_folders import SPEC, edited, line_of, refusal, write_folder


def test_the_minimal_spec_loads_with_its_defaults(tmp_path: Path) -> None:
    spec = read_spec(write_folder(tmp_path) / "pipeline.yaml")

    assert spec.name == "demo"
    assert spec.schedule.start == dt.date(2013, 1, 7)
    assert spec.data.key == ("at", "id")
    assert spec.gate.floors == {Metric.ROC_AUC: 0.58}
    assert spec.candidates["logistic"].params == {"C": 0.01}
    assert (spec.window.kind, spec.window.holdout, spec.refit, spec.seed) == ("sliding", 1, True, 0)


def test_of_several_problems_the_first_by_line_is_told_and_the_others_are_counted(tmp_path: Path) -> None:
    text = edited("  min_rows: 100", "  min_rows: 0", edited("  partitions: 8", "  partitions: 0"))
    path = write_folder(tmp_path, spec=edited("  format: csv", "  format: xml", text)) / "pipeline.yaml"

    message = refusal(path)

    assert message.startswith(f"{path}:{line_of('format', text)}: source.format is 'xml': expected one of csv,")
    assert message.endswith("(and 2 more problems in this file)")


def test_a_misspelt_key_is_one_problem_not_an_unknown_and_a_missing_one(tmp_path: Path) -> None:
    path = write_folder(tmp_path, spec=edited("title: Demo", "titel: Demo")) / "pipeline.yaml"

    assert refusal(path) == (
        f"{path}:3: unknown key 'titel': allowed are name, title, description, owner, task, classes, period, schedule, "
        "source, data, window, features, candidates, weights, trusted_types, selection_metric, gate, "
        "approval, score, monitor, alerts, pool, refit, seed. Did you mean 'title'?"
    )


def test_a_name_that_another_folder_has_is_called_a_duplicate(tmp_path: Path) -> None:
    write_folder(tmp_path, "demo")
    copy = write_folder(tmp_path, "copy", spec=SPEC) / "pipeline.yaml"

    with pytest.raises(SpecError, match=r"copy/pipeline\.yaml:2: duplicate pipeline name 'demo'.*Expected 'copy'"):
        read_spec(copy)


def test_a_path_that_leaves_the_folder_through_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pipelines")
    (tmp_path / "elsewhere").mkdir()
    (folder / "data").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(
        SpecError, match=r"pipeline\.yaml:15: source\.path .* leaves the pipeline folder through a symb"
    ):
        read_spec(folder / "pipeline.yaml")


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    (folder / "real").mkdir()
    (folder / "data").symlink_to(folder / "real")

    assert read_spec(folder / "pipeline.yaml").name == "demo"


@pytest.mark.parametrize("old", ["title: Demo", "  path: data/{key}.csv", "  format: csv", '  train: "0 5 * * 1"'])
def test_a_huge_value_is_cut_in_the_message(old: str, tmp_path: Path) -> None:
    huge = old.partition(":")[0] + ": " + "x}" * 50_000
    path = write_folder(tmp_path, spec=edited(old, huge)) / "pipeline.yaml"

    message = refusal(path)

    assert "expected" in message or "allowed" in message
    assert len(message) < len(str(path)) + 400


PARSE_TIME = """
import sys
from pathlib import Path
from include.perennial.pipeline_folder import load_pipeline
import include.perennial.contracts, include.perennial.settings
load_pipeline("demo", Path(sys.argv[1]))
heavy = "mlflow great_expectations evidently sklearn dvc pandas numpy pyarrow airflow matplotlib skops sqlalchemy boto3"
print([name for name in heavy.split() if name in sys.modules])
"""


def test_reading_a_pipeline_imports_nothing_heavy(tmp_path: Path) -> None:
    write_folder(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", PARSE_TIME, str(tmp_path)], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
