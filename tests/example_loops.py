"""A shipped example through its loop in this process: delivered, checked, published, trained on, scored, measured."""

from dataclasses import dataclass, replace
from pathlib import Path

from include.perennial.contracts import Decision, Promotion, TrainingPlan, TrainingRequest, Trigger
from include.perennial.models.model_cache import ModelCache
from include.perennial.monitor.measurement import Measurement
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.sources import EnvironmentConnections
from include.perennial.stand_ins import build, stand_ins, url
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.plan import plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.score import score_partition
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import LocalObjects, ObjectStore
from include.perennial.stores.tracking.registry import Registry
from include.perennial.stores.tracking.runs import Tracking


@dataclass(frozen=True)
class Example:
    """The pipeline ``name`` of ``include/pipelines`` with a home of its own."""

    name: str
    settings: Settings

    @classmethod
    def below(cls, root: Path, name: str) -> "Example":
        """A new one."""
        return cls(name, Settings.from_env({"PERENNIAL_HOME": str(root / "home")}))

    @property
    def pipeline(self) -> Pipeline:
        return load_pipeline(self.name, PROJECT_ROOT / "include" / "pipelines")

    @property
    def data(self) -> DataRegistry:
        return DataRegistry.open(self.settings)

    @property
    def objects(self) -> ObjectStore:
        return LocalObjects(Path(self.settings.store_url))

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.ledger_url)

    @property
    def tracking(self) -> Tracking:
        return Tracking.open(self.settings)

    @property
    def connections(self) -> EnvironmentConnections:
        """With the files of the examples' own ``database.py`` for databases."""
        found = stand_ins(replace(self.settings, pipelines=PROJECT_ROOT / "include" / "pipelines"), {})
        for pipeline, file in found.values():
            build(pipeline, file)
        return EnvironmentConnections(self.settings, {name: url(file) for name, (_, file) in found.items()})

    def partition(self, n: int) -> Partition:
        """The ``n``-th partition from the start of the schedule."""
        return self.pipeline.spec.first_partition.shift(n)

    def ingest(self, n: int) -> int:
        """Deliver, check and publish the ``n``-th partition; its rows."""
        snapshot = take_snapshot(self.pipeline, self.partition(n), self.objects, self.connections)
        validated = validate(self.pipeline, snapshot, self.objects)
        return publish_partition(validated, self.objects, self.data, self.ledger).rows

    def train(self, n: int) -> tuple[Decision, Promotion | None]:
        """A training run as of the ``n``-th partition."""
        stores = {"store": self.objects, "registry": self.data, "tracking": self.tracking, "ledger": self.ledger}
        pipeline, models = self.pipeline, Registry.open(self.settings)
        asked = TrainingRequest(pipeline=self.name, as_of=self.partition(n).key, trigger=Trigger.SCHEDULE)
        plan = plan_training(asked, pipeline, self.data, PROJECT_ROOT)
        assert isinstance(plan, TrainingPlan), plan
        fits = [fit_candidate(plan, name, pipeline, self.data, self.tracking) for name in plan.candidates]
        decision = judge(plan, fits, pipeline, **stores)
        registered = register(decision, self.ledger, models, forced=False)
        if registered is None:
            return decision, None
        again = lambda judged, champion: rejudge(judged, champion, pipeline, **stores)  # noqa: E731
        promotion = promote(registered, decision, self.ledger, models, again, force=False, reason="", actor="tests")
        return decision, promotion

    def measure(self, n: int) -> Measurement:
        """Score the ``n``-th partition and measure it."""
        key, cache = self.partition(n).key, ModelCache.open(self.settings, self.tracking.download)
        stores = {"registry": self.data, "store": self.objects, "ledger": self.ledger, "models": cache}
        score_partition(self.pipeline, key, **stores)
        return measure_partition(self.pipeline, key, **stores).measurement
