"""The approval's operator, played in a process of its own: Airflow reads its configuration on import.

``python -m tests.dags.approval_scenes <scene>`` prints what happened as one line of JSON. Only the call that writes
the question into Airflow's database is replaced.
"""

import datetime as dt
import json
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import TaskAwaitingInput

from include.perennial.contracts import Decision, Verdict
from include.perennial.settings import Settings
from include.perennial.spec.approval import Approval
from include.perennial.stores.ledger import EventKind, Ledger
from perennial_airflow.operators.approval import ApproveOperator
from tests.promotions import decide, registration

LEDGER = Ledger.open(Settings.from_env().ledger_url)
HOSTILE = "{{ 7 * 7 }} {% raw %} <script>alert(1)</script>"
AT = dt.datetime(2013, 3, 12, 12, 30, tzinfo=dt.UTC)
ADA = {"id": "17", "name": "ada"}


class _Scene:
    """``approve`` between two other tasks, in the run ``run-1``; XComs are given, not stored."""

    def __init__(self, decision: Decision) -> None:
        given = {
            "plan": decision.plan.model_dump(mode="json"),
            "judge": decision.model_dump(mode="json"),
            "register": registration("toy").model_dump(mode="json"),
        }
        with DAG("toy.train", schedule=None):
            before = {name: BaseOperator(task_id=name).output for name in given}
            operator = ApproveOperator(
                task_id="approve",
                pipeline="toy",
                approval=Approval(time_limit_hours=2),
                plan=before["plan"],
                decision=before["judge"],
                registration=before["register"],
            )
            operator >> BaseOperator(task_id="promote")
        self.ti = Mock(map_index=-1, id="ti-1")
        self.ti.xcom_pull = lambda task_ids, **_: given[task_ids]
        self.context: dict[str, Any] = {
            "ti": self.ti,
            "task_instance": self.ti,
            "task": operator,
            "dag_run": SimpleNamespace(run_id="run-1", partition_key=None),
            "expanded_ti_count": None,
        }
        operator.render_template_fields(self.context, operator.dag.get_template_env())
        self.operator = operator

    def ask(self) -> dict[str, Any]:
        """What Airflow was asked to show, and how the task waits; empty if nobody is asked."""
        with patch("airflow.providers.standard.operators.hitl.upsert_hitl_detail") as shown:
            try:
                self.operator.execute(self.context)
            except TaskAwaitingInput as waiting:
                asked = shown.call_args.kwargs
                return {
                    "subject": asked["subject"],
                    "body": asked["body"],
                    "options": asked["options"],
                    "defaults": asked["defaults"],
                    "params": asked["params"],
                    "waits_s": waiting.timeout.total_seconds(),
                }
        return {}

    def answer(self, chosen: str, user: dict | None, **event: Any) -> dict[str, Any]:
        """What the ledger says after an answer."""
        at = AT + dt.timedelta(minutes=LEDGER.head("toy").seq)
        given = {"chosen_options": [chosen], "params_input": {}, "responded_at": at, "responded_by_user": user}
        self.operator.execute_complete(self.context, given | event)
        last = LEDGER.events("toy", [EventKind.APPROVED, EventKind.DECLINED])[-1]
        return {"kind": last.kind.value, "by": last.payload["by"], "actor": last.actor}


def asked() -> dict[str, Any]:
    """A decision that holds a template and a script in its sentence."""
    decision = decide("toy", "run-1", None)
    judgement = decision.judgement.model_copy(update={"sentence": HOSTILE})
    return _Scene(decision.model_copy(update={"judgement": judgement})).ask()


def answered() -> dict[str, Any]:
    """Every way to answer, in one run; what is approved is not asked about again."""
    scene = _Scene(decide("toy", "run-1", None))
    form = {"responded_by_user": "mallory", "by": "mallory"}
    return {
        "rejected": scene.answer("Reject", ADA),
        "timed out": scene.answer("Reject", None, timedout=True),
        "by nobody": scene.answer("Approve", None, params_input=form),
        "asked again": bool(scene.ask()),
        "approved": scene.answer("Approve", ADA, params_input=form),
        "asked after approval": bool(scene.ask()),
        "broken": LEDGER.verify(),
    }


def past() -> dict[str, Any]:
    """A version that belongs to the past."""
    return {"asked": bool(_Scene(decide("toy", "run-1", None, verdict=Verdict.PAST)).ask())}


if __name__ == "__main__":
    print("RESULT" + json.dumps(globals()[sys.argv[1]]()))
