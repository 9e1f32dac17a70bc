"""What a spec of each task must and must not name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from include.perennial.pipeline_folder import load_pipeline
from include.perennial.spec.reader import read_spec
from tests.pipeline_folders import refusal
from tests.task_pipelines import COUNTS, KINDS, SPECIES
from tests.training_runs import SPEC


def written(root: Path, changes: dict[str, Any]) -> Path:
    folder = root / "toy"
    folder.mkdir()
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump({**SPEC, **changes}, sort_keys=False))
    return path


def gate(of: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**of, "gate": {**of["gate"], **changes}}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_spec_of_each_task_is_valid(kind, tmp_path):
    assert read_spec(written(tmp_path, KINDS[kind].changes)).task == kind


CASES = {
    "unknown task": ({"task": "ranking"}, "expected one of binary, regression, multiclass"),
    "metric of two classes": (
        gate(COUNTS, floors={"roc_auc": 0.6}),
        "gate.floors.roc_auc is not a metric of regression pipelines: expected one of mae, mean_poisson_deviance",
    ),
    "metric of a regression": (
        gate(SPEC, ceilings={"rmse": 3.0}),
        "gate.ceilings.rmse is not a metric of binary pipelines",
    ),
    "selection by the default": (
        {name: value for name, value in COUNTS.items() if name != "selection_metric"},
        "selection_metric is log_loss, which is not a metric of regression pipelines",
    ),
    "r2 compared": (
        gate(COUNTS, slices=None, compare={"metric": "r2", "margin": 0.1, "cluster": ["group"]}),
        "gate.compare.metric is r2, which cannot be compared: expected one of mae, mean_poisson_deviance, rmse",
    ),
    "positives of a regression": (gate(COUNTS, min_positives=3), "gate.min_positives is not for regression pipelines"),
    "calibration of a regression": (gate(COUNTS, max_calibration_error=0.1), "is for binary pipelines"),
    "plausibility of two classes": (
        gate(COUNTS, plausibility={"max_roc_auc": 0.9, "max_single_feature_auc": 0.9}),
        "expected max_r2 and max_single_feature_correlation",
    ),
    "floor that plausibility forbids": (
        gate(COUNTS, floors={"r2": 0.99}),
        "gate.floors.r2 is not below gate.plausibility.max_r2, 0.99",
    ),
    "margin beyond the range": (
        gate(SPECIES, compare={"metric": "accuracy", "margin": 1.5, "cluster": ["group"]}),
        "gate.compare.margin is 1.5: expected a number, at least 0, at most 1",
    ),
    "text as a number": (
        {**COUNTS, "data": SPECIES["data"]},
        "declared as string: expected float or integer for regression",
    ),
    "no classes": ({**SPECIES, "classes": None}, "classes is missing: expected all values of 'label', 3 or more"),
    "two classes": ({**SPECIES, "classes": ["low", "high"]}, "expected 3 or more, or task: binary"),
    "a class twice": ({**SPECIES, "classes": ["low", "high", "low"]}, "names 'low' twice"),
    "classes of a regression": ({**COUNTS, "classes": ["a", "b", "c"]}, "classes is for multiclass pipelines"),
    "no rows of the rarest class": (
        {**SPECIES, "gate": {name: value for name, value in SPECIES["gate"].items() if name != "min_class_rows"}},
        "gate has no min_class_rows",
    ),
    "no positives of two classes": (
        {"gate": {name: value for name, value in SPEC["gate"].items() if name != "min_positives"}},
        "gate has no min_positives",
    ),
}


@pytest.mark.parametrize(("changes", "says"), CASES.values(), ids=CASES)
def test_what_does_not_go_with_the_task_is_refused_with_what_does(changes, says, tmp_path):
    assert says in refusal(written(tmp_path, changes))


def test_the_digest_of_a_binary_spec_knows_nothing_of_other_tasks():
    """Recorded before there were other tasks: ledgers, calibrations and replays are found by it."""
    dumped = read_spec(Path("include/pipelines/flight_delays/pipeline.yaml")).model_dump(mode="json")
    assert "classes" not in dumped
    assert set(dumped["gate"]["plausibility"]) == {"max_roc_auc", "max_single_feature_auc"}
    assert "min_class_rows" not in dumped["gate"]
    assert dumped["task"] == "binary"
    assert load_pipeline("flight_delays", Path("include/pipelines")).spec.classes is None
