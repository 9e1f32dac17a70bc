"""What came of the loop, read from the ledger: the table at the end of `make run`."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from embedded.airflow_api import Airflow
from embedded.config import Stack, environment
from embedded.plan import Job
from include.perennial.contracts import Decision, Judgement, PartitionVersion, TrainingRequest, Trigger
from include.perennial.monitor.measurement import Measurement
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.perennial.steps.decide import EVALUATION_KINDS, Evaluation, measurement_digest
from include.perennial.steps.plan import NotReady, plan_training
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import CROWNING_KINDS, Champion, EventKind, Ledger, champion_for

_HEADS = {"roc_auc": "AUC", "log_loss": "log loss", "rmse": "RMSE", "mean_poisson_deviance": "Poisson", "mae": "MAE"}


@dataclass(frozen=True)
class Week:
    """One ingested partition."""

    key: str
    rows: int
    rows_quarantined: int
    sha256: str
    commit: str


@dataclass(frozen=True)
class Judged:
    """One decision, what became of it, and the champion afterwards."""

    decision: Decision
    promoted: bool
    champion: str | None


@dataclass(frozen=True)
class Watched:
    """What the monitor measured of one scored partition, and what its policy answered."""

    measurement: Measurement
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """The state of the loop over the partitions of a job; ``problems`` keep it from being closed.

    ``metrics`` are those that the gate compares and candidates are chosen by.
    """

    period: str
    metrics: tuple[str, ...]
    weeks: list[Week]
    decisions: list[Judged]
    watched: list[Watched]
    champion: str | None
    champion_cutoff: str | None
    problems: list[str]

    @property
    def closed(self) -> bool:
        return not self.problems


class Reader:
    """Reads weeks, decisions and problems of one pipeline without Airflow and without a server."""

    def __init__(self, stack: Stack, pipeline: str) -> None:
        self._settings = Settings.from_env(environment(stack))
        self._pipeline: Pipeline = load_pipeline(pipeline, self._settings.pipelines)
        self._name = pipeline
        self._registry = DataRegistry.open(self._settings)
        self._ledger = Ledger.open(self._settings.ledger_url)

    def weeks(self, first: str, last: str) -> list[Week]:
        published = self._ledger.events(self._name, [EventKind.PARTITION_PUBLISHED])
        versions = [PartitionVersion.model_validate(event.payload) for event in published]
        newest = {version.key: version for version in versions if first <= version.key <= last}
        return [Week(key, v.rows, v.rows_quarantined, v.sha256, v.commit) for key, v in sorted(newest.items())]

    def decisions(self, first: str, last: str) -> list[Judged]:
        """Decisions as of the weeks ``first`` to ``last``, in the order in which they were taken."""
        champion, found = None, {}
        for event in self._ledger.events(self._name):
            if event.kind is EventKind.JUDGED:
                decision = Decision.model_validate(event.payload)
                if first <= decision.plan.as_of <= last:
                    found[event.key] = Judged(decision, promoted=False, champion=champion)
            elif event.kind in (EventKind.PROMOTED, EventKind.ROLLED_BACK):
                champion = event.payload["version"]
                if event.payload["run_key"] in found:
                    before = found[event.payload["run_key"]]
                    found[event.payload["run_key"]] = Judged(before.decision, promoted=True, champion=champion)
        return list(found.values())

    def watched(self, first: str, last: str) -> list[Watched]:
        """The newest evaluation of each partition from ``first`` to ``last``."""
        events = self._ledger.events(self._name, EVALUATION_KINDS)
        evaluations = [Evaluation.model_validate(event.payload) for event in events]
        newest = {one.decision.key: one for one in evaluations if first <= one.decision.key <= last}
        measured = [
            Measurement.model_validate(event.payload)
            for event in self._ledger.events(self._name, [EventKind.MEASURED])
            if event.payload["key"] in newest
        ]
        by_digest = {measurement_digest(one): one for one in measured}
        return [Watched(by_digest[one.measured], one) for _, one in sorted(newest.items())]

    def champion_of(self, key: str) -> Champion | None:
        """The champion of the time of a partition, which scores it."""
        return champion_for(self._ledger.events(self._name, CROWNING_KINDS), key)

    def outcome(self, job: Job, check_alias: bool = False) -> Outcome:
        """The state of the loop; ``check_alias`` also asks the MLflow server, which must be up."""
        champion = self._ledger.champion(self._name)
        spec, last = self._pipeline.spec, job.watched[-1]
        return Outcome(
            period=job.period,
            metrics=(spec.gate.compare.metric, spec.selection_metric),
            weeks=self.weeks(job.keys[0], last),
            decisions=self.decisions(job.trained[0], last),
            watched=self.watched(job.watched[0], last),
            champion=champion.version if champion else None,
            champion_cutoff=champion.cutoff if champion else None,
            problems=self._problems(job, champion is not None) + (self.alias_problems() if check_alias else []),
        )

    def _problems(self, job: Job, crowned: bool) -> list[str]:
        period = job.period
        problems = [f"{period} {key} was not ingested" for key in self.not_ingested(job.keys)]
        if not problems:
            problems += [f"{period} {key} was not judged" for key in self.not_judged(job.trained)]
        watched = {one.measurement.key: one.evaluation for one in self.watched(job.watched[0], job.watched[-1])}
        for key in job.watched:
            if key not in watched:
                problems.append(f"{period} {key} was not monitored")
            elif watched[key].training_run_id and not self.decisions(key, key):
                problems.append(f"the retrain that was asked for on {period} {key} was not judged")
        if not crowned:
            problems.append("no champion was crowned")
        return problems + self._ledger.verify(self._name)

    def not_ingested(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Those of ``keys`` that no partition was published for."""
        there = {week.key for week in self.weeks(min(keys), max(keys))}
        return tuple(key for key in keys if key not in there)

    def not_judged(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Those of ``keys`` as of which today's spec and code have no decision on today's data."""
        return tuple(key for key in keys if not self._judged(key))

    def _judged(self, key: str) -> bool:
        """Whether today's spec and code have a decision for this week on today's data."""
        request = TrainingRequest(pipeline=self._name, as_of=key, trigger=Trigger.BACKFILL)
        plan = plan_training(request, self._pipeline, self._registry)
        if isinstance(plan, NotReady):
            return False
        return self._ledger.find(self._name, EventKind.JUDGED, plan.run_key) is not None

    def alias_problems(self) -> list[str]:
        """Whether MLflow's champion alias differs from the ledger."""
        from include.perennial.stores.tracking.registry import Registry

        champion = self._ledger.champion(self._name)
        alias = Registry.open(self._settings).get_alias(self._name, "champion")
        if champion and alias != champion.version:
            return [f"MLflow's alias champion is {alias}, the ledger's champion is {champion.version}"]
        return []


def step_times(airflow: Airflow, dag_ids: list[str]) -> dict[str, dict[str, float]]:
    """Seconds per task, ``{dag.task: {median, most, n}}``, of all finished task instances."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for dag_id in dag_ids:
        for task in airflow.task_instances(dag_id):
            if task["state"] == "success" and task["duration"] is not None:
                seconds[f"{dag_id.split('.')[-1]}.{task['task_id']}"].append(task["duration"])
    return {
        name: {"median": statistics.median(values), "most": max(values), "n": len(values)}
        for name, values in seconds.items()
    }


@dataclass(frozen=True)
class Timings:
    """Wall seconds of a whole job and of its steps, kept beside the state for the next report."""

    wall_s: float
    steps: dict[str, dict[str, float]]

    def save(self, stack: Stack, pipeline: str) -> None:
        _timings_file(stack, pipeline).write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, stack: Stack, pipeline: str) -> "Timings | None":
        path = _timings_file(stack, pipeline)
        return cls(**json.loads(path.read_text())) if path.exists() else None


def _timings_file(stack: Stack, pipeline: str) -> Path:
    return stack.home / f"timings-{pipeline}.json"


def show(outcome: Outcome, timings: Timings | None, console: Console) -> None:
    """Print the weeks, the decisions, what was watched, the champion and the wall time per step."""
    console.print(_weeks_table(outcome))
    console.print(_decisions_table(outcome))
    console.print(_watched_table(outcome))
    for row in outcome.decisions:
        sentence = row.decision.judgement.sentence
        console.print(f"{row.decision.plan.as_of}  {sentence}", highlight=False, soft_wrap=True)
    if timings:
        console.print(_times_table(timings))
    if outcome.champion:
        console.print(f"Champion at the end: version {outcome.champion}, trained up to {outcome.champion_cutoff}.")
    for problem in outcome.problems:
        console.print(f"Not closed: {problem}.")


def _weeks_table(outcome: Outcome) -> Table:
    table = Table(outcome.period, "rows", "quarantined", "data", "commit", title="Ingested", title_justify="left")
    for week in outcome.weeks:
        table.add_row(week.key, f"{week.rows:,}", str(week.rows_quarantined), week.sha256[:10], week.commit[:8])
    return table


def _decisions_table(outcome: Outcome) -> Table:
    metrics = outcome.decisions[0].decision.metrics if outcome.decisions else {}
    shown = [name for name in dict.fromkeys((*outcome.metrics, *_HEADS)) if name in metrics][:2]
    table = Table(
        "as of", "trigger", "data", "candidate", *(_HEADS.get(name, name) for name in shown), "Δ to champion [95 %]",
        "verdict", "promoted", "champion",
        title="Decisions", title_justify="left",
    )  # fmt: skip
    for row in outcome.decisions:
        decision = row.decision
        verdict = decision.judgement
        table.add_row(
            decision.plan.as_of,
            decision.plan.request.trigger,
            decision.plan.data_commit[:8],
            decision.winner,
            *(f"{decision.metrics[name]:.3f}" for name in shown),
            _delta(verdict),
            verdict.verdict,
            "yes" if row.promoted else "no",
            f"v{row.champion}" if row.champion else "none",
        )
    return table


def _watched_table(outcome: Outcome) -> Table:
    compared = _HEADS.get(outcome.metrics[0], outcome.metrics[0])
    table = Table(
        outcome.period, "scored by", compared, "expected", "signals over threshold", "retrain",
        title="Scored and monitored", title_justify="left",
    )  # fmt: skip
    for seen in outcome.watched:
        measurement, decision = seen.measurement, seen.evaluation.decision
        matured = measurement.matured
        low, high = matured.expected_interval if matured else (0.0, 0.0)
        table.add_row(
            measurement.key,
            f"v{measurement.champion_version}" if measurement.champion_version else "nobody",
            f"{matured.value:.3f}" if matured else measurement.labels.value,
            f"{low:.3f} to {high:.3f}" if matured else "",
            ", ".join(signal.label for signal in measurement.violations) or "none",
            f"asked for on {decision.trigger}" if seen.evaluation.training_run_id else decision.reason or "not needed",
        )
    return table


def _delta(judgement: Judgement) -> str:
    if judgement.delta is None or judgement.delta_interval is None:
        return ""
    low, high = judgement.delta_interval
    return f"{judgement.delta:+.3f} [{low:+.3f}, {high:+.3f}]"


def _times_table(timings: Timings) -> Table:
    table = Table(
        "step", "runs", "median s", "longest s", title=f"Wall time {timings.wall_s:.0f} s", title_justify="left"
    )
    for name, step in timings.steps.items():
        table.add_row(name, str(step["n"]), f"{step['median']:.2f}", f"{step['most']:.2f}")
    return table
