"""A person between gate and promotion, under the real scheduler, answered through the API as Airflow's page does."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.perennial.card_places import CardKeys
from include.perennial.contracts import Promotion, PromotionStatus, Registration
from include.perennial.partitions import Partition, Period
from include.perennial.stores.ledger import Event, EventKind, Registered
from tests.stack.conftest import Live, until

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(300)]

ASKED = "flights_asked"
TRAIN = f"{ASKED}.train"
WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(6)]
FIRST, SECOND, THIRD, FOURTH = WEEKS[2:]
USER = "admin"


def _spec() -> Path:
    return Path(os.environ["PERENNIAL_PIPELINES"]) / ASKED / "pipeline.yaml"


def _change(**sections: Any) -> None:
    spec = yaml.safe_load(_spec().read_text()) | sections
    _spec().write_text(yaml.safe_dump(spec, sort_keys=False))


@pytest.fixture(scope="module")
def asked(live: Live) -> Live:
    """A pipeline of its own, with a person who is asked."""
    live.add_light_pipeline(ASKED, ("ingest", "train"), approval="required")
    live.ingest(ASKED, WEEKS[0], WEEKS[-1])
    return live


def test_a_dry_run_asks_nobody(asked: Live) -> None:
    run_id = asked.airflow.trigger(TRAIN, {"partition": FIRST, "dry_run": True})

    assert asked.airflow.wait(TRAIN, run_id)["state"] == "success"
    states = _states(asked, run_id)
    assert (states["register"], states["approve"], states["promote"]) == ("skipped", "skipped", "skipped")


def test_approved_it_is_promoted_and_the_ledger_says_by_whom(asked: Live) -> None:
    run_id = _waiting(asked, FIRST)
    detail = asked.airflow.call("GET", _detail(run_id))
    assert asked.ledger.champion(ASKED) is None
    assert detail["subject"] == f"Promote version 1 of {ASKED}?"
    assert "## Gate" in detail["body"]

    _answer(asked, run_id, "Approve", by="somebody else")

    assert asked.airflow.wait(TRAIN, run_id)["state"] == "success"
    champion, [approved] = asked.ledger.champion(ASKED), _events(asked, EventKind.APPROVED)
    assert champion is not None
    assert champion.run_key == asked.decisions(ASKED)[FIRST].plan.run_key
    assert (approved.payload["by"].lower(), approved.payload["asked_in"]) == (USER, run_id)
    assert asked.models.get_alias(ASKED, "champion") == champion.version
    page = _card(asked, CardKeys.model(ASKED, FIRST, champion.version))
    assert "Crowned champion on" in page
    assert approved.payload["sentence"] in page


def test_every_partition_has_its_data_card(asked: Live) -> None:
    for key, partition in asked.data.partitions(ASKED).items():
        assert f"data of {key}" in _card(asked, CardKeys.data(ASKED, key, partition.sha256))


def test_rejected_it_stays_registered_and_the_champion_stays(asked: Live) -> None:
    before = asked.ledger.champion(ASKED)
    run_id = _waiting(asked, SECOND)

    _answer(asked, run_id, "Reject")

    assert asked.airflow.wait(TRAIN, run_id)["state"] == "success"
    [declined] = _events(asked, EventKind.DECLINED)
    assert declined.payload["sentence"] in _refusal(asked).sentence
    assert declined.payload["by"].lower() == USER
    assert asked.models.version_exists(ASKED, declined.payload["version"])
    assert asked.ledger.champion(ASKED) == before


def test_if_the_champion_changes_meanwhile_it_is_judged_against_the_new_one(asked: Live) -> None:
    run_id = _waiting(asked, THIRD)
    rival = _crown(asked, SECOND)

    _answer(asked, run_id, "Approve")

    assert asked.airflow.wait(TRAIN, run_id)["state"] == "success"
    [rejudged] = _events(asked, EventKind.REJUDGED)
    assert rejudged.payload["judgement"]["champion_version"] == rival.version
    champion = asked.ledger.champion(ASKED)
    assert champion is not None
    assert champion.run_key == asked.decisions(ASKED)[THIRD].plan.run_key


def test_a_task_that_is_marked_as_done_approves_nothing(asked: Live) -> None:
    before = asked.ledger.champion(ASKED)
    run_id = _waiting(asked, FOURTH)

    asked.airflow.call("PATCH", f"/dags/{TRAIN}/dagRuns/{run_id}/taskInstances/approve", json={"new_state": "success"})

    assert asked.airflow.wait(TRAIN, run_id)["state"] == "success"
    assert _refusal(asked).status is PromotionStatus.NOT_PROMOTABLE
    assert "needs a person's approval" in _refusal(asked).sentence
    assert asked.ledger.champion(ASKED) == before


def test_without_an_answer_in_time_it_stays_registered(asked: Live) -> None:
    before = asked.ledger.champion(ASKED)
    _change(approval={"time_limit_hours": 0.001})

    run_id = asked.airflow.trigger(TRAIN, {"partition": FOURTH})

    assert asked.airflow.wait(TRAIN, run_id, timeout_s=120)["state"] == "success"
    declined = _events(asked, EventKind.DECLINED)[-1]
    assert (declined.payload["by"], declined.payload["asked_in"]) == (None, run_id)
    assert asked.ledger.champion(ASKED) == before
    assert asked.ledger.verify() == []


def _waiting(live: Live, week: str) -> str:
    """A training run of ``week`` that waits for a person."""
    run_id = live.airflow.trigger(TRAIN, {"partition": week})
    until(lambda: _states(live, run_id).get("approve") == "awaiting_input", "the question to a person")
    # Airflow 3.3 takes an answer for a failed task until its scheduler, once a second, has seen the task park.
    time.sleep(2)
    return run_id


def _detail(run_id: str) -> str:
    return f"/dags/{TRAIN}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"


def _answer(live: Live, run_id: str, chosen: str, **form: str) -> None:
    live.airflow.call("PATCH", _detail(run_id), json={"chosen_options": [chosen], "params_input": form})


def _crown(live: Live, week: str) -> Registration:
    """What a person with the champion DAG would do: crown the version of ``week``."""
    decision = live.decisions(ASKED)[week]
    event = live.ledger.find(ASKED, EventKind.REGISTERED, decision.plan.run_key)
    champion = live.ledger.champion(ASKED)
    assert event is not None
    assert champion is not None
    registration = Registered.model_validate(event.payload).registration
    how = {"reason": "by hand", "actor": "tests", "evidence": {}}
    live.ledger.promote(registration, decision.prediction_digest, champion.seq, key=f"by-hand-{week}", **how)
    return registration


def _card(live: Live, keys: CardKeys) -> str:
    """The card as a logged-in user is served it."""
    _, _, key, name = keys.html.split("/")
    reply = live.airflow.get(f"{live.stack.airflow_url}/perennial/documents/{ASKED}.ingest/{key}/{name}")
    assert reply.status_code == 200
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    return reply.text


def _events(live: Live, kind: EventKind) -> list[Event]:
    return live.ledger.events(ASKED, [kind])


def _refusal(live: Live) -> Promotion:
    return Promotion.model_validate(_events(live, EventKind.PROMOTION_REFUSED)[-1].payload["promotion"])


def _states(live: Live, run_id: str) -> dict[str, str]:
    return {one["task_id"]: one["state"] for one in live.airflow.task_instances(TRAIN, run_id)}
