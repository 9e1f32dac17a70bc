"""What was saved comes back elsewhere, whole and usable; what is not whole, or would overwrite, is refused."""

import importlib
import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from include.perennial import cli
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.settings import PROJECT_ROOT, Settings
from include.perennial.steps.backup import Manifest, restore, save
from include.perennial.steps.backup.layout import Layout
from include.perennial.steps.backup.manifest import NAME
from include.perennial.steps.reproduce import Outcome, reproduce
from include.perennial.steps.verify import verify
from include.perennial.stores.ledger import EventKind, database
from tests.closed_loop import Loop
from tests.documents import commands_of

# The package's functions have these names as well.
saving = importlib.import_module("include.perennial.steps.backup.save")
restoring = importlib.import_module("include.perennial.steps.backup.restore")


@pytest.fixture(scope="module")
def kept(closed: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the closed loop; tests change copies of it only."""
    folder = tmp_path_factory.mktemp("kept") / "backup"
    save(closed.settings, folder)
    return folder


def at(home: Path, loop: Loop) -> Loop:
    """The loop as found in another home."""
    utils._artifact_repos_cache.clear()
    pipelines = str(loop.settings.pipelines)
    return replace(loop, settings=Settings.from_env({"PERENNIAL_HOME": str(home), "PERENNIAL_PIPELINES": pipelines}))


def test_restored_elsewhere_all_is_as_recorded_and_the_champion_is_rebuilt_identical(
    loop: Loop, tmp_path: Path
) -> None:
    saved = save(loop.settings, tmp_path / "backup")
    shutil.move(loop.settings.home, tmp_path / "gone")
    moved = at(tmp_path / "elsewhere" / "home", loop)

    restored = restore(moved.settings, tmp_path / "backup", dry_run=False)

    assert (saved.problems, saved.gone) == ((), ())
    assert restored.heads == saved.heads == (str(moved.ledger.head("toy")),)
    found = verify(moved.settings)
    assert (found.is_whole, found.findings, found.not_looked_at) == (True, (), ()), found
    champion = moved.ledger.champion("toy").version
    result = reproduce("toy", champion, moved.settings, moved.code)
    assert result.outcome is Outcome.IDENTICAL, result
    assert moved.train(6, "logistic").status == "promoted"


def test_what_is_recorded_while_a_backup_runs_leaves_the_copy_whole(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def and_the_loop_goes_on(*arguments: Path) -> bool:
        loop.train(6, "logistic")
        return write_bundle(*arguments)

    write_bundle = saving.write_bundle
    monkeypatch.setattr(saving, "write_bundle", and_the_loop_goes_on)
    save(loop.settings, tmp_path / "backup")
    moved = at(tmp_path / "elsewhere", loop)
    restore(moved.settings, tmp_path / "backup", dry_run=False)

    assert (loop.ledger.champion("toy").version, moved.ledger.champion("toy").version) == ("4", "3")
    assert verify(moved.settings).findings == ()


def test_nobody_writes_to_the_ledger_between_its_copy_and_that_of_mlflow(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def and_somebody_writes(source: Path, target: Path) -> None:
        copy_database(source, target)
        with pytest.raises(Unavailable, match="locked"):
            ledger.append("toy", EventKind.FROZEN, "now", {}, "tester")
        refused.append(source.name)

    copy_database = saving.copy_database
    monkeypatch.setattr(saving, "copy_database", and_somebody_writes)
    monkeypatch.setitem(database._CONNECT_ARGS["sqlite"], "timeout", 0.02)
    ledger = loop.ledger
    save(loop.settings, tmp_path / "backup")

    assert refused == ["ledger.db", "mlflow.db"]
    assert ledger.append("toy", EventKind.FROZEN, "now", {}, "tester").seq > 1


def test_a_file_that_is_removed_meanwhile_is_listed(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_somebody_removed_it(source: Path, target: Path, name: str) -> object:
        if name == first:
            source.unlink()
        return copy_file(source, target, name)

    first = "store/" + loop.objects.list("")[0]
    copy_file = saving.copy_file
    monkeypatch.setattr(saving, "copy_file", after_somebody_removed_it)

    saved = save(loop.settings, tmp_path / "backup")

    assert saved.gone == (first,)
    assert f"1 were removed while it ran: {first}" in saved.sentence
    assert restore(at(tmp_path / "elsewhere", loop).settings, tmp_path / "backup").files == saved.files


def test_a_backup_is_for_its_owner_and_not_within_what_it_copies(closed: Loop, kept: Path) -> None:
    assert kept.stat().st_mode & 0o77 == 0

    with pytest.raises(BadInput, match=r"is inside of .*store, which it would copy"):
        save(closed.settings, Path(closed.settings.store_url, "backups", "monday"))


def test_a_broken_chain_is_saved_and_said(loop: Loop, tmp_path: Path) -> None:
    loop.sql("ledger.db", "DROP TRIGGER events_no_update", "UPDATE events SET actor = 'nobody' WHERE seq = 2")

    saved = save(loop.settings, tmp_path / "backup")

    assert saved.problems[0].startswith("toy seq 2: edited after it was written")
    assert "The ledger is not whole" in saved.sentence


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def name_it(backup: Path, name: str) -> None:
    """Let the first file of the manifest have another name."""
    manifest = json.loads((backup / NAME).read_text())
    manifest["files"][0]["name"] = name
    (backup / NAME).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda b: (b / NAME).unlink(), "no whole backup: there is no manifest", id="interrupted"),
        pytest.param(lambda b: (b / NAME).write_text("{"), "cannot be read", id="manifest"),
        pytest.param(lambda b: flip(b / "ledger.db"), "ledger.db has sha256", id="one bit"),
        pytest.param(lambda b: (b / "mlflow.db").unlink(), "mlflow.db is missing", id="missing file"),
        pytest.param(lambda b: (b / "store" / "more").write_text(""), "more is not in the record", id="another file"),
        pytest.param(lambda b: name_it(b, "../evil"), "../evil has no place in a backup", id="out of the home"),
        pytest.param(lambda b: name_it(b, "store/../../evil"), "has no place in a backup", id="out of a part"),
        pytest.param(lambda b: name_it(b, "stack.json"), "stack.json has no place in a backup", id="another part"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_is_written(
    closed: Loop, kept: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    backup = shutil.copytree(kept, tmp_path / "backup")
    damage(backup)

    with pytest.raises((BadInput, IntegrityError), match=message):
        restore(at(tmp_path / "home", closed).settings, backup, dry_run=False)

    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["ledger.db", "mlflow.db", "store/key", "data-registry.git/HEAD"])
def test_nothing_is_overwritten(closed: Loop, kept: Path, tmp_path: Path, name: str) -> None:
    taken = tmp_path / "home" / name
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")

    with pytest.raises(BadInput, match="nothing is ever overwritten"):
        restore(at(tmp_path / "home", closed).settings, kept, dry_run=False)

    assert [path.read_text() for path in (tmp_path / "home").rglob("*") if path.is_file()] == ["mine"]


def test_a_restore_that_fails_half_way_leaves_nothing(
    closed: Loop, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(source: Path, target: Path, name: str) -> object:
        if name.startswith("store/"):
            raise OSError(28, "No space left on device")
        return copy_file(source, target, name)

    copy_file = restoring.copy_file
    monkeypatch.setattr(restoring, "copy_file", no_room)

    with pytest.raises(Unavailable, match="No space left"):
        restore(at(tmp_path / "home", closed).settings, kept, dry_run=False)

    assert [path for path in (tmp_path / "home").rglob("*") if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ledger_url": "postgresql://u:secret@db/ledger"}, "PERENNIAL_LEDGER names postgresql://db/ledger, which is"),
        ({"store_url": "s3://bucket/store"}, "PERENNIAL_STORE names s3://bucket/store"),
        ({"data_registry": "ssh://git@host/data.git"}, "PERENNIAL_DATA_REGISTRY names ssh://host"),
        ({"tracking_uri": "https://mlflow.example.org"}, "MLFLOW_TRACKING_URI names https://mlflow.example.org"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_on_other_machines_is_left_to_its_own_tools(
    closed: Loop, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        save(replace(closed.settings, **change), tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_mlflow_behind_a_server_of_this_machine_is_in_the_home(closed: Loop) -> None:
    settings = closed.settings
    served = replace(settings, tracking_uri="http://127.0.0.1:5000", ledger_url=f"{settings.ledger_url}?timeout=30")

    assert Layout.of(served) == Layout.of(settings)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any of ours; MLflow sets its own as it connects."""
    for name in ("PERENNIAL_STORE", "PERENNIAL_LEDGER", "PERENNIAL_DATA_REGISTRY", "PERENNIAL_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.usefixtures("no_settings")
def test_the_commands_of_the_documentation_in_its_order(
    closed: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(closed.settings.home))
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(closed.settings.pipelines))
    page = PROJECT_ROOT / "docs" / "backup.md"
    lines = [line for line in commands_of(page) if line.startswith("./perennial ")]
    said = []

    for line in lines:
        if "restore" in line:
            monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        utils._artifact_repos_cache.clear()
        assert cli.main(shlex.split(line.replace("~", str(tmp_path)))[1:]) == 0, line
        said.append(capsys.readouterr().out)

    head = str(closed.ledger.head("toy"))
    assert [head in text for text in said] == [True, True, True, False, False]
    assert said[1].endswith("Add --yes to do it.\n")
    assert "Restored" in said[2]
    assert cli.main(["backup", str(tmp_path / "backup-monday")]) == 1
    assert "holds something already" in capsys.readouterr().err


@pytest.mark.usefixtures("no_settings")
def test_json_is_one_object(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))

    assert cli.main(["restore", str(kept), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["heads"] == list(Manifest.read(kept).heads)
    assert not (tmp_path / "home").exists()
