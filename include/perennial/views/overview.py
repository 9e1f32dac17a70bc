"""One pipeline in one look: who is champion since when and why, what was tried since, what drifts, who is needed."""

import datetime as dt

from pydantic import Field

from include.perennial.contracts import Contract, Decision, Trigger
from include.perennial.errors import PerennialError
from include.perennial.pipeline_folder import Pipeline, discover, load_pipeline
from include.perennial.settings import Settings
from include.perennial.steps.readiness import PUBLISHING_KINDS
from include.perennial.stores.ledger import (
    CROWNING_KINDS,
    Champion,
    Crowning,
    EventKind,
    Ledger,
)
from include.perennial.stores.ledger.events import FREEZING_KINDS
from include.perennial.views.needs import Need, NeedKind, needs
from include.perennial.views.published import Newest, newest
from include.perennial.views.trials import TRIAL_KINDS, Trial, trials
from include.perennial.views.watch import WATCH_KINDS, Watch, watch


class Crown(Contract):
    """The champion in place.

    ``how``  the crowning event: promoted or rolled back; ``forced`` if a person overrode the gate
    ``why``  the gate's sentence; ``reason`` what was given by the person or the monitor that asked for it
    ``over`` version of the champion before
    """

    version: str
    seq: int
    since_utc: dt.datetime
    how: EventKind
    forced: bool
    why: str
    reason: str
    actor: str
    run_key: str
    cutoff: str
    candidate: str | None = None
    as_of: str | None = None
    trigger: Trigger | None = None
    over: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class PipelineOverview(Contract):
    """Everything a person asks first. ``tried`` are the training runs since the crowning, newest first."""

    name: str
    title: str
    owner: str
    period: str
    frozen: bool
    champion: Crown | None
    tried: tuple[Trial, ...]
    watch: Watch | None
    newest: Newest | None
    needs: tuple[Need, ...]


def pipeline_names(settings: Settings, ledger: Ledger) -> list[str]:
    """All pipelines: those with a folder and those with a history, sorted."""
    return sorted({*discover(settings.pipelines), *ledger.pipelines()})


def overview(name: str, settings: Settings, ledger: Ledger) -> PipelineOverview:
    """One look at pipeline ``name``; a broken folder is shown beside its history.

    Raises:
        IntegrityError: the champion's event was edited.
        Unavailable: the ledger does not answer.
    """
    pipeline, broken = _load(name, settings)
    champion = ledger.champion(name)
    # The crowned run itself was judged before it was crowned.
    tried = trials(ledger.events(name, TRIAL_KINDS - CROWNING_KINDS, champion.seq if champion else 0))
    watched = watch(ledger.events(name, WATCH_KINDS))
    freezing = ledger.events(name, FREEZING_KINDS)
    found = needs(champion, freezing, tried, watched)
    spec = pipeline.spec if pipeline else None
    return PipelineOverview(
        name=name,
        title=spec.title if spec else name,
        owner=spec.owner if spec else "",
        period=spec.period if spec else "period",
        frozen=bool(freezing) and freezing[-1].kind is EventKind.FROZEN,
        champion=_crown(name, champion, ledger) if champion else None,
        tried=tried,
        watch=watched,
        newest=newest(ledger.events(name, PUBLISHING_KINDS)),
        needs=(broken, *found) if broken else found,
    )


def _load(name: str, settings: Settings) -> tuple[Pipeline | None, Need | None]:
    try:
        return load_pipeline(name, settings.pipelines), None
    except PerennialError as error:
        return None, Need(kind=NeedKind.BROKEN_SPEC, title="The pipeline's folder cannot be read", text=str(error))


def _crown(name: str, champion: Champion, ledger: Ledger) -> Crown:
    # By sequence, so that a long history is not read for its last two crownings.
    [event] = ledger.events(name, CROWNING_KINDS, champion.seq - 1)[:1]
    crowning = Crowning.model_validate(event.payload)
    judged = ledger.find(event.pipeline, EventKind.JUDGED, champion.run_key)
    decision = Decision.model_validate(judged.payload) if judged else None
    expected = crowning.expected_champion_seq
    before = ledger.events(name, CROWNING_KINDS, expected - 1)[0].payload["version"] if expected else None
    return Crown(
        version=champion.version,
        seq=champion.seq,
        since_utc=champion.since_utc,
        how=event.kind,
        forced=bool(crowning.evidence.get("forced")),
        why=decision.judgement.sentence if decision else "",
        reason=crowning.reason,
        actor=event.actor,
        run_key=champion.run_key,
        cutoff=champion.cutoff,
        candidate=decision.winner if decision else None,
        as_of=decision.plan.as_of if decision else None,
        trigger=decision.plan.request.trigger if decision else None,
        over=before,
        metrics=decision.metrics if decision else {},
    )
