"""Commands that change the champion and that look at the records: what they print, and their exit status."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from include.perennial import cli
from include.perennial.settings import PROJECT_ROOT
from tests.closed_loop import Loop, build, copied
from tests.documents import commands_of

COMMANDS = {
    page.stem: [line for line in commands_of(page) if line.startswith("./perennial ")]
    for page in (PROJECT_ROOT / "docs" / "operations.md", *sorted((PROJECT_ROOT / "docs" / "runbooks").glob("*.md")))
}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    return build(tmp_path_factory.mktemp("closed"))


@pytest.fixture
def loop(closed: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """A closed loop, as the environment's."""
    loop = copied(closed, tmp_path)
    for name in ("STORE", "LEDGER", "DATA_REGISTRY", "DVC_REMOTE"):
        monkeypatch.delenv(f"PERENNIAL_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(loop.settings.home))
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(loop.settings.pipelines))
    return loop


def test_a_roll_back_is_a_dry_run_until_it_is_confirmed(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rollback", "toy", "--reason", "incident 7"]

    assert cli.main(asked) == 0
    said = capsys.readouterr().out
    assert said.startswith("Dry run: this would roll back toy from version 3 to version 2")
    assert said.endswith("Add --yes to do it.\n")
    assert loop.ledger.champion("toy").version == "3"

    assert cli.main([*asked, "--yes"]) == 0
    assert capsys.readouterr().out.startswith("Rolled back toy from version 3 to version 2")
    assert loop.models.get_alias("toy", "champion") == "2"


def test_a_version_can_be_named_and_json_is_one_object(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rollback", "toy", "1", "--reason", "older", "--yes", "--json"]) == 0

    done = json.loads(capsys.readouterr().out)
    assert (done["action"], done["crowned"], done["champion_version"]) == ("rollback", True, "1")


def test_freeze_and_unfreeze(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["freeze", "toy", "--reason", "audit"]) == 0
    assert not loop.ledger.is_frozen("toy")
    assert cli.main(["freeze", "toy", "--reason", "audit", "--yes"]) == 0
    assert loop.ledger.is_frozen("toy")
    assert cli.main(["unfreeze", "toy", "--reason", "over", "--yes"]) == 0
    assert not loop.ledger.is_frozen("toy")
    assert "toy is unfrozen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rollback", "toy", "9", "--reason", "r"], "was never champion"),
        (["rollback", "toi", "--reason", "r"], "there is no pipeline 'toi'"),
        (["freeze", "toy", "--reason", " "], "A reason of 1 to 500"),
        (["verify", "toi"], "The ledger has no pipeline 'toi' (did you mean 'toy'?)"),
        (["reproduce", "toy", "9"], "Version '9' of toy is not registered"),
        (["status", "toi"], "There is no pipeline 'toi' (did you mean 'toy'?): known are toy."),
        (["history", "toi"], "There is no pipeline 'toi' (did you mean 'toy'?): known are toy."),
        (["explain", "toy", "9"], "The ledger holds no decision '9' of 'toy'"),
        (["retain", "toy", "yesterday"], "yesterday"),
        (["retain", "toy", "2013-02-18", "--previous", "-1"], "previous_champions is -1: expected 0 or more."),
    ],
    ids=["version", "pipeline", "reason", "verify", "reproduce", "status", "history", "explain", "key", "previous"],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_one_line_and_status_1(
    loop: Loop, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str, as_json: bool
) -> None:
    assert cli.main([*arguments, *(["--json"] if as_json else [])]) == 1

    out, err = capsys.readouterr()
    [line] = [line for line in err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert (says in json.loads(out)["error"]) if as_json else not out


@pytest.mark.parametrize(
    "arguments",
    [[], ["rollback", "toy"], ["freeze", "toy"], ["reproduce", "toy"], ["destroy"]],
    ids=["nothing", "no reason", "freeze without reason", "no version", "unknown"],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)

    assert stopped.value.code == 2


@pytest.mark.parametrize(
    "name",
    ["status", "history", "explain", "rollback", "freeze", "unfreeze", "retain", "verify", "reproduce", "replay"],
)
def test_every_command_has_help_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])

    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "--json" in said
    assert len(said) > 400


def test_status_names_the_champion_and_what_needs_a_person(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 0
    said = capsys.readouterr().out
    assert "champion    version 3 since" in said
    assert "needs you   nothing" in said

    assert cli.main(["status", "toy", "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)["pipelines"]
    assert (one["champion"]["version"], one["champion"]["over"]) == ("3", "2")


def test_history_is_newest_first_and_says_what_it_leaves_out(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["history", "toy", "--last", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["version 3" in lines[0], "version 2" in lines[1]] == [True, True]
    assert lines[2] == "1 earlier; --last 0 shows all."

    assert cli.main(["history", "toy", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(one["version"], one["became"]) for one in runs] == [
        ("3", "promoted"),
        ("2", "promoted"),
        ("1", "promoted"),
    ]


def test_explain_tells_one_run_by_version_or_by_key(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "toy", "2"]) == 0
    said = capsys.readouterr().out
    assert "## Gate" in said
    assert "Version 2 was promoted." in said

    assert cli.main(["explain", "toy", "2", "--json"]) == 0
    key = json.loads(capsys.readouterr().out)["trial"]["key"]
    assert cli.main(["explain", "toy", key]) == 0
    assert capsys.readouterr().out == said


def test_retention_is_a_dry_run_until_it_is_confirmed(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    old, kept = (f"docs/toy/{key}/{'ab' * 32}.html" for key in ("2013-01-07", "2013-02-18"))
    for key in (old, kept):
        loop.objects.put_bytes(key, b"report")
    asked = ["retain", "toy", "2013-02-11", "--previous", "0"]

    assert cli.main(asked) == 0
    said = capsys.readouterr().out
    assert "would be removed; versions 3 keep all they rest on." in said
    assert loop.objects.exists(old)

    assert cli.main([*asked, "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["removed"]["docs"], done["dry_run"]) == (1, False)
    assert [loop.objects.exists(key) for key in (old, kept)] == [False, True]


@pytest.mark.long
def test_what_retention_leaves_is_whole_and_can_be_reproduced(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["retain", "toy", "2013-02-25", "--previous", "0", "--yes"]) == 0
    capsys.readouterr()

    assert cli.main(["verify"]) == 0
    for version in ("1", "3"):
        assert cli.main(["reproduce", "toy", version]) == 0, capsys.readouterr().out


def test_verify_says_what_is_wrong_and_mends_it(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify"]) == 0
    assert "everything is as it was recorded" in capsys.readouterr().out

    loop.models.set_alias("toy", "champion", "1")
    assert cli.main(["verify", "toy"]) == 1
    said = capsys.readouterr().out
    assert "toy: an alias in MLflow does not name what the ledger says\n  where    alias champion" in said
    assert "1 found wrong, 0 mended" in said

    assert cli.main(["verify", "--repair", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["is_whole"], [one["repaired"] for one in found["findings"]]) == (True, [True])
    assert loop.models.get_alias("toy", "champion") == "3"


def test_reproduce_prints_what_was_compared(loop: Loop, capsys: pytest.CaptureFixture[str]) -> None:
    # The recorded commit is of another checkout than the one that this command belongs to.
    assert cli.main(["reproduce", "toy", "1"]) == 0

    said = capsys.readouterr().out
    assert "roc_auc" in said
    assert "the code that is here now was used" in said
    assert said.endswith("Version 1 of toy was rebuilt, identical: file, predictions and metrics.\n")


@pytest.mark.parametrize("page", [page for page, lines in COMMANDS.items() if lines])
def test_every_command_of_a_page_runs_in_its_order(page: str, loop: Loop) -> None:
    for line in dict.fromkeys(COMMANDS[page]):
        here = line.replace("flight_delays 9", "toy 3").replace("flight_delays", "toy")
        assert cli.main(shlex.split(here)[1:]) == 0, line


def test_the_script_in_the_checkout_runs_the_commands(loop: Loop) -> None:
    if not (PROJECT_ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("the checkout has no .venv: the script says how to make one")
    command = [str(PROJECT_ROOT / "perennial"), "verify", "--json"]

    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["is_whole"] is True


def test_the_module_runs_too() -> None:
    command = [sys.executable, "-m", "include.perennial.cli", "verify", "--help"]

    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.startswith("usage: perennial verify")
