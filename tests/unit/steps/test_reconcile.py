"""Aliases follow the ledger, whatever moved them."""

import pytest
import sqlalchemy as sa

from include.perennial.contracts import Registration, Verdict
from include.perennial.steps.promote import promote
from include.perennial.steps.reconcile import reconcile
from include.perennial.steps.register import register
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import StoredModel, decide, rejudge

_names = (f"aliases_{n}" for n in range(10_000))


@pytest.fixture
def name(ledger: Ledger, models: Registry, stored: StoredModel) -> str:
    """A pipeline whose versions 1 and 2 were crowned in turn; 3 was registered and judged too old."""
    name = next(_names)
    for n, cutoff in enumerate(["2013-03-04", "2013-03-11"]):
        decision = decide(name, f"run-{n}", stored, score=0.7 + n / 10, champion=ledger.champion(name), cutoff=cutoff)
        promote(register(decision, ledger, models), decision, ledger, models, rejudge, actor="tester")
    past = decide(
        name, "past", stored, score=0.5, champion=ledger.champion(name), verdict=Verdict.PAST, cutoff="2013-02-25"
    )
    register(past, ledger, models)
    return name


def repairs(ledger: Ledger, name: str) -> list[str | None]:
    """What the alias named when it was repaired."""
    return [event.payload["found"] for event in ledger.events(name, [EventKind.ALIAS_REPAIRED])]


def point_at_a_deleted_version(models: Registry, name: str, alias: str) -> None:
    """What MLflow leaves when an alias is set while its version is being deleted."""
    models._client.delete_model_version(name, "3")
    with sa.create_engine(models._uri).begin() as connection:
        connection.execute(
            sa.text("UPDATE registered_model_aliases SET version = 3 WHERE name = :name AND alias = :alias"),
            {"name": name, "alias": alias},
        )


def test_nothing_is_done_when_all_is_well(name: str, ledger: Ledger, models: Registry) -> None:
    assert models.aliases(name) == {"champion": "2"}
    assert reconcile(name, ledger, models) == []
    assert repairs(ledger, name) == []


@pytest.mark.parametrize("moved_to", ["1", "3", None], ids=["an earlier champion", "never a champion", "removed"])
def test_a_moved_alias_is_repaired_and_recorded(
    name: str, ledger: Ledger, models: Registry, moved_to: str | None
) -> None:
    if moved_to is None:
        models.delete_alias(name, "champion")
    else:
        models.set_alias(name, "champion", moved_to)

    done = reconcile(name, ledger, models)

    assert models.aliases(name) == {"champion": "2"}
    assert f"set to version 2 (was {moved_to or 'unset'})" in done[0]
    assert repairs(ledger, name) == [moved_to]


def test_a_dangling_alias_is_repaired(name: str, ledger: Ledger, models: Registry) -> None:
    point_at_a_deleted_version(models, name, "champion")
    assert models.get_alias(name, "champion") == "3"
    assert not models.version_exists(name, "3")

    reconcile(name, ledger, models)

    assert models.aliases(name) == {"champion": "2"}
    assert repairs(ledger, name) == ["3"]


@pytest.mark.parametrize("left_at", ["1", None], ids=["the champion before", "nothing"])
def test_an_alias_that_lags_behind_a_promotion_is_no_repair(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel, left_at: str | None
) -> None:
    # What a process leaves that dies between the ledger's commit and the alias.
    version = models.ensure_version(name, "run-9", stored.uri, stored.run_id, {}, "")
    champion = ledger.champion(name)
    given = decide(name, "run-9", stored, score=0.9, champion=champion)
    registration = Registration(pipeline=name, run_key="run-9", version=version, model=given.model, cutoff=given.cutoff)
    ledger.promote(registration, "digest", champion.seq, reason="", actor="t", key="run-9", evidence={})
    if left_at:
        models.set_alias(name, "champion", left_at)
    else:
        models.delete_alias(name, "champion")

    reconcile(name, ledger, models)

    assert models.get_alias(name, "champion") == version
    assert repairs(ledger, name) == []

    models.set_alias(name, "champion", "2")
    reconcile(name, ledger, models)
    assert repairs(ledger, name) == ["2"]


def test_a_champion_deleted_from_mlflow_is_reported_and_its_alias_removed(
    name: str, ledger: Ledger, models: Registry
) -> None:
    models._client.delete_model_version(name, "2")
    models.set_alias(name, "champion", "1")

    done = reconcile(name, ledger, models)

    assert models.aliases(name) == {}
    assert any("deleted from MLflow: roll back" in said for said in done)
    assert repairs(ledger, name) == ["1"]


def test_an_alias_without_any_promotion_is_removed(ledger: Ledger, models: Registry, stored: StoredModel) -> None:
    name = next(_names)
    models.set_alias(name, "champion", models.ensure_version(name, "run", stored.uri, stored.run_id, {}, ""))

    reconcile(name, ledger, models)

    assert models.aliases(name) == {}


def test_a_pipeline_without_a_model_needs_nothing(ledger: Ledger, models: Registry) -> None:
    assert reconcile("nothing_yet", ledger, models) == []


def test_the_challenger_alias_follows_as_well(name: str, ledger: Ledger, models: Registry, stored: StoredModel) -> None:
    register(decide(name, "next", stored, score=0.95, champion=ledger.champion(name)), ledger, models)
    models.set_alias(name, "challenger", "1")

    reconcile(name, ledger, models)

    assert models.aliases(name) == {"champion": "2", "challenger": "4"}


def test_a_challenger_that_lost_challenges_no_more(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel
) -> None:
    decision = decide(name, "late", stored, score=0.75, cutoff="2013-03-11")
    registration = register(decision, ledger, models)
    assert models.get_alias(name, "challenger") == registration.version

    promote(registration, decision, ledger, models, rejudge, actor="tester")

    assert models.aliases(name) == {"champion": "2"}


def test_a_challenger_that_met_a_freeze_goes_on(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel
) -> None:
    decision = decide(name, "next", stored, score=0.95, champion=ledger.champion(name), cutoff="2013-03-18")
    registration = register(decision, ledger, models)
    ledger.append(name, EventKind.FROZEN, "1", {}, "tester")

    promote(registration, decision, ledger, models, rejudge, actor="tester")

    assert models.aliases(name) == {"champion": "2", "challenger": registration.version}
