"""Candidates on a Dask cluster of two workers, and windows that no process holds whole: the same models as without."""

import os
import pickle
import re
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from distributed import Client

from include.perennial.contracts import CandidateFit, TrainingPlan, TrainingRequest, Trigger
from include.perennial.errors import BadInput, SpecError, Unavailable
from include.perennial.gate.tasks import BINARY, task_of
from include.perennial.models import cluster, estimators, frames, model_file
from include.perennial.models.frames import Labelled
from include.perennial.models.parts import Parts
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge
from include.perennial.steps.plan import plan_training
from include.perennial.steps.register import register
from include.perennial.steps.reproduce import Outcome, reproduce
from include.perennial.steps.training_rows import training_rows
from tests.closed_loop import WEEK, Loop
from tests.dask_cluster import PAGE, dask_cluster
from tests.servers import free_port
from tests.training_runs import FEATURES, make_toy, toy_frame

[OWN] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
MODEL = (
    OWN
    + """

from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV


def grid(random_state=None):
    return GridSearchCV(RandomForestClassifier(12, random_state=random_state), {"max_depth": [2, 4]}, cv=2)


def last(rows, labels):
    return labels + 1.0
"""
)
INCREMENTAL_FEATURES = FEATURES.replace(
    "    def transform",
    """    def partial_fit(self, X, y=None):
        self.groups_ = getattr(self, "groups_", set()) | set(X["group"])
        self.center_ = max(getattr(self, "center_", 0.0), float(X["signal"].mean()))
        return self

    def transform""",
)
[SHOWN] = re.findall(r"^```\n(candidates:\n.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
CANDIDATES = yaml.safe_load(SHOWN)["candidates"] | {
    "incremental": {"estimator": "model.Incremental", "params": {"loss": "log_loss"}},
    "grid": {"estimator": "model.grid"},
}


@pytest.fixture
def large(loop: Loop) -> Loop:
    """The toy pipeline with the candidates and the code of the page."""
    folder = loop.settings.pipelines / "toy"
    spec = yaml.safe_load((folder / "pipeline.yaml").read_text())
    spec |= {"candidates": CANDIDATES, "window": {"partitions": 4}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (folder / "model.py").write_text(MODEL)
    (folder / "features.py").write_text(INCREMENTAL_FEATURES)
    return loop


@pytest.fixture
def workers(large: Loop, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A cluster's address, and the home of its workers, who share only registry and remote with the task."""
    home = tmp_path / "of_workers"
    settings = {
        "PERENNIAL_HOME": str(home),
        "PERENNIAL_DATA_REGISTRY": large.settings.data_registry,
        "PERENNIAL_DVC_REMOTE": large.settings.dvc_remote,
    }
    with dask_cluster(tmp_path / "dask", settings) as address:
        yield address, home


def planned(loop: Loop) -> TrainingPlan:
    asked = TrainingRequest(pipeline="toy", as_of=WEEK[6], trigger=Trigger.MANUAL, force=True, reason="large")
    plan = plan_training(asked, loop.pipeline, loop.data, loop.code)
    assert isinstance(plan, TrainingPlan)
    return plan


def fitted(loop: Loop, plan: TrainingPlan) -> list[CandidateFit]:
    fits = [fit_candidate(plan, name, loop.pipeline, loop.data, loop.tracking) for name in CANDIDATES]
    return [fit.model_copy(update={"fit_seconds": 0.0, "mlflow_run_id": "", "searched": None}) for fit in fits]


@pytest.mark.server
@pytest.mark.long
def test_a_cluster_fits_the_same_models_reads_the_partitions_itself_and_is_not_needed_to_rebuild(
    large: Loop, workers: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, home_of_workers = workers
    plan, pipeline = planned(large), large.pipeline
    alone = fitted(large, plan)

    monkeypatch.setenv(cluster.SCHEDULER, address)
    on_cluster = fitted(large, plan)
    [committee] = [fit for fit in on_cluster if fit.candidate == "committee"]
    decision = judge(
        plan,
        [committee],
        pipeline,
        registry=large.data,
        store=large.objects,
        tracking=large.tracking,
        ledger=large.ledger,
    )
    registered = register(decision, large.ledger, large.models, forced=True)
    monkeypatch.delenv(cluster.SCHEDULER)

    assert on_cluster == alone
    read = {path.name for path in (home_of_workers / "cache" / "partitions").rglob("*") if path.is_file()}
    assert {f"{ref.sha256}.parquet" for ref in plan.train} <= read
    assert registered is not None
    result = reproduce("toy", registered.version, large.settings, large.code)
    assert result.outcome is Outcome.IDENTICAL, result

    monkeypatch.setenv(cluster.SCHEDULER, address)
    monkeypatch.setattr(cluster.platform, "python_version", lambda: "3.0.0")
    with pytest.raises(BadInput, match=r"Worker tcp://.* has python 3\..* \(here 3\.0\.0\): models may differ there"):
        fit_candidate(plan, "grid", pipeline, large.data, large.tracking)


@pytest.mark.heavy
def test_a_worker_that_is_killed_changes_nothing_of_the_model(
    large: Loop, workers: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = MODEL.replace("X, y, weights = partition()", "import time; time.sleep(3); X, y, weights = partition()")
    (large.settings.pipelines / "toy" / "model.py").write_text(slow)
    plan, pipeline = planned(large), large.pipeline
    alone = fit_candidate(plan, "committee", pipeline, large.data, large.tracking)
    killed: list[int] = []

    def kill_one_when_both_fit() -> None:
        with Client(workers[0]) as client:
            while sum(map(len, client.processing().values())) < 2:
                time.sleep(0.1)
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setenv(cluster.SCHEDULER, workers[0])
    killer = threading.Thread(target=kill_one_when_both_fit)
    killer.start()
    survived = fit_candidate(plan, "committee", pipeline, large.data, large.tracking)
    killer.join()

    assert len(killed) == 1
    assert survived.metrics == alone.metrics


def test_a_cluster_that_does_not_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_WAIT_S", 1)
    monkeypatch.setenv(cluster.SCHEDULER, f"tcp://127.0.0.1:{free_port()}")

    with (
        pytest.raises(Unavailable, match="which PERENNIAL_DASK_SCHEDULER names, does not answer"),
        cluster.spread([]),
    ):
        pytest.fail("there is no cluster")


@dataclass
class Watched:
    """A partition that remembers who still holds its rows."""

    week: int
    held: list["weakref.ref[pd.DataFrame]"] = field(default_factory=list)
    most: list[int] = field(default_factory=list)

    def read(self) -> Labelled:
        frame = toy_frame(self.week, 150)
        rows = Labelled(frame.drop(columns="label"), frame["label"].to_numpy(), None)
        self.held.append(weakref.ref(rows.x))
        self.most.append(sum(one() is not None for one in self.held))
        return rows


@pytest.mark.parametrize("name", ["committee", "incremental"])
def test_never_more_than_one_partition_is_held_and_the_model_is_that_of_rows_in_memory(
    name: str, tmp_path: Path
) -> None:
    pipeline = make_toy(tmp_path, features=INCREMENTAL_FEATURES, candidates=CANDIDATES, model=MODEL)
    watched = [Watched(0)]
    watched += [Watched(week, watched[0].held, watched[0].most) for week in (1, 2, 3)]
    in_memory = [part.read() for part in watched]
    together = Labelled(
        pd.concat([rows.x for rows in in_memory], ignore_index=True),
        pd.concat([pd.Series(rows.y) for rows in in_memory]).to_numpy(),
        pd.Series(range(4)).repeat(150).to_numpy(),
    )
    del in_memory
    watched[0].held.clear()
    watched[0].most.clear()

    digests = []
    for number, rows in enumerate((Parts(watched), together)):
        model = estimators.build(pipeline, name, {}, seed=7)
        estimators.fit(model, rows, name)
        digests.append(model_file.save(model, pipeline.model_sources(), tmp_path / str(number)).digest)

    assert len(watched[0].most) == 3 * len(watched)  # labels, features, fit
    assert set(watched[0].most) == {1}
    assert digests[0] == digests[1]


def test_parts_that_come_back_from_other_processes_give_the_same_bytes(tmp_path: Path) -> None:
    pipeline = make_toy(tmp_path, features=INCREMENTAL_FEATURES, candidates=CANDIDATES, model=MODEL)
    model = estimators.build(pipeline, "committee", {}, seed=7)
    estimators.fit(model, Parts([Watched(week) for week in range(3)]), "committee")
    here = model_file.save(model, pipeline.model_sources(), tmp_path / "here").digest

    committee: Any = model.named_steps["model"]
    committee.members_ = [pickle.loads(pickle.dumps(member)) for member in committee.members_]

    assert model_file.save(model, pipeline.model_sources(), tmp_path / "there").digest == here


def test_what_needs_all_rows_at_once_is_refused(large: Loop, tmp_path: Path) -> None:
    plan, folder = planned(large), large.settings.pipelines / "toy"
    spec = yaml.safe_load((folder / "pipeline.yaml").read_text())
    search = {"kind": "grid", "space": {"max_iter": [5, 10]}, "folds": 2}
    for change, said in (
        ({"weights": "model.last"}, "has a function of weights, which needs all rows at once"),
        ({"candidates": {"committee": CANDIDATES["committee"] | {"search": search}}}, "has a search, which needs all"),
    ):
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(spec | change))
        with pytest.raises(SpecError, match=rf"candidates\.committee is fitted partition by partition .*{said}"):
            training_rows(plan, plan.train, large.pipeline, "committee", large.data)

    (folder / "pipeline.yaml").write_text(yaml.safe_dump(spec))
    (folder / "features.py").write_text(FEATURES)
    rows = training_rows(plan, plan.train, large.pipeline, "committee", large.data)
    with pytest.raises(SpecError, match=r"Features of features\.py has no partial_fit\(X, y\)"):
        estimators.fit(estimators.build(large.pipeline, "committee", {}, seed=7), rows, "committee")


def test_a_candidate_without_the_method_gets_its_rows_in_memory(large: Loop) -> None:
    plan, pipeline = planned(large), large.pipeline

    rows = training_rows(plan, plan.train, pipeline, "grid", large.data)

    paths = large.data.fetch("toy", plan.train, plan.data_commit)
    assert isinstance(rows, Labelled)
    pd.testing.assert_frame_equal(rows.x, frames.read(paths, pipeline.spec.data, task_of(pipeline.spec)).x)
    assert task_of(pipeline.spec) is BINARY
