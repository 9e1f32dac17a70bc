"""A registered version is rebuilt from its record, or it is said exactly what is not as it was."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from include.perennial import provenance
from include.perennial.errors import BadInput
from include.perennial.steps.reproduce import Outcome, Reproduction, comparison, reproduce
from tests.closed_loop import WEEK, Loop, git

pytestmark = pytest.mark.long(each=True)


def rebuilt(loop: Loop, version: str) -> Reproduction:
    return reproduce("toy", version, loop.settings, loop.code)


def change_features(loop: Loop) -> None:
    """From now on the pipeline's signal is squared."""
    path = loop.settings.pipelines / "toy" / "features.py"
    path.write_text(path.read_text().replace('X["signal"] - self.center_', '(X["signal"] - self.center_) ** 3'))


def forget(loop: Loop, week: int) -> Path:
    """The DVC object of ``week``, which no copy on this machine stands in for any more."""
    version = loop.data.find("toy", WEEK[week])
    shutil.rmtree(loop.settings.home / "cache" / "partitions")
    return loop.settings.home / "dvc-remote" / "files" / "md5" / version.md5[:2] / version.md5[2:]


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_version_is_rebuilt_identical(closed: Loop, version: str) -> None:
    result = rebuilt(closed, version)

    assert result.outcome is Outcome.IDENTICAL, result
    assert (result.problems, result.notes) == ((), ())
    assert all(one.identical and not one.difference for one in result.compared)
    assert {"model.skops sha256", "roc_auc", "log_loss"} < {one.name for one in result.compared}


def test_after_the_code_moved_on_it_is_still_identical(loop: Loop) -> None:
    change_features(loop)
    (loop.code / "include" / "perennial" / "models" / "frames.py").write_text("raise SystemExit('moved on')\n")
    git(loop.code, "commit", "--quiet", "-am", "moved on")

    assert rebuilt(loop, "2").outcome is Outcome.IDENTICAL
    assert git(loop.code, "status", "--porcelain") == ""
    assert git(loop.code, "worktree", "list").count("\n") == 0


def test_a_commit_that_had_changes_is_not_trusted_and_used(loop: Loop) -> None:
    (loop.code / "notes.txt").write_text("not committed")
    loop.train(6, "logistic")

    result = rebuilt(loop, "4")

    assert result.outcome is Outcome.IDENTICAL
    assert "the commit cannot be trusted alone" in result.notes[0]


def test_a_pipeline_that_was_never_committed_is_taken_from_where_it_is(loop: Loop) -> None:
    change_features(loop)
    loop.train(6, "logistic", force=True, reason="test")

    result = rebuilt(loop, "4")

    assert result.outcome is Outcome.IDENTICAL
    assert "the commit cannot be trusted alone" in result.notes[0]


def test_a_pipeline_that_is_nowhere_any_more_is_different_by_so_much(loop: Loop) -> None:
    before = (loop.settings.pipelines / "toy" / "features.py").read_text()
    change_features(loop)
    loop.train(6, "logistic", force=True, reason="test")
    (loop.settings.pipelines / "toy" / "features.py").write_text(before)

    result = rebuilt(loop, "4")

    assert result.outcome is Outcome.DIFFERENT
    assert "the Python files differ" in result.notes[1]
    [predicted] = [one for one in result.compared if one.name.startswith("predictions of")]
    assert predicted.difference > 0.01
    assert "roc_auc by" in result.sentence


def test_without_the_commit_the_code_of_today_is_used(loop: Loop) -> None:
    shutil.rmtree(loop.code / ".git")
    git(loop.code, "init", "--quiet")

    result = rebuilt(loop, "1")

    assert result.outcome is Outcome.IDENTICAL
    assert "is not in" in result.notes[0]
    assert "the code that is here now was used" in result.notes[0]


def test_a_commit_that_was_never_known_is_said(loop: Loop, tmp_path: Path) -> None:
    elsewhere = replace(loop, code=tmp_path / "no checkout")
    elsewhere.code.mkdir()
    elsewhere.train(6, "logistic")

    result = rebuilt(loop, "4")

    assert (result.outcome, result.code_commit) == (Outcome.IDENTICAL, "unknown")
    assert "was not known" in result.notes[0]


def test_code_that_cannot_rebuild_is_named_with_its_error(loop: Loop) -> None:
    (loop.code / "include" / "perennial" / "models" / "frames.py").write_text("raise RuntimeError('broken then')\n")
    shutil.rmtree(loop.code / ".git")

    result = rebuilt(loop, "1")

    assert result.outcome is Outcome.FAILED
    assert "RuntimeError: broken then" in result.sentence


def test_an_altered_model_file_is_named(loop: Loop) -> None:
    loop.artifact("2").write_bytes(b"altered")

    result = rebuilt(loop, "2")

    assert result.outcome is Outcome.ALTERED
    assert "model.skops has sha256" in result.sentence
    assert all(one.identical for one in result.compared)


def test_a_deleted_model_is_named(loop: Loop) -> None:
    shutil.rmtree(loop.artifact("2").parent)

    result = rebuilt(loop, "2")

    assert result.outcome is Outcome.ALTERED
    assert result.problems


def test_altered_predictions_are_named_and_the_rest_is_compared(loop: Loop) -> None:
    record = loop.decision("2").predictions
    loop.objects.put_bytes(record.name, b"altered")

    result = rebuilt(loop, "2")

    assert result.outcome is Outcome.ALTERED
    assert record.name in result.sentence
    assert [one.identical for one in result.compared] == [True, True]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (Path.unlink, "Partition 2013-01-21 of toy .* is missing from the DVC remote"),
        (lambda path: (path.chmod(0o644), path.write_bytes(b"x")), "Partition 2013-01-21 of toy .* is corrupt"),
    ],
    ids=["missing", "altered"],
)
def test_missing_data_are_named(loop: Loop, damage: Callable[[Path], object], says: str) -> None:
    damage(forget(loop, 2))

    result = rebuilt(loop, "1")

    assert result.outcome is Outcome.FAILED
    assert result.compared == ()
    assert re.search(says, result.sentence), result.sentence


def test_another_environment_is_named_by_what_the_model_needs(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two sets of packages in one process cannot be had: what is installed is said otherwise than it is.
    others = tuple(
        "scikit-learn==0.1" if name.startswith("scikit-learn==") else name for name in provenance.installed_packages()
    )
    monkeypatch.setattr(comparison, "environment_digest", lambda: "another")
    monkeypatch.setattr(comparison, "installed_packages", lambda: others)

    result = rebuilt(loop, "1")

    assert result.outcome is Outcome.IDENTICAL
    assert "Changed: scikit-learn" in result.notes[0]
    assert "then, 0.1 now" in result.notes[0]


def test_an_unknown_version_is_refused(closed: Loop) -> None:
    with pytest.raises(BadInput, match="Version '9' of toy is not registered: versions are '1', '2', '3'"):
        rebuilt(closed, "9")
