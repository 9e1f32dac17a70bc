"""Operator of ``<name>.train`` where the spec asks for a person between register and promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from include.perennial.contracts import Decision, Registration, TrainingPlan
from include.perennial.spec.approval import Approval
from perennial_airflow import runtime

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApproveOperator(ApprovalOperator):
    """Ask a person under Airflow's Required Actions whether the registered version may take the crown.

    The task parks without a worker until somebody answers or the time is up. The answer goes to the ledger with who
    and when, as Airflow knows them; a form's values are never read. What follows from it is up to ``promote``.
    """

    # Not subject and body: they hold names and values of delivered data, which must never be rendered.
    template_fields = ("plan", "decision", "registration")
    ui_color = "#e0f2f1"

    def __init__(
        self, *, pipeline: str, approval: Approval, plan: Any, decision: Any, registration: Any, **kwargs: Any
    ):
        answers = {"approve": self.APPROVE, "reject": self.REJECT}
        super().__init__(
            subject="",
            defaults=answers[approval.default],
            response_timeout=approval.time_limit,
            **kwargs,
        )
        self.pipeline = pipeline
        self.approval = approval
        self.plan = plan
        self.decision = decision
        self.registration = registration

    def execute(self, context: Context) -> Any:
        from include.perennial.steps.approve import question, reason_not_to_ask
        from include.perennial.stores.ledger import Ledger

        decision, registration = self._subject_of_the_question()
        request = TrainingPlan.model_validate(self.plan).request
        with runtime.work(context):
            _, settings = runtime.load(self.pipeline)
            ledger = Ledger.open(settings.ledger_url)
            run_id = context["dag_run"].run_id
            needless = reason_not_to_ask(registration, decision, run_id, ledger, forced=request.force)
            if needless:
                self.log.info("%s", needless)
                context["ti"].xcom_push("summary", needless)
                return None
            reason = request.reason if request.force else ""
            asked = question(registration, decision, self.approval, reason=reason)
        self.subject, self.body = asked.subject, asked.body
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Record the answer; of ``event`` only the choice, the user and the time count."""
        from include.perennial.steps.approve import Response, record_answer
        from include.perennial.stores.ledger import Ledger

        if "error" in event:
            raise AirflowFailException(f"Airflow has no answer: {event['error']}. Clear the task to ask again.")
        user = event["responded_by_user"]
        response = Response(
            approve=event["chosen_options"] == [self.APPROVE],
            by=(user["name"] or user["id"]) if user else None,
            at_utc=event["responded_at"],
            timed_out=bool(event.get("timedout")),
        )
        _, registration = self._subject_of_the_question()
        with runtime.work(context):
            _, settings = runtime.load(self.pipeline)
            answered = record_answer(
                registration,
                response,
                self.approval,
                context["dag_run"].run_id,
                Ledger.open(settings.ledger_url),
            )
        sentence = str(answered.payload["sentence"])
        self.log.info("%s", sentence)
        context["ti"].xcom_push("summary", sentence)
        return answered.payload

    def _subject_of_the_question(self) -> tuple[Decision, Registration]:
        return Decision.model_validate(self.decision), Registration.model_validate(self.registration)
