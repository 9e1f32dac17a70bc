"""What the data registry records, finds and refuses. Every case runs on a path and on a Git URL."""

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from include.perennial.contracts import PartitionRef
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.settings import Settings
from include.perennial.stores.datasets import DataRegistry, commits
from include.perennial.stores.datasets.commits import Commits
from include.perennial.stores.datasets.entry import path_of
from include.perennial.stores.datasets.git_process import run_git
from tests.unit.stores.datasets.publishing import PIPELINE, delivery

WEEK, NEXT_WEEK = "2013-01-07", "2013-01-14"
ONE, OTHER = b"one" * 5000, b"other" * 3000


def remote_object(settings: Settings, md5: str) -> Path:
    return Path(settings.dvc_remote) / "files" / "md5" / md5[:2] / md5[2:]


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes in a read-only file, its mode as before."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def forget_cache(settings: Settings) -> None:
    shutil.rmtree(settings.home / "cache")


def test_an_empty_registry_has_no_head_and_no_partitions(registry: DataRegistry) -> None:
    assert registry.head() == ""
    assert registry.partitions(PIPELINE) == {}
    assert registry.history(PIPELINE, WEEK) == []
    assert registry.find(PIPELINE, WEEK) is None


def test_a_published_partition_is_found_with_all_that_was_said_of_it(registry: DataRegistry, tmp_path: Path) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    version = registry.publish(first.validated, first.path)
    assert version.changed
    assert version.previous_sha256 is None
    assert version.commit == registry.head()
    assert (version.sha256, version.n_bytes, version.rows) == (first.validated.sha256, len(ONE), 6000)
    assert (version.rows_quarantined, version.snapshot_digest, version.suite_digest) == (3, "a" * 64, "b" * 64)
    assert registry.partitions(PIPELINE) == {WEEK: version.model_copy(update={"changed": False})}
    assert registry.partitions("another_pipeline") == {}
    assert registry.find(PIPELINE, WEEK) == registry.partitions(PIPELINE)[WEEK]
    assert registry.find(PIPELINE, NEXT_WEEK) is None


def test_the_same_bytes_again_change_nothing(registry: DataRegistry, tmp_path: Path) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    version = registry.publish(first.validated, first.path)
    registry.publish(delivery(tmp_path, NEXT_WEEK, OTHER).validated, delivery(tmp_path, NEXT_WEEK, OTHER).path)
    head = registry.head()
    again = registry.publish(first.validated, first.path)
    assert again == version.model_copy(update={"changed": False})
    assert registry.head() == head


def test_other_bytes_for_an_old_week_are_a_new_version(registry: DataRegistry, tmp_path: Path) -> None:
    first, second = delivery(tmp_path, WEEK, ONE), delivery(tmp_path, WEEK, OTHER, rows=7000)
    old = registry.publish(first.validated, first.path)
    new = registry.publish(second.validated, second.path)
    assert (new.changed, new.previous_sha256, new.rows) == (True, old.sha256, 7000)
    assert registry.partitions(PIPELINE)[WEEK].sha256 == new.sha256
    assert registry.partitions(PIPELINE, old.commit)[WEEK].sha256 == old.sha256
    assert [version.commit for version in registry.history(PIPELINE, WEEK)] == [old.commit, new.commit]


def test_a_commit_whose_reply_was_lost_counts_once_and_as_a_change(registry: DataRegistry, tmp_path: Path) -> None:
    class LosesItsReply(Commits):
        def land(self, commit: str, expected: str) -> str:
            return super().land(commit, expected) or "connection reset"

    first = delivery(tmp_path, WEEK, ONE)
    lossy = DataRegistry(LosesItsReply(registry.commits.address, tmp_path / "elsewhere"), registry.files)
    assert lossy.publish(first.validated, first.path).changed
    assert len(registry.history(PIPELINE, WEEK)) == 1


def test_a_registry_that_refuses_every_commit_says_why(
    registry: DataRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses(Commits):
        def land(self, commit: str, expected: str) -> str:
            return "pre-receive hook declined"

    monkeypatch.setattr("include.perennial.stores.datasets.registry._ATTEMPTS", 3)
    first = delivery(tmp_path, WEEK, ONE)
    refusing = DataRegistry(Refuses(registry.commits.address, tmp_path / "elsewhere"), registry.files)
    with pytest.raises(Unavailable, match="in 3 attempts; the last one: pre-receive hook declined"):
        refusing.publish(first.validated, first.path)
    assert registry.head() == ""


def test_bytes_that_return_replace_the_correction(registry: DataRegistry, tmp_path: Path) -> None:
    first, second = delivery(tmp_path, WEEK, ONE), delivery(tmp_path, WEEK, OTHER)
    versions = [registry.publish(each.validated, each.path) for each in (first, second, first)]
    assert [version.changed for version in versions] == [True, True, True]
    assert versions[2].previous_sha256 == second.validated.sha256
    repeated = registry.publish(first.validated, first.path)
    assert repeated == versions[2].model_copy(update={"changed": False})


def test_every_dataset_version_can_be_fetched_as_it_was(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path
) -> None:
    deliveries = [delivery(tmp_path, WEEK, ONE), delivery(tmp_path, NEXT_WEEK, OTHER), delivery(tmp_path, WEEK, OTHER)]
    commits = [registry.publish(each.validated, each.path).commit for each in deliveries]
    forget_cache(registry_settings)
    week, next_week, week_now = (each.ref for each in deliveries)
    before = registry.fetch(PIPELINE, [next_week, week], commits[1])
    now = registry.fetch(PIPELINE, [week_now], commits[2])
    assert [path.read_bytes() for path in (*before, *now)] == [OTHER, ONE, OTHER]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in before)
    assert registry.fetch(PIPELINE, [], commits[2]) == []


def test_what_was_published_here_needs_no_remote_to_train_on(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    commit = registry.publish(first.validated, first.path).commit
    shutil.rmtree(registry_settings.dvc_remote)
    assert registry.fetch(PIPELINE, [first.ref], commit)[0].read_bytes() == ONE


def test_a_corrupt_cached_partition_is_fetched_again(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    commit = registry.publish(first.validated, first.path).commit
    (path,) = registry.fetch(PIPELINE, [first.ref], commit)
    overwrite(path, ONE[:-1] + b"X")
    (again,) = registry.fetch(PIPELINE, [first.ref], commit)
    assert again.read_bytes() == ONE


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(lambda path: overwrite(path, b"X" + ONE[1:]), "corrupt in the DVC remote", id="flipped"),
        pytest.param(lambda path: overwrite(path, ONE[:100]), "corrupt in the DVC remote", id="truncated"),
        pytest.param(lambda path: path.unlink(), "missing from the DVC remote", id="missing"),
    ],
)
def test_damage_in_the_remote_is_refused_and_a_new_ingest_heals_it(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path, damage, said: str
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    version = registry.publish(first.validated, first.path)
    forget_cache(registry_settings)
    stored = remote_object(registry_settings, version.md5)
    damage(stored)
    with pytest.raises(IntegrityError, match=said) as raised:
        registry.fetch(PIPELINE, [first.ref], version.commit)
    assert f"Partition {WEEK} of {PIPELINE}" in str(raised.value)
    if said.startswith("corrupt"):
        assert version.sha256 in str(raised.value)
        assert str(stored) in str(raised.value)
        stored.unlink()
    assert registry.publish(first.validated, first.path).commit == version.commit
    forget_cache(registry_settings)
    assert registry.fetch(PIPELINE, [first.ref], version.commit)[0].read_bytes() == ONE


def test_a_truncated_object_in_the_remote_does_not_pass_for_the_published_one(
    registry: DataRegistry, registry_settings: Settings, tmp_path: Path
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    version = registry.publish(first.validated, first.path)
    overwrite(remote_object(registry_settings, version.md5), ONE[:100])
    registry.publish(first.validated, first.path)
    assert remote_object(registry_settings, version.md5).read_bytes() == ONE


@pytest.mark.parametrize(
    ("ref", "commit", "said"),
    [
        pytest.param({"sha256": "0" * 64}, {}, "is not what was asked for", id="other-bytes"),
        pytest.param({"key": "2013-02-04"}, {}, "does not exist", id="other-week"),
        pytest.param({}, {"commit": "1" * 40}, "is not in the data registry", id="no-such-commit"),
        pytest.param({}, {"commit": "--help"}, "is not in the data registry", id="not-a-commit"),
    ],
)
def test_a_ref_that_the_commit_does_not_bear_out_is_refused(
    registry: DataRegistry, tmp_path: Path, ref: dict, commit: dict, said: str
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    version = registry.publish(first.validated, first.path)
    asked = PartitionRef(**{"key": WEEK, "sha256": version.sha256, "rows": 6000, **ref})
    with pytest.raises(IntegrityError, match=said):
        registry.fetch(PIPELINE, [asked], **{"commit": version.commit, **commit})


def test_a_file_other_than_the_validated_one_is_not_published(registry: DataRegistry, tmp_path: Path) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    first.path.write_bytes(OTHER)
    with pytest.raises(IntegrityError, match="not the file that was validated"):
        registry.publish(first.validated, first.path)
    assert registry.head() == ""


@pytest.mark.parametrize(
    "changes",
    [{"pipeline": "../evil"}, {"pipeline": "--help"}, {"key": "../../evil"}, {"key": "2013-01-07\n"}],
    ids=repr,
)
def test_names_cannot_lead_out_of_the_registry(registry: DataRegistry, tmp_path: Path, changes: dict) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    with pytest.raises(BadInput, match="is invalid"):
        registry.publish(first.validated.model_copy(update=changes), first.path)


@pytest.mark.parametrize(
    "digest", ["1" * 64, "0" * 64, "1e" + "2" * 62, "0" * 62 + "e1"], ids=["ones", "zeros", "float", "zero-float"]
)
def test_a_digest_that_looks_like_a_number_stays_text(registry: DataRegistry, tmp_path: Path, digest: str) -> None:
    first = delivery(tmp_path, WEEK, ONE, snapshot_digest=digest)
    registry.publish(first.validated, first.path)
    assert registry.partitions(PIPELINE)[WEEK].snapshot_digest == digest


@pytest.mark.parametrize(
    "text",
    [
        "not a mapping",
        "outs: []\nmeta: {}\n",
        "outs: [{md5: ../x, size: 1}]\n"
        "meta: {sha256: x, rows: 1, rows_quarantined: 0, snapshot_digest: a, suite_digest: b}",
        "outs: [{md5: !!python/object/apply:os.getcwd [], size: 1}]\nmeta: {}\n",
        "a: [",
    ],
    ids=["text", "no-outs", "path-for-md5", "yaml-tag", "broken-yaml"],
)
def test_an_entry_edited_by_hand_is_refused_with_its_place(registry: DataRegistry, text: str) -> None:
    commit = registry.commits.write("", {path_of(PIPELINE, WEEK): text}, "edited")
    registry.commits.land(commit, "")
    with pytest.raises(IntegrityError, match=f"{PIPELINE}/{WEEK}.parquet.dvc at commit {commit[:12]}"):
        registry.partitions(PIPELINE)


@pytest.mark.parametrize("registry_settings", ["path"], indirect=True)
def test_five_hundred_partitions_take_as_many_processes_of_git_as_one(
    registry: DataRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = delivery(tmp_path, WEEK, ONE)
    registry.publish(first.validated, first.path)
    (text,) = registry.commits.read(registry.head(), [path_of(PIPELINE, WEEK)]).values()
    keys = [f"{2000 + n // 300}-{n % 300 // 30 + 1:02d}-{n % 30 + 1:02d}" for n in range(500)]
    commit = registry.commits.write(registry.head(), {path_of(PIPELINE, key): text for key in keys}, "many")
    one, calls = registry.head(), []
    monkeypatch.setattr(commits, "run_git", lambda *call: calls.append(call) or run_git(*call))

    assert set(keys) <= registry.partitions(PIPELINE, commit).keys()
    many = len(calls)
    assert registry.partitions(PIPELINE, one).keys() == {WEEK}
    assert len(calls) == 2 * many > 0


def test_a_remote_that_cannot_be_written_publishes_nothing(tmp_path: Path) -> None:
    (tmp_path / "occupied").touch()
    settings = Settings.from_env(
        {"PERENNIAL_HOME": str(tmp_path / "home"), "PERENNIAL_DVC_REMOTE": str(tmp_path / "occupied")}
    )
    first = delivery(tmp_path, WEEK, ONE)
    with pytest.raises(Unavailable, match=r"DVC remote .*occupied cannot be used"):
        first.publish(settings)
    assert DataRegistry.open(settings).head() == ""
    assert list((settings.home / "workspaces").iterdir()) == []


def test_workspaces_of_killed_processes_are_swept_after_a_day(tmp_path: Path) -> None:
    settings = Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")})
    old, recent = (settings.home / "workspaces" / name for name in ("old", "recent"))
    for folder in (old, recent):
        folder.mkdir(parents=True)
        (folder / "left.parquet").touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    delivery(tmp_path, WEEK, ONE).publish(settings)
    assert [path.name for path in (settings.home / "workspaces").iterdir()] == ["recent"]
