"""Score a partition with the champion of its time, and with the challenger in shadow where the spec asks.

Nothing here talks to MLflow but for a model that this machine has never loaded.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.blocks import Blocks, are_many
from include.perennial.contracts import ModelFile, PartitionRef, PartitionVersion
from include.perennial.errors import BadInput, DataError, PerennialError
from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import BINARY, Task, task_of
from include.perennial.messages import first_line
from include.perennial.models import frames
from include.perennial.models.model_cache import ModelCache
from include.perennial.partitions import UTC, Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.suite import Suite
from include.perennial.quality.verdict import check
from include.perennial.quality.verdict_in_blocks import CheckedBlocks, check_blocks
from include.perennial.steps.scored import Scored, ScoredBy, ScoreVerdict
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import (
    CONTENDING_KINDS,
    CROWNING_KINDS,
    Event,
    Ledger,
    challenger,
    champion_for,
)
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_log import LoggedFile, PredictionLog, Source
from include.perennial.tables import to_frame

log = logging.getLogger(__name__)

# What scoring raises when a model's feature code does not know the columns of today.
_CANNOT_SCORE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class _Contender:
    """A model to score with."""

    version: str
    cutoff: str
    model: ModelFile
    shadow: bool


def score_partition(
    pipeline: Pipeline,
    key: str,
    *,
    registry: DataRegistry,
    store: ObjectStore,
    ledger: Ledger,
    models: ModelCache,
    champion_as_of: dt.datetime | None = None,
) -> Scored:
    """Score the newest version of partition ``key`` and append to the prediction log. May be repeated.

    The champion is the one the ledger names for the partition's time (``champion_for``): a backfilled week is
    scored with the model that was champion then, never with one that has seen it. ``champion_as_of`` (with a time
    zone) asks the ledger as it stood at that moment.

    Raises:
        BadInput: the partition is not in the data registry, or the champion's code cannot score its columns.
        DataError: the partition breaks the expectations of today, or the champion gives no predictions for it.
        IntegrityError: stored data, model or predictions are not what was recorded.
        Unavailable: a store does not answer. MLflow is asked only for a model that this machine has no copy of.
    """
    partition = _published(pipeline, key, registry)
    events = _contests(pipeline, ledger, champion_as_of)
    champion = champion_for(events, key)
    if champion is None:
        return _without_champion(partition, events)
    scoring = _Scoring(pipeline, partition, registry, models, PredictionLog(store, task_of(pipeline.spec)))
    serving = _Contender(champion.version, champion.cutoff, champion.model, shadow=False)
    known = scoring.logged(serving)
    served = known or scoring.score(serving)
    shadow, shadow_problem = _in_shadow(scoring, events, champion.version)
    scored = Scored(
        pipeline=partition.pipeline,
        key=key,
        verdict=ScoreVerdict.ALREADY_SCORED if known else ScoreVerdict.SCORED,
        sentence=f"Partition {key} {'was already' if known else 'is'} scored with {served}",
        dataset_sha256=partition.sha256,
        dataset_commit=partition.commit,
        rows_refused=partition.rows - served.rows,
        champion=served,
        shadow=shadow,
        shadow_problem=shadow_problem,
    )
    log.info("%s: %s", partition.pipeline, scored.sentence)
    return scored


@dataclass(frozen=True)
class _Scoring:
    """One partition, whose rows are read and checked when the first model wants them."""

    pipeline: Pipeline
    partition: PartitionVersion
    registry: DataRegistry
    models: ModelCache
    log: PredictionLog

    @cached_property
    def rows(self) -> Iterable[pd.DataFrame]:
        """The rows to score, in one frame or, of a large partition, in many; may be gone through again."""
        name, partition = self.partition.pipeline, self.partition
        ref = PartitionRef(key=partition.key, sha256=partition.sha256, rows=partition.rows)
        [path] = self.registry.fetch(name, [ref], partition.commit)
        if are_many(partition.rows):
            return _GuardedBlocks(self.pipeline, partition, frames.features_in_blocks(path, self.pipeline.spec.data))
        return [_guarded(self.pipeline, partition, frames.read_features(path, self.pipeline.spec.data))]

    def logged(self, contender: _Contender) -> ScoredBy | None:
        """What the log holds of this contender about these bytes."""
        found = self.log.find(self._source(contender))
        return _scored_by(task_of(self.pipeline.spec), contender, found) if found else None

    def score(self, contender: _Contender) -> ScoredBy:
        """Predict all rows and log them."""
        data, task = self.pipeline.spec.data, task_of(self.pipeline.spec)
        rows, model = self.rows, self.models.load(contender.model, self.pipeline.spec.trusted_types)
        who = f"Version {contender.version} of {self.partition.pipeline}"
        parts = ((part, predictions(task, model, part, who, self.partition.key)) for part in rows)
        columns = {name: data.columns[name] for name in dict.fromkeys((data.time, *data.key))}
        logged = self.log.write_parts(self._source(contender), columns, parts, dt.datetime.now(UTC))
        return _scored_by(task, contender, logged)

    def _source(self, contender: _Contender) -> Source:
        partition = self.partition
        return Source(partition.pipeline, partition.key, partition.sha256, contender.version, contender.shadow)


def _contests(pipeline: Pipeline, ledger: Ledger, as_of: dt.datetime | None) -> list[Event]:
    events = ledger.events(pipeline.spec.name, CONTENDING_KINDS if pipeline.spec.score.shadow else CROWNING_KINDS)
    return [event for event in events if as_of is None or event.at_utc <= as_of]


def _published(pipeline: Pipeline, key: str, registry: DataRegistry) -> PartitionVersion:
    name = pipeline.spec.name
    key = Partition.of_key(key, pipeline.spec.period).key
    found = registry.find(name, key)
    if found is None:
        raise BadInput(f"Partition {key} of {name} is not in the data registry: ingest it first, then score it.")
    return found


def _guarded(pipeline: Pipeline, partition: PartitionVersion, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` as far as the pipeline's expectations, those about the label left out, accept them today."""
    spec, suite = pipeline.spec, Suite.load(pipeline.load_module("expectations"))
    if partition.suite_digest == suite.digest and not rows.empty:
        return rows  # these very bytes have passed the whole of this very suite when they were ingested
    checked = check(spec, suite.without(*spec.data.withheld), Partition.of_key(partition.key, spec.period), rows)
    if checked.refusal:
        raise checked.refusal
    return rows[checked.sieve.kept].reset_index(drop=True)


class _GuardedBlocks:
    """The same of a partition that is not held: each time from its first block."""

    def __init__(self, pipeline: Pipeline, partition: PartitionVersion, blocks: Blocks) -> None:
        spec, suite = pipeline.spec, Suite.load(pipeline.load_module("expectations"))
        self._blocks = blocks
        self._checked: CheckedBlocks | None = None
        if partition.suite_digest == suite.digest:
            return
        checked = check_blocks(
            spec, suite.without(*spec.data.withheld), Partition.of_key(partition.key, spec.period), blocks
        )
        if checked.refusal:
            raise checked.refusal
        self._checked = checked

    def __iter__(self) -> Iterator[pd.DataFrame]:
        tables = self._checked.kept() if self._checked else self._blocks.tables()
        return (to_frame(table, self._blocks.with_nulls) for table in tables if table.num_rows)


def predictions(task: Task, model: SklearnPipeline, rows: pd.DataFrame, who: str, key: str) -> Floats:
    """Predictions of each row; ``who`` and ``key`` name model and partition in errors.

    Raises:
        BadInput: the model cannot score these columns.
        DataError: it gives no predictions.
    """
    try:
        p = task.predict(model, rows)
    except _CANNOT_SCORE as error:
        raise BadInput(
            f"{who} cannot score partition {key}: {type(error).__name__}: {first_line(error)}. "
            "It was trained on other columns than pipeline.yaml declares now: restore them, or train a model on these."
        ) from error
    if not task.are_sound(p):
        raise DataError(
            f"{who} gives no {task.given_words} for {int(task.unsound(p).sum())} of {len(p)} rows of partition {key}. "
            f"Expected: {task.expected_words}. To fix: look at these rows, then at features.py."
        )
    return p


def _in_shadow(scoring: _Scoring, events: Sequence[Event], champion_version: str) -> tuple[ScoredBy | None, str | None]:
    """What the challenger said, or why it could not say anything. It must not have seen the partition either."""
    found = challenger(events) if scoring.pipeline.spec.score.shadow else None
    if found is None or found.version == champion_version or found.cutoff >= scoring.partition.key:
        return None, None
    contender = _Contender(found.version, found.cutoff, found.model, shadow=True)
    try:
        return scoring.logged(contender) or scoring.score(contender), None
    except PerennialError as error:
        log.warning("%s: the challenger did not score: %s", scoring.partition.pipeline, error)
        return None, str(error)


def _scored_by(task: Task, contender: _Contender, logged: LoggedFile) -> ScoredBy:
    return ScoredBy(
        version=contender.version,
        cutoff=contender.cutoff,
        rows=logged.rows,
        mean_p=logged.mean_p,
        mean_of="p" if task is BINARY else task.mean_words,
        scored_at=logged.scored_at,
        file=logged.file,
    )


def _without_champion(partition: PartitionVersion, events: Sequence[Event]) -> Scored:
    crownings = [event for event in events if event.kind in CROWNING_KINDS]
    first = str(crownings[0].payload["cutoff"]) if crownings else None
    why = f"the first one has seen data up to {first}" if first else "no model was promoted yet"
    return Scored(
        pipeline=partition.pipeline,
        key=partition.key,
        verdict=ScoreVerdict.NO_CHAMPION,
        sentence=f"Partition {partition.key} is not scored: it had no champion in its time ({why}).",
        dataset_sha256=partition.sha256,
        dataset_commit=partition.commit,
    )
