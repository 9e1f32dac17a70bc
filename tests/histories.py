"""A pipeline's history in a ledger, event by event, for tests of what is read from it."""

from dataclasses import dataclass
from typing import Any

from include.perennial.contracts import (
    Check,
    CheckStatus,
    Decision,
    Promotion,
    PromotionStatus,
    Registration,
    Trigger,
    Verdict,
)
from include.perennial.stores.ledger import EventKind, Ledger, Refused, Registered
from tests.promotions import decide


@dataclass(frozen=True)
class History:
    """Training runs of ``pipeline``, each as of a partition, named ``run-<version>``."""

    pipeline: str
    ledger: Ledger

    def publish(self, key: str, **changes: Any) -> None:
        payload = {"key": key, "sha256": "b", "rows": 10, "rows_quarantined": 1, "commit": "c" * 40}
        payload |= {"snapshot_digest": "d" * 64} | changes
        self.ledger.append(self.pipeline, EventKind.PARTITION_PUBLISHED, f"{key}:{payload['sha256']}", payload, "t")

    def judge(
        self,
        run_key: str,
        as_of: str,
        *,
        score: float = 0.7,
        verdict: Verdict | None = None,
        trigger: Trigger = Trigger.SCHEDULE,
        reason: str = "",
        dry_run: bool = False,
        **changes: Any,
    ) -> Decision:
        """A recorded decision, held against the champion in place."""
        champion = self.ledger.champion(self.pipeline)
        found = decide(
            self.pipeline, run_key, None, score=score, champion=champion, verdict=verdict, cutoff=as_of, dry_run=dry_run
        )
        request = found.plan.request.model_copy(update={"trigger": trigger, "reason": reason})
        found = found.model_copy(update={"plan": found.plan.model_copy(update={"request": request})} | changes)
        kind, key = (EventKind.DRY_RUN, f"{run_key}/d1") if dry_run else (EventKind.JUDGED, run_key)
        self.ledger.append(self.pipeline, kind, key, found.model_dump(mode="json"), "judge")
        return found

    def register(self, decision: Decision, version: str) -> Registration:
        model = decision.model or _model(decision)
        given = Registered(
            pipeline=self.pipeline,
            run_key=decision.plan.run_key,
            version=version,
            model=model,
            cutoff=decision.cutoff,
            verdict=decision.judgement.verdict,
            sentence=decision.judgement.sentence,
            forced=False,
        )
        key = decision.plan.run_key
        self.ledger.append(self.pipeline, EventKind.REGISTERED, key, given.model_dump(mode="json"), "t")
        return given.registration

    def crown(
        self, decision: Decision, version: str, *, kind: EventKind = EventKind.PROMOTED, reason: str = ""
    ) -> None:
        before = self.ledger.champion(self.pipeline)
        self.ledger.promote(
            self.register(decision, version),
            decision.prediction_digest,
            before.seq if before else None,
            reason=reason,
            actor="promoter",
            key=f"{kind}/{decision.plan.run_key}",
            evidence={"forced": False},
            kind=kind,
        )

    def win(self, version: str, as_of: str, **options: Any) -> Decision:
        """Judged, registered and crowned."""
        decision = self.judge(f"run-{version}", as_of, verdict=Verdict.PASSED, **options)
        self.crown(decision, version)
        return decision

    def refuse(self, decision: Decision, version: str, why: str) -> None:
        """Registered, and not promoted."""
        champion = self.ledger.champion(self.pipeline)
        promotion = Promotion(
            status=PromotionStatus.KEPT_CHAMPION,
            champion_version=champion.version if champion else None,
            champion_seq=champion.seq if champion else None,
            sentence=why,
        )
        given = self.register(decision, version)
        payload = Refused(**given.model_dump(), promotion=promotion, forced=False, reason="")
        key = f"{decision.plan.run_key}/1/kept"
        self.ledger.append(self.pipeline, EventKind.PROMOTION_REFUSED, key, payload.model_dump(mode="json"), "t")


def checked(name: str, message: str = "it is so", status: CheckStatus = CheckStatus.PASSED) -> Check:
    return Check(name=name, status=status, value=0.7, champion=0.6, threshold=0.5, interval=(0.1, 0.2), message=message)


def _model(decision: Decision) -> Any:
    from tests.promotions import model_file

    return model_file(0.7, decision.plan.run_key)
