"""What passed becomes one version; what was not judged, or was changed since, becomes none."""

import pytest

from include.perennial.contracts import FileRecord, Verdict
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.steps.register import register
from include.perennial.stores.ledger import Anchor, EventKind, Ledger
from include.perennial.stores.tracking.registry import Registry
from tests.promotions import StoredModel, decide

_names = (f"registered_{n}" for n in range(10_000))


@pytest.fixture
def name() -> str:
    return next(_names)


def test_what_passed_is_registered_with_its_record(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel
) -> None:
    decision = decide(name, "run", stored)
    registration = register(decision, ledger, models)

    assert registration is not None
    tags = models.tags(name, registration.version)
    assert tags["perennial.run_key"] == "run"
    assert tags["perennial.verdict"] == "passed"
    assert tags["perennial.sentence"] == decision.judgement.sentence
    assert ledger.verify(anchors=[Anchor.parse(tags["perennial.ledger_head"])]) == []
    event = ledger.find(name, EventKind.REGISTERED, "run")
    assert event.payload["version"] == registration.version
    assert models.aliases(name) == {"challenger": registration.version}


def test_registering_again_finds_what_exists(name: str, ledger: Ledger, models: Registry, stored: StoredModel) -> None:
    decision = decide(name, "run", stored)

    assert register(decision, ledger, models) == register(decision, ledger, models)
    assert models.tag_values(name, "perennial.run_key") == {"1": "run"}
    assert ledger.head(name).seq == 1


@pytest.mark.parametrize(
    ("given", "registered"),
    [
        pytest.param({}, True, id="passed"),
        pytest.param({"verdict": Verdict.PAST}, True, id="past"),
        pytest.param({"verdict": Verdict.REJECTED}, False, id="rejected"),
        pytest.param({"verdict": Verdict.INCOMPARABLE}, False, id="incomparable"),
        pytest.param({"verdict": Verdict.IDENTICAL}, False, id="identical"),
        pytest.param({"dry_run": True}, False, id="dry run"),
    ],
)
def test_only_some_verdicts_register(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel, given: dict, registered: bool
) -> None:
    registration = register(decide(name, "run", stored, **given), ledger, models)

    assert (registration is not None) == registered
    assert bool(ledger.events(name)) == registered
    assert bool(models.tag_values(name, "perennial.run_key")) == registered


@pytest.mark.parametrize(
    ("verdict", "forced", "challenger"),
    [(Verdict.PAST, False, None), (Verdict.REJECTED, True, "1"), (Verdict.PASSED, False, "1")],
    ids=["past", "forced", "passed"],
)
def test_a_model_of_the_past_is_no_challenger(
    name: str,
    ledger: Ledger,
    models: Registry,
    stored: StoredModel,
    verdict: Verdict,
    forced: bool,
    challenger: str | None,
) -> None:
    register(decide(name, "run", stored, verdict=verdict), ledger, models, forced=forced)
    assert models.get_alias(name, "challenger") == challenger


def test_a_model_that_was_not_stored_cannot_be_forced(name: str, ledger: Ledger, models: Registry) -> None:
    with pytest.raises(BadInput, match="no stored model"):
        register(decide(name, "run", None, verdict=Verdict.REJECTED), ledger, models, forced=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(
            lambda files: (files[0].model_copy(update={"sha256": "0" * 64}), *files[1:]), "MLmodel", id="edited"
        ),
        pytest.param(
            lambda files: (*files, FileRecord(name="x.skops", sha256="0", n_bytes=1)), "x.skops", id="missing"
        ),
        pytest.param(lambda files: files[:1], "model.txt", id="added"),
    ],
)
def test_files_that_were_not_judged_are_not_registered(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel, change, named: str
) -> None:
    decision = decide(name, "run", stored)
    model = decision.model.model_copy(update={"files": change(decision.model.files)})

    with pytest.raises(IntegrityError, match=f"not those that were judged: {named}"):
        register(decision.model_copy(update={"model": model}), ledger, models)
    assert ledger.events(name) == []
    assert models.tag_values(name, "perennial.run_key") == {}


def test_files_that_are_gone_are_named(name: str, ledger: Ledger, models: Registry, stored: StoredModel) -> None:
    gone = StoredModel(stored.run_id, f"runs:/{stored.run_id}/nowhere", stored.files)

    with pytest.raises(IntegrityError, match="are gone from MLflow"):
        register(decide(name, "run", gone), ledger, models)


def test_a_version_deleted_since_is_made_again(
    name: str, ledger: Ledger, models: Registry, stored: StoredModel
) -> None:
    decision = decide(name, "run", stored)
    first = register(decision, ledger, models)
    models._client.delete_model_version(name, first.version)

    again = register(decision, ledger, models)

    assert (first.version, again.version) == ("1", "2")
    assert [event.payload["version"] for event in ledger.events(name)] == ["1", "2"]
    assert models.get_alias(name, "challenger") == "2"
