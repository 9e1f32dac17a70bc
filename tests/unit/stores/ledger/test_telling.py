"""Every event of the ledger leaves one line in the log that a program can read, and nothing of its free text."""

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.perennial.contracts import CheckStatus, Judgement, Verdict
from include.perennial.run_ids import within
from include.perennial.stores.ledger import Event, EventKind, Ledger
from include.perennial.stores.ledger.telling import line
from tests.evaluations import OVER, Monitored
from tests.histories import History, checked
from tests.unit.monitor.measurements import WEEKS
from tests.unit.views.conftest import history, ledger, settings, world

__all__ = ["history", "ledger", "settings", "world"]
IDS = {"dag_id": "toy.train", "run_id": "manual__1", "task_id": "judge", "try": "2", "partition": WEEKS[3]}
_FIELD = re.compile(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)(?: |$)')


def parsed(text: str) -> dict[str, str]:
    """The fields of a line; fails if anything is left over."""
    fields = _FIELD.findall(text)
    assert "".join(f"{name}={value} " for name, value in fields).strip() == text
    assert len({name for name, _ in fields}) == len(fields)
    return {name: json.loads(value) if value.startswith('"') else value for name, value in fields}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "perennial.ledger")
    return lambda: [parsed(record.getMessage()) for record in caplog.records if record.name == "perennial.ledger"]


def test_a_verdict_is_told_with_the_checks_that_failed_and_the_run(history: History, told: Any) -> None:
    failed = [checked("floor.roc_auc", status=CheckStatus.FAILED), checked("slice.carrier", status=CheckStatus.FAILED)]
    judgement = Judgement(
        verdict=Verdict.REJECTED,
        sentence="The password is secret.",
        checks=(checked("rows"), *failed),
        champion_seq=None,
        champion_version="3",
    )
    with within(IDS):
        history.judge("run-1", WEEKS[7], reason="because of secret", judgement=judgement)

    [fields] = told()

    assert fields == {
        "ledger": "judged",
        "pipeline": "toy",
        "seq": "1",
        "new": "true",
        "verdict": "rejected",
        "reason": "floor.roc_auc,slice.carrier",
        "partition": WEEKS[7],
        "trigger": "schedule",
        "run_key": "run-1",
        "champion": "3",
        "dag_id": "toy.train",
        "run_id": "manual__1",
        "task_id": "judge",
        "try": "2",
    }


def test_a_retry_that_finds_its_event_says_so(history: History, told: Any) -> None:
    for _ in range(2):
        history.publish(WEEKS[1])

    assert [fields["new"] for fields in told()] == ["true", "false"]
    assert {fields["seq"] for fields in told()} == {"1"}


def test_crownings_and_the_monitors_decisions_are_told(world: Monitored, history: History, told: Any) -> None:
    world.publish(*range(11))
    history.win("1", WEEKS[7])
    world.measure(9, drift=OVER)
    world.evaluate(world.measure(10, drift=OVER), "first")

    by_kind = {fields["ledger"]: fields for fields in told()}

    promoted, asked = by_kind["promoted"], by_kind["trigger_asked"]
    assert (promoted["verdict"], promoted["version"], promoted["forced"]) == ("promoted", "1", "false")
    assert (asked["verdict"], asked["trigger"], asked["partition"]) == ("asked", "drift", WEEKS[10])
    assert asked["training_run_id"].startswith("drift__")


@pytest.mark.parametrize("kind", [EventKind.FROZEN, EventKind.UNFROZEN, EventKind.ALIAS_REPAIRED])
def test_what_has_no_code_is_told_by_its_kind_and_never_by_its_text(kind: EventKind, ledger: Ledger, told: Any) -> None:
    ledger.append("toy", kind, "1", {"reason": "token hunter2", "version": "1"}, "somebody")

    assert told() == [{"ledger": kind.value, "pipeline": "toy", "seq": "1", "new": "true", "verdict": kind.value}]


@given(value=st.text(max_size=40), version=st.text(max_size=40))
def test_no_value_can_end_the_line_or_add_a_field(value: str, version: str) -> None:
    import datetime as dt

    payload = {"version": version, "run_key": "r", "asked_in": value}
    event = Event("toy", 1, EventKind.APPROVED, "k", dt.datetime.now(dt.timezone.utc), "a", payload, "", "")
    with within({"run_id": value}):
        text = line(event, is_new=True)

    assert text.isprintable()
    fields = parsed(text)
    assert fields.get("version", "") == version
    assert fields.get("run_id", "") == fields.get("asked_in", "") == value


def test_ids_end_with_the_run(history: History, told: Any) -> None:
    with within(IDS):
        history.publish(WEEKS[1])
    history.publish(WEEKS[2])

    first, second = told()
    assert (first["run_id"], first["partition"]) == ("manual__1", WEEKS[1])
    assert "run_id" not in second
