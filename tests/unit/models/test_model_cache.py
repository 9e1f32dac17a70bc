"""A copy of a model is used while its store is down, and never when it is not what was recorded."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile
from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.folder_records import folder_records
from include.perennial.models import model_cache
from include.perennial.models.behaviour import positive_probability
from include.perennial.models.frames import Labelled
from include.perennial.models.model_cache import ModelCache
from include.perennial.pipeline_folder import Pipeline
from tests.model_shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def cache(shelf: Shelf, tmp_path: Path) -> ModelCache:
    return ModelCache(tmp_path / "cache", shelf.download)


@pytest.fixture
def model(shelf: Shelf, fitted: Callable[[str], SklearnPipeline], toy: Pipeline) -> ModelFile:
    return shelf.put("a", fitted("logistic"), toy)


def copies(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").iterdir())


def test_a_copy_predicts_what_the_stored_model_does_and_asks_nobody(
    cache: ModelCache, model: ModelFile, shelf: Shelf, fitted: Callable[[str], SklearnPipeline], rows: Labelled
) -> None:
    first = cache.load(model)
    shelf.is_down = True
    again = cache.load(model)

    expected = positive_probability(fitted("logistic"), rows.x)
    assert np.array_equal(positive_probability(first, rows.x), expected)
    assert np.array_equal(positive_probability(again, rows.x), expected)
    assert shelf.asked == ["a"]


def test_a_kept_model_is_there_when_the_store_goes_down(cache: ModelCache, model: ModelFile, shelf: Shelf) -> None:
    cache.keep(model)
    cache.keep(model)
    shelf.is_down = True

    assert cache.load(model) is not None
    assert shelf.asked == ["a"]


def test_without_a_copy_an_outage_is_an_outage(cache: ModelCache, model: ModelFile, shelf: Shelf) -> None:
    shelf.is_down = True

    with pytest.raises(Unavailable):
        cache.load(model)


@pytest.mark.parametrize(
    "damage",
    [
        lambda copy: (copy / "model.skops").write_bytes(b"x"),
        lambda copy: (copy / "model.skops").unlink(),
        lambda copy: (copy / "evil.py").write_text("import os"),
        lambda copy: next((copy / "code").iterdir()).write_text("import os"),
    ],
    ids=["other bytes", "a file gone", "a file more", "other code"],
)
def test_a_changed_copy_is_fetched_again_and_never_used(
    damage: Callable[[Path], object], cache: ModelCache, model: ModelFile, shelf: Shelf, tmp_path: Path
) -> None:
    cache.load(model)
    [copy] = copies(tmp_path)
    damage(copy)

    shelf.is_down = True
    with pytest.raises(Unavailable):
        cache.load(model)
    shelf.is_down = False
    cache.load(model)

    assert copies(tmp_path) == [copy]
    assert set(folder_records(copy)) == set(model.files)


def test_what_the_store_changed_is_neither_used_nor_kept(
    cache: ModelCache, model: ModelFile, shelf: Shelf, tmp_path: Path
) -> None:
    (shelf.folder / "a" / "note.txt").write_text("changed")

    with pytest.raises(IntegrityError, match=r"note\.txt has sha256"):
        cache.load(model)

    assert copies(tmp_path) == []


def test_one_model_stored_twice_has_two_copies(
    cache: ModelCache, model: ModelFile, shelf: Shelf, fitted: Callable[[str], SklearnPipeline], toy: Pipeline
) -> None:
    twin = shelf.put("b", fitted("logistic"), toy, note="logged by another run")
    assert twin.model_digest == model.model_digest

    for each in (model, twin, model, twin):
        cache.load(each)

    assert shelf.asked == ["a", "b"]


def test_the_copy_unused_for_longest_makes_room(
    cache: ModelCache,
    shelf: Shelf,
    fitted: Callable[[str], SklearnPipeline],
    toy: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(model_cache, "KEPT_MODELS", 2)
    first, second, third = (shelf.put(name, fitted("logistic"), toy, note=name) for name in "abc")
    for age_s, each in ((300, first), (200, second)):
        cache.load(each)
        newest = max(copies(tmp_path), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (newest.stat().st_atime, newest.stat().st_mtime - age_s))
    cache.load(first)

    cache.load(third)
    cache.load(first)

    assert shelf.asked == ["a", "b", "c"]
    cache.load(second)
    assert shelf.asked == ["a", "b", "c", "b"]


def test_what_a_killed_process_left_behind_is_removed_after_a_day(
    cache: ModelCache, model: ModelFile, tmp_path: Path
) -> None:
    old, fresh = tmp_path / "cache" / ".incoming-old", tmp_path / "cache" / ".incoming-fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))

    cache.load(model)

    assert not old.exists()
    assert fresh.exists()
