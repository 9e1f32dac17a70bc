"""Commands of people and scripts: what they print, write and return."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.perennial import cli
from include.perennial.replay import pool
from tests.unit.replay.conftest import World, keys, make_world

ASKED = ["--policy", "never", "--policy", "schedule"]


@contextmanager
def _one_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as workers:
        yield workers


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Five delivered weeks, as the environment's pipelines; one thread instead of two processes."""
    monkeypatch.setattr(pool, "worker_pool", _one_thread)
    with ThreadPoolExecutor(1) as workers:
        world = make_world(tmp_path, workers, weeks=5)
    monkeypatch.setenv("PERENNIAL_HOME", str(world.settings.home))
    monkeypatch.setenv("PERENNIAL_PIPELINES", str(world.pipeline.folder.parent))
    return world


def replay(*more: str, out: Path) -> int:
    first, last = keys(3, 3)[0], keys(4, 4)[0]
    return cli.main(["replay", "toy", first, last, *ASKED, "--out", str(out), *more])


def test_a_replay_prints_a_table_and_writes_a_csv_and_a_plot(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(out=tmp_path / "out") == 0

    printed = capsys.readouterr().out
    assert "schedule" in printed
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".csv", ".png"]
    assert all(str(path) in printed for path in (tmp_path / "out").iterdir())


def test_json_is_one_object_on_stdout_and_nothing_else(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay("--json", out=tmp_path / "out") == 0

    found = json.loads(capsys.readouterr().out)
    assert [summary["policy"] for summary in found["summaries"]] == ["never", "schedule"]
    assert Path(found["csv"]).exists()
    assert found["best"] in {"never", "schedule"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing", "2013-01-28", "2013-02-04"], "there is no pipeline 'nothing'"),
        (["toy", "2013-01-29", "2013-02-04"], "is not the first day of a week"),
        (["toy", "2013-02-04", "2013-01-28"], "expected FROM not later than TO"),
        (["toy", "2013-01-28", "2013-02-04", "--policy", "weekly"], "Policy 'weekly' does not exist"),
    ],
    ids=["pipeline", "key", "order", "policy"],
)
def test_what_is_refused_is_said_in_one_line(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.main(["replay", *arguments]) == 1

    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]


def test_wrong_usage_is_told_from_a_refusal() -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["replay", "toy"])

    assert stopped.value.code == 2
