"""Ten faults of data, met by ``new``, by ``check`` and by the steps of a run: what it is, where, and what to do."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.perennial.contracts import Check, PartitionRef, TrainingPlan, TrainingRequest, Trigger
from include.perennial.errors import DataError, PerennialError
from include.perennial.gate import judgement as gate
from include.perennial.gate.evidence import Comparison
from include.perennial.gate.tasks import task_of
from include.perennial.models import frames
from include.perennial.models.frames import Labelled
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.provenance import CodeVersion
from include.perennial.settings import PROJECT_ROOT
from include.perennial.sources import EnvironmentConnections
from include.perennial.steps.check import check
from include.perennial.steps.evidence import fit_and_save, gather, predict_holdout
from include.perennial.steps.fit import fit_and_measure
from include.perennial.steps.plan import Window, plan_of
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.standing import Standing
from include.perennial.steps.validate import validate
from include.perennial.stores.objects import LocalObjects
from include.perennial.tables import from_frame, write_parquet
from tests import ten_million_rows
from tests.deliveries import settings
from tests.task_pipelines import KINDS
from tests.training_runs import FIRST, make_toy, toy_frame
from tests.unit.scaffold.tables import made, table, write

Change = Callable[[pd.DataFrame], pd.DataFrame]
LAST_DAY = "2024-03-18"
MOST_MEGABYTES = 2500


@dataclass(frozen=True)
class Fault:
    """``new``, ``check`` and ``run`` are parts of what each says of it; empty where it goes through."""

    change: Change
    new: tuple[str, ...]
    check: tuple[str, ...]
    run: tuple[str, ...]


def put(column: str, value: object, row: int = 1100) -> Change:
    def changed(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[row, column] = value
        return frame

    return changed


FAULTS = {
    "target of another name": Fault(
        lambda f: f.rename(columns={"y": "yy"}),
        ("TARGET names column 'y'", "did you mean 'yy'?", "Its columns:"),
        ("missing 1 of 5 declared columns: 'y'", "'yy'"),
        ("'data.csv'", "missing 1 of 5 declared columns: 'y'", "To fix: restore"),
    ),
    "constant target": Fault(
        lambda f: f.assign(y=1),
        ("the same value in every row, '1'", "To fix"),
        ("expect_column_mean_to_be_between(y)", "observed 1"),
        ("expect_column_mean_to_be_between", "observed 1"),
    ),
    "leaked feature": Fault(
        lambda f: f.assign(x=f["y"] + f["z"] / 1000),
        ("'x' (ROC AUC 1.000)", "LEAVE_OUT="),
        ("plausibility.single_feature: ROC AUC of feature number__x alone 1.000 is above the allowed",),
        (),
    ),
    "time that does not parse": Fault(
        put("at", "31/01/2024"),
        ("row 1102", "'at'", "'31/01/2024'", "ISO 8601"),
        ("row 1102", "'at'", "'31/01/2024'", "ISO 8601"),
        ("row 1102", "'at'", "'31/01/2024'", "ISO 8601"),
    ),
    "repeated keys": Fault(
        lambda f: f.assign(id=f["id"] // 2),
        ("600 rows whose key occurred before; rows 2 and 3 are the first", "To fix"),
        ("key", "quarantine"),
        ("key", "quarantine"),
    ),
    "one row": Fault(
        lambda f: f.tail(1),
        ("1 row.", "at least 100"),
        ("expect_table_row_count_to_be_between", "observed 1"),
        ("expect_table_row_count_to_be_between", "observed 1"),
    ),
    "mixed types": Fault(
        put("z", "n/a?"),
        (),
        ("row 1102", "'z'", "'n/a?'", "integer"),
        ("row 1102", "'z'", "'n/a?'", "integer"),
    ),
    "label that is none": Fault(put("y", 2), (), (), ()),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline ``fresh``, made from a table without a fault."""
    root = tmp_path_factory.mktemp("good")
    made(root, write(table(), root))
    return root


@pytest.fixture
def faulty(good: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """The same with another table under it."""

    def faulted(change: Change) -> Path:
        shutil.copytree(good / "pipelines", tmp_path / "pipelines")
        write(change(table()), tmp_path / "pipelines" / "fresh", "data.csv")
        return tmp_path

    return faulted


def require(parts: tuple[str, ...], said: str) -> None:
    assert [part for part in parts if part not in said] == [], said


@pytest.mark.parametrize("name", FAULTS)
def test_new_refuses_or_tells_it(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    file = write(fault.change(table()), tmp_path)
    if not fault.new:
        done = made(tmp_path, file)
        told = ("row 1102 holds 'n/a?'", "The task is counts, from the target's values: whole numbers from 0 to 2")
        assert any(one in line for one in told for line in (*done.look_at, *done.guesses))
        return
    with pytest.raises(PerennialError) as caught:
        made(tmp_path, file)

    require(fault.new, str(caught.value))


@pytest.mark.parametrize("name", FAULTS)
def test_check_tells_it_with_a_place_and_a_remedy(name: str, faulty: Callable[[Change], Path]) -> None:
    root = faulty(FAULTS[name].change)

    report = check("fresh", root / "pipelines", EnvironmentConnections(settings(root)))

    if not FAULTS[name].check:
        assert report.problems == ()
        return
    require(FAULTS[name].check, " ".join(problem.text for problem in report.problems))
    assert all(problem.remedy and Path(problem.file).is_file() and problem.line for problem in report.problems)


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].run])
def test_an_ingest_tells_it(name: str, faulty: Callable[[Change], Path]) -> None:
    fault = FAULTS[name]
    root = faulty(fault.change)
    pipeline = load_pipeline("fresh", root / "pipelines")
    store, partition = LocalObjects(root / "store"), Partition.of_key(LAST_DAY, pipeline.spec.period)

    with pytest.raises(PerennialError) as caught:
        validate(pipeline, take_snapshot(pipeline, partition, store, EnvironmentConnections(settings(root))), store)

    require(fault.run, str(caught.value))


def test_a_label_that_is_none_is_set_aside_with_its_reason(faulty: Callable[[Change], Path]) -> None:
    root = faulty(FAULTS["label that is none"].change)
    pipeline, store = load_pipeline("fresh", root / "pipelines"), LocalObjects(root / "store")
    partition = Partition.of_key(LAST_DAY, pipeline.spec.period)

    snapshot = take_snapshot(pipeline, partition, store, EnvironmentConnections(settings(root)))

    assert validate(pipeline, snapshot, store).quarantine_reasons == {"expect_column_values_to_be_in_set(y)": 1}


# --- what only a training run can see ----------------------------------------------------------


def measured(root: Path, kind: str, change: Change, holdout: Change = lambda f: f) -> Any:
    """A training run's fit of the toy pipeline on one week, measured on the next, each changed."""
    pipeline = KINDS[kind].make(root) if kind in KINDS else make_toy(root)
    frame = KINDS[kind].frame if kind in KINDS else toy_frame
    task, rows = task_of(pipeline.spec), []
    for n, changed in enumerate((change, holdout)):
        write_parquet(from_frame(changed(frame(n)), pipeline.spec.data.columns, "rows"), root / f"{n}.parquet")
        rows.append(frames.read([root / f"{n}.parquet"], pipeline.spec.data, task))
    refs = tuple(PartitionRef(key=FIRST.shift(n).key, sha256="", rows=600) for n in range(3))
    asked = TrainingRequest(pipeline="toy", as_of=refs[-1].key, trigger=Trigger.MANUAL)
    plan = plan_of(asked, pipeline, Window(train=refs[:2], holdout=refs[2:]), "c", CodeVersion("c", dirty=True))
    return pipeline, plan, rows, fit_and_measure(plan, next(iter(plan.candidates)), pipeline, *rows).fit


@pytest.mark.parametrize(
    ("kind", "label", "said"),
    [
        ("binary", 1, "all 600 training labels are 1"),
        ("regression", 4, "all 600 training labels are 4"),
        ("multiclass", "high", "all 600 training labels are high"),
    ],
)
def test_a_constant_target_in_the_window_is_told_by_the_fit(kind: str, label: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"Candidate \w+: {said}: nothing to learn. To fix: see that data.target"):
        measured(tmp_path, kind, lambda frame: frame.assign(label=label))


def test_a_class_that_the_spec_does_not_name_is_told_with_the_classes(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"one of low, middle, high in every row: 1 of 600 .*'huge'\. To fix: .*classes"
    ):
        measured(tmp_path, "multiclass", lambda frame: frame, put("label", "huge", 5))


def test_a_class_that_no_training_row_had_is_told_by_the_gate(tmp_path: Path) -> None:
    pipeline, plan, (train, holdout), _ = measured(tmp_path, "multiclass", lambda f: f[f["label"] != "high"])
    task, winner = task_of(pipeline.spec), "logistic"
    fitted = fit_and_save(plan, pipeline, winner, train, holdout, tmp_path / "model")
    plan = plan.model_copy(update={"holdout": (plan.holdout[0],)})
    shown = predict_holdout(plan, pipeline, winner, fitted, holdout, task.baseline(train.y))
    standing = Standing(Comparison.FIRST, np.ones(len(holdout), dtype=bool))

    judgement = gate.judge(pipeline.spec.gate, gather(pipeline, shown, standing, fitted.saved.digest), seed=1)

    [told] = [check for check in judgement.checks if check.name == "new_classes"]
    assert re.search(r"1 classes .* in no training row.*: high \(\d+ rows\). Widen window.partitions", told.message)
    assert judgement.verdict == "rejected"
    assert not [check for check in _of_known(pipeline, plan, holdout, tmp_path) if check.name == "new_classes"]


def _of_known(pipeline: Pipeline, plan: TrainingPlan, rows: Labelled, root: Path) -> tuple[Check, ...]:
    fitted = fit_and_save(plan, pipeline, "logistic", rows, rows, root / "known")
    shown = predict_holdout(plan, pipeline, "logistic", fitted, rows, task_of(pipeline.spec).baseline(rows.y))
    standing = Standing(Comparison.FIRST, np.ones(len(rows), dtype=bool))
    return gate.judge(pipeline.spec.gate, gather(pipeline, shown, standing), seed=1).checks


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_five_thousand_columns_become_the_hundred_that_tell_most_and_a_check_that_is_ready(tmp_path: Path) -> None:
    noise = pd.DataFrame(np.random.default_rng(3).normal(size=(600, 5000)).round(3)).add_prefix("f")

    done = made(tmp_path, write(pd.concat([table(600), noise], axis=1), tmp_path, "rows.parquet"))

    assert any("it tells less than the 100 columns kept" in line for line in done.guesses)
    assert "x" in load_pipeline("fresh", tmp_path / "pipelines").spec.data.columns
    report = check("fresh", tmp_path / "pipelines", EnvironmentConnections(settings(tmp_path)))
    assert report.problems == ()


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_ten_million_rows_need_no_more_memory_than_a_laptop_has(ending: str, tmp_path: Path) -> None:
    file = ten_million_rows.write(tmp_path / f"rows.{ending}", 10_000_000)
    env = {**os.environ, "PERENNIAL_PIPELINES": str(tmp_path / "pipelines"), "PERENNIAL_HOME": str(tmp_path / "home")}
    (tmp_path / "dags").mkdir()
    asked = ["new", "many", "--from", str(file), "--target", "y", "--time", "at", "--key", "id"]

    peaks = {}
    for name, arguments in {"new": [*asked, "--dags", str(tmp_path / "dags")], "check": ["check", "many"]}.items():
        status, said, peaks[name] = ten_million_rows.peak_megabytes(arguments, env, PROJECT_ROOT)
        assert status == 0, said

    assert all(peak < MOST_MEGABYTES for peak in peaks.values()), peaks
