"""Publishing from many processes at once, and from processes that are killed while they do."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from include.perennial.contracts import PartitionRef
from include.perennial.partitions import Partition, Period
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry
from tests.unit.stores.datasets.publishing import (
    PIPELINE,
    delivery,
    publish_and_die,
    publish_at_once,
    steps_of_publishing,
)

WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(8)]
KILLED = -9
KILLINGS = [
    pytest.param(where, seed, marks=[pytest.mark.heavy] * (seed >= 5), id=f"{where}-{seed}")
    for seed in range(50)
    for where in ("path", "url")
]


def fetched_afresh(settings: Settings) -> dict[str, bytes]:
    """Bytes of every partition of the head, from the remote alone."""
    shutil.rmtree(settings.home / "cache", ignore_errors=True)
    registry = DataRegistry.open(settings)
    held = registry.partitions(PIPELINE)
    refs = [PartitionRef(key=key, sha256=version.sha256, rows=version.rows) for key, version in held.items()]
    paths = registry.fetch(PIPELINE, refs, registry.head()) if refs else []
    return {ref.key: path.read_bytes() for ref, path in zip(refs, paths, strict=True)}


def n_commits(settings: Settings) -> int:
    bare = settings.data_registry.removeprefix("file://")
    subprocess.run(["git", "-C", bare, "fsck", "--strict", "--no-dangling"], check=True, capture_output=True)
    counted = subprocess.run(["git", "-C", bare, "rev-list", "--count", "main"], check=True, capture_output=True)
    return int(counted.stdout)


@pytest.mark.long
def test_eight_weeks_published_at_once_all_land(registry_settings: Settings, tmp_path: Path) -> None:
    weeks = {key: key.encode() * 1000 for key in WEEKS}
    exit_codes = publish_at_once(registry_settings, [delivery(tmp_path, *week) for week in weeks.items()])
    assert exit_codes == [0] * 8
    assert fetched_afresh(registry_settings) == weeks
    assert n_commits(registry_settings) == 8


def test_rival_versions_of_one_week_all_enter_its_history(registry_settings: Settings, tmp_path: Path) -> None:
    rivals = [delivery(tmp_path, WEEKS[0], f"rival {n}".encode() * 1000) for n in range(4)]
    assert publish_at_once(registry_settings, rivals) == [0] * 4
    history = DataRegistry.open(registry_settings).history(PIPELINE, WEEKS[0])
    assert {version.sha256 for version in history} == {rival.validated.sha256 for rival in rivals}
    assert fetched_afresh(registry_settings)[WEEKS[0]] == next(
        rival.path.read_bytes() for rival in rivals if rival.validated.sha256 == history[-1].sha256
    )


def test_the_same_bytes_from_four_processes_make_one_version(registry_settings: Settings, tmp_path: Path) -> None:
    same = delivery(tmp_path, WEEKS[0], b"same" * 1000)
    assert publish_at_once(registry_settings, [same] * 4) == [0] * 4
    assert fetched_afresh(registry_settings) == {WEEKS[0]: b"same" * 1000}
    assert n_commits(registry_settings) == 1


@pytest.mark.parametrize(("registry_settings", "seed"), KILLINGS, indirect=["registry_settings"])
@pytest.mark.long
def test_a_publish_killed_anywhere_is_finished_by_its_retry(
    registry_settings: Settings, tmp_path: Path, seed: int
) -> None:
    earlier, counted, killed = (delivery(tmp_path, key, key.encode() * 1000) for key in WEEKS[:3])
    earlier.publish(registry_settings)
    n_steps = len(steps_of_publishing(registry_settings, counted))
    code = publish_and_die(registry_settings, killed, at_step=random.Random(seed).randrange(n_steps - 5))
    assert code == KILLED
    before = {each.validated.key: each.path.read_bytes() for each in (earlier, counted)}
    after = before | {killed.validated.key: killed.path.read_bytes()}
    assert fetched_afresh(registry_settings) in (before, after)
    version = killed.publish(registry_settings)
    assert fetched_afresh(registry_settings) == after
    assert n_commits(registry_settings) == 3
    assert (version.commit, version.previous_sha256) == (DataRegistry.open(registry_settings).head(), None)


def test_publishing_to_this_machine_opens_no_connection(tmp_path: Path) -> None:
    settings = Settings.from_env({"PERENNIAL_HOME": str(tmp_path)})
    steps = steps_of_publishing(settings, delivery(tmp_path, WEEKS[0], b"quiet"))
    assert "subprocess.Popen" in steps
    assert "socket.connect" not in steps
