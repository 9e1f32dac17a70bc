"""Whatever was changed, removed or moved behind the loop's back is found, and what can be mended is mended."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from include.perennial.errors import BadInput
from include.perennial.folder_records import folder_records
from include.perennial.steps.champion import ChampionStores, rollback
from include.perennial.steps.verify import Area, Finding, Verification, verify
from include.perennial.stores.ledger import EventKind
from tests.closed_loop import WEEK, Loop
from tests.servers import free_port

UNGUARDED = ("DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete")


def looked(loop: Loop, *, repair: bool = False) -> Verification:
    return verify(loop.settings, repair=repair)


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def dvc_object(loop: Loop, week: int = 2) -> Path:
    version = loop.data.find("toy", WEEK[week])
    return loop.settings.home / "dvc-remote" / "files" / "md5" / version.md5[:2] / version.md5[2:]


def model_copy(loop: Loop, version: str = "2") -> Path:
    copy = loop.cache.copy_of(loop.decision(version).model)
    assert copy is not None
    return copy / "model.skops"


def partition_copy(loop: Loop, week: int = 2) -> Path:
    sha256 = loop.data.find("toy", WEEK[week]).sha256
    return loop.settings.home / "cache" / "partitions" / f"{sha256}.parquet"


def holdout_predictions(loop: Loop) -> Path:
    return Path(loop.settings.store_url, loop.decision("2").predictions.name)


def logged_predictions(loop: Loop) -> Path:
    return Path(loop.settings.store_url, "predictions-log", "toy", WEEK[5], "v2.parquet")


def decision_file(loop: Loop) -> Path:
    [path] = loop.settings.home.glob(f"mlflow-artifacts/**/{loop.decision('2').mlflow_run_id}/**/decision.json")
    return path


def seq(loop: Loop, kind: EventKind) -> int:
    return loop.ledger.events("toy", [kind])[1].seq


def edit_row(loop: Loop) -> None:
    at = seq(loop, EventKind.JUDGED)
    loop.sql("ledger.db", *UNGUARDED, f"UPDATE events SET payload = replace(payload, '0.', '1.') WHERE seq = {at}")


def delete_row(loop: Loop) -> None:
    loop.sql("ledger.db", *UNGUARDED, f"DELETE FROM events WHERE seq = {seq(loop, EventKind.REGISTERED)}")


def cut_off(loop: Loop) -> None:
    last = loop.ledger.head("toy").seq
    loop.sql("ledger.db", *UNGUARDED, f"DELETE FROM events WHERE seq = {last}")


def edit_entry(loop: Loop) -> None:
    """A commit in which an entry names other bytes."""
    commits, path = loop.data.commits, f"toy/{WEEK[2]}.parquet.dvc"
    head = commits.head()
    text = commits.read(head, [path])[path].replace("md5: ", "md5: 0")
    assert commits.land(commits.write(head, {path: text}, "edited"), head) == ""


def lose_registry(loop: Loop) -> None:
    shutil.rmtree(loop.settings.home / "data-registry.git")


Fault = Callable[[Loop], object]
FAULTS: list[tuple[str, Fault, Area, str]] = [
    ("edited ledger row", edit_row, Area.LEDGER, "edited after it was written"),
    ("deleted ledger row", delete_row, Area.LEDGER, "events between were removed"),
    ("ledger cut off", cut_off, Area.LEDGER_END, "the newest events were cut off"),
    ("forged head", lambda loop: loop.models.set_tags("toy", "1", {"perennial.ledger_head": "x"}), Area.LEDGER_END, ""),
    ("moved alias", lambda loop: loop.models.set_alias("toy", "champion", "1"), Area.ALIASES, "version 1"),
    ("deleted alias", lambda loop: loop.models.delete_alias("toy", "champion"), Area.ALIASES, "unset"),
    ("invented challenger", lambda loop: loop.models.set_alias("toy", "challenger", "1"), Area.ALIASES, "version 1"),
    ("deleted version", lambda loop: loop.delete_version("2"), Area.VERSIONS, "no such version"),
    ("changed artifact byte", lambda loop: flip(loop.artifact("2")), Area.MODELS, "model.skops has sha256"),
    ("missing artifact", lambda loop: loop.artifact("2").unlink(), Area.MODELS, "model.skops is missing"),
    ("missing model", lambda loop: shutil.rmtree(loop.artifact("2").parent), Area.MODELS, ""),
    ("damaged model cache", lambda loop: flip(model_copy(loop)), Area.MODEL_CACHE, "model.skops has sha256"),
    ("missing DVC object", lambda loop: dvc_object(loop).unlink(), Area.DATA, "no such object"),
    ("changed DVC object", lambda loop: flip(dvc_object(loop)), Area.DATA, "sha256"),
    ("edited DVC entry", edit_entry, Area.DATA, "cannot be read as a partition's .dvc file"),
    ("lost data registry", lose_registry, Area.DATA, "is not in the data registry"),
    ("damaged partition copy", lambda loop: flip(partition_copy(loop)), Area.DATA_CACHE, "other bytes"),
    ("changed predictions", lambda loop: flip(holdout_predictions(loop)), Area.PREDICTIONS, "not what was recorded"),
    ("missing predictions", lambda loop: holdout_predictions(loop).unlink(), Area.PREDICTIONS, "not stored"),
    ("changed prediction log", lambda loop: flip(logged_predictions(loop)), Area.PREDICTIONS, "cannot be read"),
    ("changed decision", lambda loop: flip(decision_file(loop)), Area.DECISIONS, "other content"),
    ("missing decision", lambda loop: decision_file(loop).unlink(), Area.DECISIONS, "no such file"),
]
MENDED = {
    *("moved alias", "deleted alias", "invented challenger", "changed artifact byte", "missing artifact"),
    *("missing model", "damaged model cache", "missing DVC object", "changed DVC object", "damaged partition copy"),
    *("changed decision", "missing decision"),
}


def test_what_is_whole_is_found_whole(closed: Loop) -> None:
    found = looked(closed)

    assert found.is_whole
    assert (found.findings, found.not_looked_at) == ((), ())
    assert all(found.looked_at.values())
    assert set(found.looked_at) == set(Area)
    assert found.sentence.endswith("everything is as it was recorded.")


@pytest.mark.parametrize(("name", "plant", "area", "says"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found_and_mended_where_it_can_be(
    loop: Loop, name: str, plant: Fault, area: Area, says: str
) -> None:
    plant(loop)
    events = loop.ledger.head("toy").seq

    mended = looked(loop, repair=True)

    found, *_ = [finding for finding in mended.findings if finding.area is area]
    assert says in found.found
    assert all((found.what, found.where, found.expected, found.found, found.fix))
    assert found.repaired == found.repairable == (name in MENDED)
    assert mended.is_whole == (name in MENDED), mended
    # A mended alias is an event; nothing else of the ledger is ever written.
    written = loop.ledger.intact_events("toy")[-1].kind if loop.ledger.head("toy").seq > events else None
    assert written in {None, EventKind.ALIAS_REPAIRED}
    assert looked(loop).is_whole == (name in MENDED)


def test_looking_mends_nothing(loop: Loop) -> None:
    flip(model_copy(loop))
    before = folder_records(loop.settings.home / "cache" / "models")

    assert [finding.repaired for finding in looked(loop).findings] == [False]
    assert folder_records(loop.settings.home / "cache" / "models") == before


def test_an_alias_is_not_mended_by_a_ledger_that_was_tampered_with(loop: Loop) -> None:
    edit_row(loop)
    loop.models.set_alias("toy", "champion", "1")

    found = looked(loop, repair=True)

    [alias] = [finding for finding in found.findings if finding.area is Area.ALIASES]
    assert alias.fix.startswith("First the ledger.")
    assert loop.models.get_alias("toy", "champion") == "1"


def test_without_an_intact_copy_nothing_is_restored(loop: Loop) -> None:
    flip(loop.artifact("2"))
    flip(model_copy(loop))
    dvc_object(loop).unlink()
    flip(partition_copy(loop))

    found = looked(loop, repair=True)

    by_area = {finding.area: finding for finding in found.findings}
    assert not by_area[Area.MODELS].repairable
    assert not by_area[Area.DATA].repairable
    assert "backup" in by_area[Area.MODELS].fix
    assert not found.is_whole


def test_many_faults_at_once_are_all_found(loop: Loop) -> None:
    planted = [fault for fault in FAULTS if fault[0] in {"moved alias", "missing artifact", "changed DVC object"}]
    for _, plant, _, _ in planted:
        plant(loop)

    assert {finding.area for finding in looked(loop).findings} == {area for _, _, area, _ in planted}


def test_a_deleted_champion_says_what_to_do(loop: Loop) -> None:
    loop.delete_version("3")

    [found] = [finding for finding in looked(loop).findings if finding.area is Area.VERSIONS]

    assert found.fix == "It is the champion: roll back to another version, or train a new one."
    assert rollback(
        loop.pipeline, ChampionStores.open(loop.settings), reason="deleted", actor="tester", dry_run=False
    ).crowned


def test_while_mlflow_is_down_the_rest_is_looked_at(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = replace(loop, settings=replace(loop.settings, tracking_uri=f"http://127.0.0.1:{free_port()}"))
    edit_row(loop)

    found = looked(down)

    areas = {finding.area for finding in found.findings}
    assert areas == {Area.LEDGER}
    assert {Area.DATA, Area.PREDICTIONS} < set(found.looked_at)
    [hidden] = found.not_looked_at
    assert hidden.startswith(
        "ledger ends of toy, versions of toy, aliases of toy, models of toy, decisions of toy: MLf"
    )
    assert found.sentence.endswith("Not everything could be looked at.")
    assert not found.is_whole


def test_an_unknown_pipeline_is_refused_with_those_that_exist(closed: Loop) -> None:
    with pytest.raises(BadInput, match=r"no pipeline 'toi' \(did you mean 'toy'\?\): it has 'toy'"):
        verify(closed.settings, ["toi"])


def test_findings_are_told_apart_by_their_place() -> None:
    finding = Finding(
        pipeline="toy", area=Area.DATA, what="a", where="b", expected="c", found="d", fix="e", repairable=True
    )

    assert finding.place == finding.model_copy(update={"repaired": True}).place
