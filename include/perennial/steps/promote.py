"""Promote: crown a registered version, if it was judged against the champion in place and may take it.

The ledger's transaction decides; MLflow's alias follows. Between the judgement and the
transaction another run may have been crowned: then the version is judged again, against the
new champion, and tries once more. Of two that race the better one is champion at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass

from include.perennial.contracts import Decision, Judgement, Promotion, PromotionStatus, Registration, Verdict
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.steps.reconcile import reconcile
from include.perennial.steps.register import registered_keys
from include.perennial.stores.ledger import (
    CROWNING_KINDS,
    Champion,
    ChampionChanged,
    EventKind,
    Ledger,
    PipelineFrozen,
    Refused,
    Registered,
    succession,
)
from include.perennial.stores.tracking.registry import Registry

Rejudge = Callable[[Decision, Champion], Judgement]
_ROUNDS = 10


def promote(
    registration: Registration,
    decision: Decision,
    ledger: Ledger,
    registry: Registry,
    rejudge: Rejudge,
    *,
    force: bool = False,
    reason: str = "",
    unapproved: str | None = None,
    actor: str,
) -> Promotion:
    """Crown ``registration`` or say why not; a refusal is a result, and recorded.

    ``force`` with a ``reason`` overrides the verdict and the cutoff, but neither a freeze nor
    the rule that an identical model is not promoted again. A retry after a crash finds what
    was committed and lets the alias follow. ``unapproved`` says why a version has no approval
    where the spec asks for one; nothing overrides that.

    Raises:
        BadInput: force without a reason, not a registered version, or one that was deleted.
        IntegrityError: the ledger knows less than the judgement rests on.
        Unavailable: MLflow or the ledger does not answer.
    """
    attempt = _Attempt(registration, decision, ledger, registry, rejudge, force, reason.strip(), unapproved, actor)
    attempt.check()
    promotion = attempt.run()
    try:
        reconcile(registration.pipeline, ledger, registry)
    except Unavailable as error:
        raise Unavailable(
            f"{promotion.sentence} The ledger holds that; the alias in MLflow follows when this is run again. {error}"
        ) from error
    return promotion


def is_same_model(registration: Registration, prediction_digest: str, champion: Champion) -> bool:
    """Whether crowning ``registration`` would change nothing: its file or its predictions are the champion's."""
    same_file = registration.model.model_digest == champion.model.model_digest
    return same_file or prediction_digest == champion.prediction_digest


@dataclass(frozen=True)
class _Attempt:
    registration: Registration
    decision: Decision
    ledger: Ledger
    registry: Registry
    rejudge: Rejudge
    force: bool
    reason: str
    unapproved: str | None
    actor: str

    @property
    def pipeline(self) -> str:
        return self.registration.pipeline

    def check(self) -> None:
        version, run_key = self.registration.version, self.registration.run_key
        if self.force and not self.reason:
            raise BadInput(f"Version {version} of {self.pipeline} cannot be forced without a reason: say why.")
        found = [self.ledger.find(self.pipeline, EventKind.REGISTERED, k) for k in registered_keys(run_key, version)]
        registered = [Registered.model_validate(event.payload).registration for event in found if event]
        if self.registration not in registered or run_key != self.decision.plan.run_key:
            raise BadInput(
                f"Version {version} of {self.pipeline} (run {run_key}) is not what the ledger has registered for "
                f"run {self.decision.plan.run_key}: register it first."
            )

    def run(self) -> Promotion:
        for _ in range(_ROUNDS):
            champion = self.ledger.champion(self.pipeline)
            try:
                return self._refusal(champion) or self._crown(champion)
            except (ChampionChanged, PipelineFrozen):
                continue  # somebody was faster: look again
        raise Unavailable(f"The champion of {self.pipeline} changed {_ROUNDS} times during one promotion. Retry.")

    def _refusal(self, champion: Champion | None) -> Promotion | None:
        """Why ``champion`` stays, recorded; None when it may be replaced."""
        if champion is not None and champion.run_key == self.registration.run_key:
            sentence = f"Version {champion.version} of {self.pipeline} is champion already."
            return _promotion(PromotionStatus.ALREADY_CHAMPION, champion, sentence)
        if self.ledger.is_frozen(self.pipeline):
            why = f"{self.pipeline} is frozen: it keeps its champion until somebody unfreezes it."
            return self._refused(PromotionStatus.FROZEN, champion, why)
        against = self._rule_against(champion) if champion is not None else None
        against = against or self.unapproved
        if against is not None:
            return self._refused(PromotionStatus.NOT_PROMOTABLE, champion, against)
        return None if self.force else self._refusal_of_the_gate(champion)

    def _rule_against(self, champion: Champion) -> str | None:
        version, cutoff = self.registration.version, self.registration.cutoff
        if is_same_model(self.registration, self.decision.prediction_digest, champion):
            return f"Version {version} is the same model as champion version {champion.version}."
        if not self.force and (undone := self._rolled_back()):
            return (
                f"Version {version} was champion and was rolled back from ({undone}): "
                "it is promoted again only by force, with a reason."
            )
        if cutoff < champion.cutoff and not self.force:
            return (
                f"Version {version} has seen data up to {cutoff}, champion version {champion.version} up to "
                f"{champion.cutoff}: an older model is promoted only by force, with a reason."
            )
        return None

    def _rolled_back(self) -> str | None:
        """Why a person took the crown from this version, if it was not given back since."""
        undone = succession(self.ledger.events(self.pipeline, CROWNING_KINDS)).undone.get(self.registration.version)
        return str(undone.payload["reason"]) if undone else None

    def _refusal_of_the_gate(self, champion: Champion | None) -> Promotion | None:
        judgement = self._judgement_against(champion)
        if judgement.verdict is Verdict.PASSED:
            return None
        kept = champion is not None and judgement.verdict in {Verdict.REJECTED, Verdict.INCOMPARABLE}
        status = PromotionStatus.KEPT_CHAMPION if kept else PromotionStatus.NOT_PROMOTABLE
        why = f"Version {self.registration.version} was not promoted: {judgement.sentence}"
        return self._refused(status, champion, why)

    def _judgement_against(self, champion: Champion | None) -> Judgement:
        """The judgement of the decision if it was made against ``champion``, else a new one, made once."""
        judged_seq, seq = self.decision.judgement.champion_seq, _seq(champion)
        if judged_seq == seq:
            return self.decision.judgement
        if champion is None or (judged_seq is not None and judged_seq > champion.seq):
            raise IntegrityError(
                f"Run {self.registration.run_key} was judged against champion seq {judged_seq} of {self.pipeline}, "
                f"the ledger now ends at champion seq {seq}: events are missing. Restore the ledger from a backup."
            )
        key = f"{self.registration.run_key}/{champion.seq}"
        event = self.ledger.find(self.pipeline, EventKind.REJUDGED, key)
        if event is None:
            judgement = self.rejudge(self.decision, champion)
            payload = {"version": self.registration.version, "judgement": judgement.model_dump(mode="json")}
            event = self.ledger.append(self.pipeline, EventKind.REJUDGED, key, payload, self.actor)
        judgement = Judgement.model_validate(event.payload["judgement"])
        if judgement.champion_seq != champion.seq:
            raise IntegrityError(
                f"The new judgement of run {self.registration.run_key} is about champion seq {judgement.champion_seq}, "
                f"not about seq {champion.seq}: nothing was promoted."
            )
        return judgement

    def _crown(self, champion: Champion | None) -> Promotion:
        version, run_key = self.registration.version, self.registration.run_key
        if not self.registry.version_exists(self.pipeline, version):
            raise BadInput(f"Version {version} of {self.pipeline} was deleted from MLflow: register it again.")
        judgement = self.decision.judgement if self.force else self._judgement_against(champion)
        event = self.ledger.promote(
            self.registration,
            self.decision.prediction_digest,
            _seq(champion),
            reason=self.reason,
            actor=self.actor,
            key=f"{run_key}/{_seq(champion) or 0}",
            evidence={"forced": self.force, "judgement": judgement.model_dump(mode="json")},
        )
        why = f"forced: {self.reason}" if self.force else judgement.sentence
        over = f"over version {champion.version}" if champion else "the first champion"
        return _promotion(
            PromotionStatus.PROMOTED, Champion.of(event), f"Version {version} was promoted, {over} ({why})"
        )

    def _refused(self, status: PromotionStatus, champion: Champion | None, why: str) -> Promotion:
        promotion = _promotion(status, champion, why)
        refused = Refused(**self.registration.model_dump(), promotion=promotion, forced=self.force, reason=self.reason)
        key = f"{self.registration.run_key}/{_seq(champion) or 0}/{status}"
        self.ledger.append(self.pipeline, EventKind.PROMOTION_REFUSED, key, refused.model_dump(mode="json"), self.actor)
        return promotion


def _seq(champion: Champion | None) -> int | None:
    return champion.seq if champion else None


def _promotion(status: PromotionStatus, champion: Champion | None, sentence: str) -> Promotion:
    version = champion.version if champion else None
    return Promotion(status=status, champion_version=version, champion_seq=_seq(champion), sentence=sentence)
