"""A loop that was really closed, small: published weeks, three champions in turn, scored partitions, in one home.

Everything is on this machine: SQLite, folders, Git. ``build`` makes a home once, ``copied`` gives each test its own.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.tracking._tracking_service import utils

from include.perennial.contracts import CandidateFit, Decision, Promotion, TrainingPlan, TrainingRequest, Trigger
from include.perennial.models.model_cache import ModelCache
from include.perennial.pipeline_folder import Pipeline, discover, load_pipeline
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.plan import plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.score import score_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import LocalObjects, ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking
from tests.training_runs import FIRST, make_toy, publish_frame, toy_frame

WEEK = [FIRST.shift(n).key for n in range(8)]
# As of which week which candidate wins: champions 1, 2 and 3.
CHAMPIONS = ((3, "forest"), (4, "boosting"), (5, "logistic"))
_PATHS = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}


@dataclass(frozen=True)
class Loop:
    """One home, the pipeline ``toy``, and the Git checkout ``code`` that its models were trained from."""

    settings: Settings
    code: Path

    @property
    def pipeline(self) -> Pipeline:
        return load_pipeline("toy", self.settings.pipelines)

    @property
    def data(self) -> DataRegistry:
        return DataRegistry.open(self.settings)

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.ledger_url)

    @property
    def objects(self) -> ObjectStore:
        return LocalObjects(Path(self.settings.store_url))

    @property
    def models(self) -> Registry:
        return Registry.open(self.settings)

    @property
    def tracking(self) -> Tracking:
        return Tracking.open(self.settings)

    @property
    def cache(self) -> ModelCache:
        return ModelCache.open(self.settings, self.tracking.download)

    def artifact(self, version: str, name: str = "model.skops") -> Path:
        """A stored file of the model of ``version``."""
        [event] = [e for e in self.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == version]
        model_id = event.payload["model"]["model_uri"].removeprefix("models:/")
        [found] = self.settings.home.glob(f"mlflow-artifacts/**/{model_id}/**/{name}")
        return found

    def decision(self, version: str) -> Decision:
        [event] = [e for e in self.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == version]
        judged = self.ledger.find("toy", EventKind.JUDGED, event.payload["run_key"])
        assert judged is not None
        return Decision.model_validate(judged.payload)

    def delete_version(self, version: str) -> None:
        self.models._client.delete_model_version("toy", version)

    def sql(self, database: str, *statements: str) -> None:
        """Run ``statements`` on ``mlflow.db`` or ``ledger.db``, past everything that guards it."""
        with sqlite3.connect(self.settings.home / database) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    def train(self, week: int, winner: str, **request: object) -> Promotion:
        """Judge, register and promote ``winner`` as of ``week``, as a training run does."""
        stores = {"store": self.objects, "registry": self.data, "tracking": self.tracking, "ledger": self.ledger}
        asked = TrainingRequest(pipeline="toy", as_of=WEEK[week], trigger=Trigger.SCHEDULE, **request)
        plan = plan_training(asked, self.pipeline, self.data, self.code)
        assert isinstance(plan, TrainingPlan)
        fit = CandidateFit(
            candidate=winner,
            metrics={str(self.pipeline.spec.selection_metric): 0.5},
            fit_seconds=0.1,
            mlflow_run_id="run",
        )
        decision = judge(plan, [fit], self.pipeline, **stores)
        registered = register(decision, self.ledger, self.models, forced=asked.force)
        assert registered is not None, decision.judgement.sentence
        again = lambda judged, champion: rejudge(judged, champion, self.pipeline, **stores)  # noqa: E731
        how = {"force": asked.force, "reason": asked.reason, "actor": "tests"}
        return promote(registered, decision, self.ledger, self.models, again, **how)

    def score(self, *weeks: int) -> None:
        for week in weeks:
            score_partition(
                *(self.pipeline, WEEK[week]),
                registry=self.data,
                store=self.objects,
                ledger=self.ledger,
                models=self.cache,
            )


def git(folder: Path, *arguments: str) -> str:
    """Output of Git in ``folder``."""
    who = ("-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_code(folder: Path, **changes: Any) -> None:
    """A Git checkout of this project's ``include`` with the pipeline ``toy``, committed."""
    ignored = shutil.ignore_patterns("__pycache__", *discover(PROJECT_ROOT / "include" / "pipelines"))
    shutil.copytree(PROJECT_ROOT / "include", folder / "include", ignore=ignored)
    toy = make_toy(folder / "made", **changes).folder
    shutil.move(toy, folder / "include" / "pipelines" / "toy")
    shutil.rmtree(folder / "made")
    git(folder.parent, "init", "--quiet", "-b", "main", str(folder))
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "code")


def build(
    root: Path,
    champions: Sequence[tuple[int, str]] = CHAMPIONS,
    frame: Callable[[int], pd.DataFrame] = toy_frame,
    **changes: Any,
) -> Loop:
    """A home below ``root`` with seven published weeks and a champion for each of ``champions``.

    ``frame`` gives the rows of a week; ``changes`` replace sections of the spec of ``toy``.
    """
    code = root / "code"
    code.mkdir(parents=True)
    make_code(code, **changes)
    settings = Settings.from_env(
        {"PERENNIAL_HOME": str(root / "home"), "PERENNIAL_PIPELINES": str(code / "include" / "pipelines")}
    )
    loop = Loop(settings, code)
    for n in range(7):
        publish_frame(root, loop.pipeline, loop.data, WEEK[n], frame(n))
    for week, winner in champions:
        promotion = loop.train(week, winner)
        assert promotion.status == "promoted", promotion.sentence
        loop.score(week + 1)
    return loop


def copied(loop: Loop, root: Path) -> Loop:
    """The same home below ``root``, where a test may break it. The code is a checkout of its own as well."""
    shutil.copytree(loop.settings.home, root / "home")
    shutil.copytree(loop.code, root / "code")
    settings = Settings.from_env(
        {"PERENNIAL_HOME": str(root / "home"), "PERENNIAL_PIPELINES": str(root / "code" / "include" / "pipelines")}
    )
    copy = replace(loop, settings=settings, code=root / "code")
    # Where artifacts are is remembered by their id, for all servers of a process: the copy's are elsewhere.
    utils._artifact_repos_cache.clear()
    old, new = str(loop.settings.home), str(settings.home)
    copy.sql(
        "mlflow.db",
        *(
            f"UPDATE {table} SET {column} = replace({column}, '{old}', '{new}')"
            for table, columns in _PATHS.items()
            for column in columns
        ),
    )
    return copy
