"""Crown by hand: an earlier champion again, or a registered version against the gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.perennial.contracts import PromotionStatus, Registration
from include.perennial.digests import digest
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.messages import shown, shown_names
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps import promote as promotion
from include.perennial.steps.champion.change import (
    Action,
    ChampionChange,
    ChampionStores,
    change_of,
    checked_reason,
    said,
)
from include.perennial.steps.champion.proof import NotFit, prove
from include.perennial.steps.reconcile import reconcile
from include.perennial.steps.registered import SHOWN_VERSIONS, decision_of, find_registered
from include.perennial.stores.ledger import (
    CROWNING_KINDS,
    FREEZING_KINDS,
    Champion,
    ChampionChanged,
    Event,
    EventKind,
    PipelineFrozen,
    succession,
)


def rollback(
    pipeline: Pipeline,
    stores: ChampionStores,
    *,
    version: str | None = None,
    reason: str,
    actor: str,
    dry_run: bool = True,
    expected_seq: int | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> ChampionChange:
    """Crown an earlier champion again: ``version``, or the one that the champion took over from.

    ``evidence`` (JSON) is kept with it. ``expected_seq`` names the crowning that the request is about, where the
    champion was looked at before.

    Raises:
        BadInput: no reason, no such champion, the pipeline is frozen, or somebody else was crowned meanwhile.
        NotFit: the version is gone, altered, or does not predict as it should; the champion stays.
        Unavailable: a store does not answer.
    """
    reason = checked_reason(reason)
    crownings = stores.ledger.events(pipeline.spec.name, CROWNING_KINDS)
    if not crownings:
        raise BadInput(f"{pipeline.spec.name} has no champion yet: there is nothing to roll back.")
    champion = Champion.of(crownings[-1])
    asked = _Asked(Action.ROLLBACK, pipeline, stores, champion, dry_run)
    request = digest([actor, reason, version])[:24]
    if crownings[-1].kind is EventKind.ROLLED_BACK and crownings[-1].payload["evidence"].get("request") == request:
        # A retry: "the one before" must not be taken for the one before that.
        return asked.finished("This request rolled it back already.", champion.version, crowned=True)
    if expected_seq not in (None, champion.seq):
        raise BadInput(f"{asked.name} was not rolled back: version {champion.version} was crowned meanwhile.")
    target = Champion.of(_target(asked.name, crownings, version))
    if target.version == champion.version:
        return asked.finished("It is champion already: nothing to roll back.", target.version)
    kept = {**(evidence or {}), "request": request}
    return _rolled_back(asked, champion, target, evidence=kept, reason=reason, actor=actor)


def promote(
    pipeline: Pipeline, stores: ChampionStores, *, version: str, reason: str, actor: str, dry_run: bool = True
) -> ChampionChange:
    """Crown the registered ``version`` against the gate, for a reason.

    Raises:
        BadInput: no reason, no such version, the pipeline is frozen, or the version is the champion's own model.
        NotFit: the version is gone, altered, or does not predict as it should; the champion stays.
        Unavailable: a store does not answer.
    """
    name, reason = pipeline.spec.name, checked_reason(reason)
    registration, judged = find_registered(name, version, stores.ledger)
    decision = decision_of(judged)
    champion = stores.ledger.champion(name)
    asked = _Asked(Action.PROMOTE, pipeline, stores, champion, dry_run)
    if champion is not None and champion.version == version:
        return asked.finished("It is champion already.", version)
    if champion is not None and promotion.is_same_model(registration, decision.prediction_digest, champion):
        raise BadInput(f"Version {version} is the same model as champion version {champion.version} of {name}.")
    checks = asked.proved(registration)
    if dry_run:
        over = f"over version {champion.version}" if champion else "as the first champion"
        what = f"promote version {version} of {name} {over}, whatever the gate said ({decision.judgement.sentence})"
        return asked.dry(what, version, checks)
    done = promotion.promote(
        *(registration, decision, stores.ledger, stores.models),
        # A forced promotion overrides the gate and asks for no other judgement.
        lambda judged, _: judged.judgement,
        force=True,
        reason=reason,
        actor=actor,
    )
    if done.status not in (PromotionStatus.PROMOTED, PromotionStatus.ALREADY_CHAMPION):
        raise BadInput(f"Version {version} was not promoted. {done.sentence}")
    return asked.crowned(done.sentence, version, checks)


@dataclass(frozen=True)
class _Asked:
    """One request, and the champion that it was made against."""

    action: Action
    pipeline: Pipeline
    stores: ChampionStores
    champion: Champion | None
    dry_run: bool

    @property
    def name(self) -> str:
        return self.pipeline.spec.name

    @property
    def champion_version(self) -> str | None:
        return self.champion.version if self.champion else None

    def proved(self, version: Registration) -> tuple[str, ...]:
        stays = f"The champion stays version {self.champion_version}." if self.champion else "There is no champion."
        if self.stores.ledger.is_frozen(self.name):
            [*_, last] = self.stores.ledger.events(self.name, FREEZING_KINDS)
            raise BadInput(f"{self.name} is frozen ({said(last)}): unfreeze it first. {stays}")
        stores = self.stores
        try:
            return prove(self.pipeline, version, models=stores.models, data=stores.data, objects=stores.objects)
        except (NotFit, IntegrityError) as error:
            raise NotFit(f"{error} {stays}") from error

    def dry(self, what: str, version: str, checks: tuple[str, ...]) -> ChampionChange:
        sentence = (
            f"Dry run: this would {what}. Checked of version {version}: {'; '.join(checks)}. Nothing was changed."
        )
        return change_of(self.action, self.name, self.champion, sentence, dry_run=True, version=version, checks=checks)

    def finished(self, why: str, version: str | None, *, crowned: bool = False) -> ChampionChange:
        """Nothing is left to do but what follows a crowning."""
        if not self.dry_run:
            self._follow(why)
        sentence = f"Version {version} is champion of {self.name}. {why}"
        crowned = crowned and not self.dry_run
        return change_of(
            self.action, self.name, self.champion, sentence, dry_run=self.dry_run, version=version, crowned=crowned
        )

    def crowned(self, sentence: str, version: str, checks: tuple[str, ...]) -> ChampionChange:
        self._follow(sentence)
        champion = self.stores.ledger.champion(self.name)
        return change_of(
            *(self.action, self.name, champion, sentence), dry_run=False, version=version, checks=checks, crowned=True
        )

    def _follow(self, sentence: str) -> None:
        """MLflow's alias and this machine's copy of the model follow the ledger."""
        try:
            reconcile(self.name, self.stores.ledger, self.stores.models)
            champion = self.stores.ledger.champion(self.name)
            if champion is not None:
                self.stores.cache.keep(champion.model)
        except Unavailable as error:
            raise Unavailable(
                f"{sentence} The ledger holds that; the alias in MLflow follows when this is run again. {error}"
            ) from error


def _rolled_back(
    asked: _Asked, champion: Champion, target: Champion, *, evidence: dict[str, Any], reason: str, actor: str
) -> ChampionChange:
    version = Registration(
        pipeline=asked.name,
        run_key=target.run_key,
        version=target.version,
        model=target.model,
        cutoff=target.cutoff,
    )
    checks = asked.proved(version)
    what = f"{asked.name} from version {champion.version} to version {target.version} (trained up to {target.cutoff})"
    if asked.dry_run:
        return asked.dry(f"roll back {what}", target.version, checks)
    evidence = {
        **evidence,
        "from_version": champion.version,
        "from_seq": champion.seq,
        "checks": list(checks),
    }
    try:
        asked.stores.ledger.promote(
            *(version, target.prediction_digest, champion.seq),
            reason=reason,
            actor=actor,
            key=f"{evidence['request']}/{champion.seq}",
            evidence=evidence,
            kind=EventKind.ROLLED_BACK,
        )
    except (ChampionChanged, PipelineFrozen) as error:
        raise BadInput(f"{asked.name} was not rolled back: {error} Look again, then decide.") from error
    return asked.crowned(f"Rolled back {what}: {reason}", target.version, checks)


def _target(name: str, crownings: list[Event], version: str | None) -> Event:
    reigned = {str(event.payload["version"]): event for event in crownings}
    wanted = version or succession(crownings).previous
    if wanted is None:
        only = crownings[-1].payload["version"]
        raise BadInput(f"Version {only} of {name} took over from nobody: there is no earlier champion to return to.")
    if wanted not in reigned:
        raise BadInput(
            f"Version {shown(wanted)} of {name} was never champion: champions were "
            f"{shown_names(reigned, SHOWN_VERSIONS)}. Any other registered version can be promoted, with a reason."
        )
    return reigned[wanted]
