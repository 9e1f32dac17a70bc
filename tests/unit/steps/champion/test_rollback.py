"""A roll-back goes to an earlier champion that is proved to serve, or the champion stays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from include.perennial.contracts import PromotionStatus
from include.perennial.errors import BadInput, Unavailable
from include.perennial.steps.champion import ChampionChange, ChampionStores, NotFit, freeze, rollback
from include.perennial.stores.ledger import EventKind
from include.perennial.stores.tracking.registry import Registry
from tests.closed_loop import WEEK, Loop, copied
from tests.servers import free_port
from tests.unit.steps.champion import killed

KILLS = 8


def roll_back(loop: Loop, **given: Any) -> ChampionChange:
    how = {"reason": "incident 7", "actor": "tester", "dry_run": False} | given
    return rollback(loop.pipeline, ChampionStores.open(loop.settings), **how)


def champion(loop: Loop) -> tuple[str | None, str | None]:
    """The champion of the ledger, and MLflow's."""
    found = loop.ledger.champion("toy")
    return found.version if found else None, loop.models.get_alias("toy", "champion")


def test_a_dry_run_says_what_would_happen_and_changes_nothing(loop: Loop) -> None:
    before = loop.ledger.head("toy")

    said = rollback(loop.pipeline, ChampionStores.open(loop.settings), reason="incident 7", actor="tester")

    assert (said.dry_run, said.crowned, said.version, said.champion_version) == (True, False, "2", "3")
    assert "would roll back toy from version 3 to version 2" in said.sentence
    assert [check.split()[1] for check in said.checks] == ["7", "scores", "predicts"]
    assert loop.ledger.head("toy") == before
    assert champion(loop) == ("3", "3")


def test_without_a_version_it_goes_to_the_one_before(loop: Loop) -> None:
    done = roll_back(loop)

    assert (done.crowned, done.champion_version) == (True, "2")
    assert champion(loop) == ("2", "2")
    [event] = loop.ledger.events("toy", [EventKind.ROLLED_BACK])
    assert (event.actor, event.payload["reason"]) == ("tester", "incident 7")
    assert event.payload["evidence"]["from_version"] == "3"
    assert event.payload["evidence"]["checks"] == list(done.checks)
    assert loop.ledger.verify() == []


def test_two_requests_go_back_two_steps_and_the_same_request_one(loop: Loop) -> None:
    assert roll_back(loop).champion_version == "2"
    assert roll_back(loop).champion_version == "2"
    assert roll_back(loop, reason="incident 8").champion_version == "1"
    with pytest.raises(BadInput, match="took over from nobody"):
        roll_back(loop, reason="incident 9")


def test_any_earlier_champion_can_be_named(loop: Loop) -> None:
    assert roll_back(loop, version="1").champion_version == "1"
    assert roll_back(loop, version="3").champion_version == "3"
    assert roll_back(loop, version="3", reason="again").crowned is False
    assert champion(loop) == ("3", "3")


def test_a_training_run_that_is_repeated_does_not_undo_the_roll_back(loop: Loop) -> None:
    roll_back(loop)

    again = loop.train(5, "logistic")

    assert again.status is PromotionStatus.NOT_PROMOTABLE
    assert "rolled back from (incident 7)" in again.sentence
    assert champion(loop) == ("2", "2")


def test_a_new_week_can_be_promoted_after_it(loop: Loop) -> None:
    roll_back(loop)

    assert loop.train(6, "logistic").status is PromotionStatus.PROMOTED
    assert champion(loop) == ("4", "4")
    assert roll_back(loop).champion_version == "2"


def _delete(path: Path) -> None:
    path.unlink()


def _alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(lambda loop: _delete(loop.artifact("2")), "model.skops is missing", id="file deleted"),
        pytest.param(lambda loop: _alter(loop.artifact("2")), "model.skops has sha256", id="file altered"),
        pytest.param(lambda loop: _alter(loop.artifact("2", "*_features_*.py")), "py has sha256", id="code altered"),
        pytest.param(lambda loop: loop.delete_version("2"), "was deleted from MLflow", id="version deleted"),
        pytest.param(lambda loop: _delete_all(loop.artifact("2").parent), "Model files in", id="all files deleted"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_gone_or_altered_is_refused_and_the_champion_stays(
    loop: Loop, damage: Callable[[Loop], None], says: str, dry_run: bool
) -> None:
    damage(loop)

    with pytest.raises(NotFit, match=says) as refusal:
        roll_back(loop, dry_run=dry_run)

    assert str(refusal.value).startswith("Version 2 of toy")
    assert "The champion stays version 3." in str(refusal.value)
    assert champion(loop) == ("3", "3")
    assert loop.ledger.events("toy", [EventKind.ROLLED_BACK]) == []


def _delete_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


def test_a_version_that_predicts_otherwise_than_before_is_refused(loop: Loop) -> None:
    [path] = loop.settings.home.glob(f"store/predictions-log/toy/{WEEK[5]}/v2.parquet")
    logged = pd.read_parquet(path)
    logged["p"] = logged["p"] * 0.9
    logged.to_parquet(path)

    with pytest.raises(NotFit, match="does not predict what it predicted before: on partition 2013-02-11 600"):
        roll_back(loop)
    assert champion(loop) == ("3", "3")


def test_a_version_that_does_not_know_the_columns_of_today_is_refused(loop: Loop) -> None:
    path = loop.settings.pipelines / "toy" / "pipeline.yaml"
    spec = yaml.safe_load(path.read_text())
    del spec["data"]["columns"]["noise"]
    path.write_text(yaml.safe_dump(spec, sort_keys=False))

    with pytest.raises(NotFit, match="Version 2 of toy cannot score partition 2013-02-18: KeyError: 'noise'"):
        roll_back(loop)
    assert champion(loop) == ("3", "3")


def test_what_has_never_scored_is_said_to_be_uncompared(loop: Loop) -> None:
    for path in loop.settings.home.glob("store/predictions-log/**/v2.parquet"):
        path.unlink()

    assert roll_back(loop).checks[-1] == "it has never scored, so there are no predictions to compare"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"version": "9"}, "Version '9' of toy was never champion: champions were '1', '2', '3'"),
        ({"version": "x" * 5000}, "was never champion"),
        ({"reason": "  "}, "A reason of 1 to 500 characters is needed, got 0"),
        ({"reason": "x" * 501}, "got 501"),
    ],
    ids=["unknown", "endless", "no reason", "long reason"],
)
def test_a_request_that_makes_no_sense_is_refused(loop: Loop, given: dict, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refusal:
        roll_back(loop, **given)
    assert len(str(refusal.value)) < 1000
    assert champion(loop) == ("3", "3")


def test_a_frozen_pipeline_is_not_rolled_back(loop: Loop) -> None:
    freeze("toy", loop.ledger, reason="audit", actor="boss", dry_run=False)

    with pytest.raises(BadInput, match=r"frozen \(boss: audit\): unfreeze it first"):
        roll_back(loop)
    assert champion(loop) == ("3", "3")


def test_a_pipeline_without_a_champion_has_nothing_to_roll_back(loop: Loop, tmp_path: Path) -> None:
    empty = replace(loop.settings, ledger_url=f"sqlite:///{tmp_path / 'empty.db'}")

    with pytest.raises(BadInput, match="has no champion yet"):
        roll_back(replace(loop, settings=empty))


def test_a_champion_crowned_meanwhile_is_not_overwritten(loop: Loop) -> None:
    class Slow(Registry):
        """While the files come, another training run ends."""

        def download(self, model_uri: str, target: Path) -> Path:
            if loop.ledger.champion("toy").version == "3":
                loop.train(6, "logistic")
            return super().download(model_uri, target)

    stores = replace(ChampionStores.open(loop.settings), models=Slow.open(loop.settings))

    with pytest.raises(BadInput, match=r"not rolled back: .* it is now version 4"):
        rollback(loop.pipeline, stores, reason="incident 7", actor="tester", dry_run=False)
    assert champion(loop) == ("4", "4")


def test_while_mlflow_is_down_nothing_happens(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = replace(loop.settings, tracking_uri=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable, match="Start it with `make up`"):
        roll_back(replace(loop, settings=down))
    assert loop.ledger.champion("toy").version == "3"


@pytest.mark.long
def test_a_killed_roll_back_is_completed_by_one_retry(loop: Loop, closed: Loop, tmp_path: Path) -> None:
    code, lines = killed.run(loop, None)
    assert (code, champion(loop)) == (0, ("2", "2"))

    for n in range(KILLS):
        victim = copied(closed, tmp_path / str(n))
        # Not at the very last lines: a run may take a few less than another.
        code, _ = killed.run(victim, 1 + n * (lines - 1) // KILLS)
        assert code == -9
        assert victim.ledger.champion("toy").version in {"3", "2"}

        assert killed.roll_back(victim) == "2"
        assert champion(victim) == ("2", "2")
        assert len(victim.ledger.events("toy", [EventKind.ROLLED_BACK])) == 1
        assert victim.ledger.verify() == []
