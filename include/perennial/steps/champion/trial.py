"""A new champion on trial: roll back by measurement, where the spec asks for it.

After its crowning a champion is held against the one it took over from, on matured rows that neither has trained on
and that it has really scored. If the paired, clustered interval of the gate lies wholly below zero it is surely
worse, and the one before comes back. Every partition of the trial is one more look at the same question, so that each
look takes its share of the allowed error (Bonferroni).
"""

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from include.perennial.contracts import Contract, PartitionVersion
from include.perennial.gate.arrays import Floats, Integers, Labels
from include.perennial.gate.bootstrap import PairedDifference, paired_difference
from include.perennial.gate.tasks import task_of
from include.perennial.gate.wording import METRIC_NAMES, listing, numbers, percent, signed
from include.perennial.monitor.measurement import LabelStatus
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec.monitor import Rollback
from include.perennial.steps.champion.change import ChampionStores
from include.perennial.steps.champion.crowning import rollback
from include.perennial.steps.measure import said_of, scored_rows
from include.perennial.steps.readiness import PUBLISHING_KINDS, labels_of
from include.perennial.steps.score import predictions
from include.perennial.stores.ledger import CROWNING_KINDS, Champion, Event, EventKind
from include.perennial.stores.prediction_log import PredictionLog


class TrialOutcome(enum.StrEnum):
    """What came of looking at a champion on trial."""

    ROLLED_BACK = "rolled_back"
    KEPT = "kept"
    FROZEN = "frozen"
    NOT_ON_TRIAL = "not_on_trial"
    NOT_COMPARED = "not_compared"


class Trial(Contract):
    """One look. ``improvement`` and ``interval`` are of ``version`` over ``previous``, in units of the metric."""

    pipeline: str
    key: str
    outcome: TrialOutcome
    sentence: str
    version: str | None = None
    previous: str | None = None
    partitions: tuple[str, ...] = ()
    rows: int = 0
    improvement: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Duel:
    """The champion, the one before it, and the published partitions of the trial up to the one that is looked at."""

    champion: Champion
    previous: Champion
    partitions: tuple[PartitionVersion, ...]


def try_champion(
    pipeline: Pipeline, key: str, rule: Rollback, stores: ChampionStores, *, actor: str, now_utc: dt.datetime
) -> Trial:
    """Look at the champion after partition ``key`` has been measured, and roll it back if it is surely worse.

    May be repeated: a roll-back that was killed before MLflow's alias followed is completed.

    Raises:
        BadInput: the one before cannot score the columns of today.
        NotFit: it is worse, but the one before is gone, altered or no longer predicts as it did; the champion stays.
        IntegrityError: stored data, model or predictions are not what was recorded.
        Unavailable: a store does not answer.
    """
    name = pipeline.spec.name
    crownings = stores.ledger.events(name, CROWNING_KINDS)
    if done := _done(crownings, key):
        return _rolled_back(pipeline, stores, done, actor)
    duel = _duel(pipeline, key, rule, stores, crownings)
    if isinstance(duel, str):
        return Trial(pipeline=name, key=key, outcome=TrialOutcome.NOT_ON_TRIAL, sentence=duel)
    found = [rows for one in duel.partitions if (rows := _rows(pipeline, one, duel, stores, now_utc)) is not None]
    seen = Trial(
        pipeline=name,
        key=key,
        outcome=TrialOutcome.NOT_COMPARED,
        sentence=f"No matured partition up to {key} was scored by champion v{duel.champion.version}.",
        version=duel.champion.version,
        previous=duel.previous.version,
        partitions=tuple(one.key for one in found),
        rows=sum(len(one.y) for one in found),
    )
    if not found:
        return seen
    with threadpool_limits(limits=1):
        difference = _difference(pipeline, found, rule)
    seen = _read(seen, difference, pipeline, rule)
    if seen.outcome is not TrialOutcome.ROLLED_BACK:
        return seen
    if stores.ledger.is_frozen(name):
        sentence = f"{seen.sentence} The pipeline is frozen: the champion stays."
        return seen.model_copy(update={"outcome": TrialOutcome.FROZEN, "sentence": sentence})
    return _rolled_back(pipeline, stores, seen, actor, duel.champion.seq)


def _done(crownings: Sequence[Event], key: str) -> Trial | None:
    """The roll-back that looking at ``key`` has already made."""
    if not crownings or crownings[-1].kind is not EventKind.ROLLED_BACK:
        return None
    recorded = crownings[-1].payload["evidence"].get("trial")
    return Trial.model_validate(recorded) if recorded and recorded["key"] == key else None


def _duel(
    pipeline: Pipeline, key: str, rule: Rollback, stores: ChampionStores, crownings: Sequence[Event]
) -> _Duel | str:
    """Who is held against whom on what, or why nobody is."""
    if not crownings:
        return "There is no champion."
    champion = Champion.of(crownings[-1])
    if crownings[-1].kind is EventKind.ROLLED_BACK:
        return f"Champion v{champion.version} came back by a roll-back: that is not undone by measurement."
    before = crownings[-1].payload["expected_champion_seq"]
    if before is None:
        return f"Champion v{champion.version} is the first: there is none before it."
    [taken_over] = [event for event in crownings if event.seq == before]
    # What any champion has trained on belongs to an earlier reign, however late it is measured.
    newest_seen = max(str(event.payload["cutoff"]) for event in crownings)
    published = stores.data.partitions(pipeline.spec.name)
    trial = sorted(one for one in published if one > newest_seen)[: rule.trial_periods]
    if key not in trial:
        when = f"the trial of champion v{champion.version}, {rule.trial_periods} partitions after {newest_seen}"
        return f"Partition {key} is not in {when}."
    keys = trial[: trial.index(key) + 1]
    return _Duel(champion, Champion.of(taken_over), tuple(published[one] for one in keys))


@dataclass(frozen=True)
class _Rows:
    """Matured rows of one partition, shape ``(n,)`` each: labels, what both champions say, and the cluster."""

    key: str
    y: Labels
    p: Floats
    p_previous: Floats
    clusters: "pd.Series[int]"


def _rows(
    pipeline: Pipeline, partition: PartitionVersion, duel: _Duel, stores: ChampionStores, now_utc: dt.datetime
) -> _Rows | None:
    task = task_of(pipeline.spec)
    said = said_of(PredictionLog(stores.objects, task), partition, duel.champion)
    if said.empty:
        return None
    x, y = scored_rows(pipeline, partition, said, stores.data)
    published = stores.ledger.events(pipeline.spec.name, PUBLISHING_KINDS)
    labels = labels_of(pipeline, partition.key, published)
    if labels.status(now_utc, complete=bool(np.isfinite(y).all())) is not LabelStatus.MATURED:
        return None
    who = f"Version {duel.previous.version} of {pipeline.spec.name}"
    model = stores.cache.load(duel.previous.model, pipeline.spec.trusted_types)
    previous = predictions(task, model, x, who, partition.key)
    clusters = x.groupby(list(pipeline.spec.gate.compare.cluster), dropna=False, sort=False).ngroup()
    return _Rows(partition.key, y.astype(task.label_type), task.read_logged(said), previous, clusters)


def _difference(pipeline: Pipeline, found: Sequence[_Rows], rule: Rollback) -> PairedDifference:
    compare = pipeline.spec.gate.compare
    return paired_difference(
        compare.metric,
        np.concatenate([one.y for one in found]),
        np.concatenate([one.p for one in found]),
        np.concatenate([one.p_previous for one in found]),
        np.concatenate(list(_numbered(found))),
        resamples=compare.resamples,
        confidence=_confidence(pipeline, rule),
        seed=pipeline.spec.seed,
        task=task_of(pipeline.spec),
    )


def _numbered(found: Sequence[_Rows]) -> Iterator[Integers]:
    """Cluster codes that no two partitions share."""
    first = 0
    for one in found:
        codes = one.clusters.to_numpy(dtype=np.int64)
        yield codes + first
        first += len(codes)


def _confidence(pipeline: Pipeline, rule: Rollback) -> float:
    return 1 - (1 - pipeline.spec.gate.compare.confidence) / rule.trial_periods


def _read(seen: Trial, difference: PairedDifference, pipeline: Pipeline, rule: Rollback) -> Trial:
    metric = METRIC_NAMES[difference.metric]
    if not difference.is_sure:
        sentence = f"{seen.rows:,} rows in {difference.clusters} clusters give no interval for {metric}."
        return seen.model_copy(update={"sentence": sentence})
    low, high = difference.interval
    is_worse = high < 0
    mine, theirs = numbers(difference.candidate, difference.champion)
    gain, below, above, _ = numbers(difference.improvement, low, high, 0.0)
    relation = "is worse than" if is_worse else "is not shown to be worse than"
    interval = f"{percent(_confidence(pipeline, rule))} interval {signed(below)} to {signed(above)}"
    sentence = (
        f"{metric} {mine} of champion v{seen.version} on {seen.rows:,} rows of {listing(seen.partitions)} {relation} "
        f"the {theirs} of v{seen.previous} before it: improvement {signed(gain)} ({interval})."
    )
    outcome = TrialOutcome.ROLLED_BACK if is_worse else TrialOutcome.KEPT
    return seen.model_copy(
        update={
            "outcome": outcome,
            "sentence": sentence,
            "improvement": difference.improvement,
            "interval": difference.interval,
        }
    )


def _rolled_back(
    pipeline: Pipeline, stores: ChampionStores, trial: Trial, actor: str, expected_seq: int | None = None
) -> Trial:
    rollback(
        *(pipeline, stores),
        version=trial.previous,
        reason=trial.sentence,
        # Not the run's id: a second run that looks at the same partition is the same request.
        actor=f"monitor of {trial.key}",
        dry_run=False,
        expected_seq=expected_seq,
        evidence={"trial": trial.model_dump(mode="json"), "run": actor},
    )
    return trial
