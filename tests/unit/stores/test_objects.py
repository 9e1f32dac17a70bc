"""The object store in a local folder; ``tests/integration/test_objects_s3.py`` does the same on S3."""

from pathlib import Path
from typing import IO

import pytest

from include.perennial.digests import bytes_sha256
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.stores.objects import LocalObjects, ObjectStore
from tests.deliveries import settings

KEY = "snapshots/small/2013-06-03/a b ü.csv"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(settings(tmp_path))


def test_bytes_come_back_as_they_went(store: ObjectStore) -> None:
    record = store.put_bytes(KEY, b"\x00data")

    assert (record.name, record.n_bytes, record.sha256) == (KEY, 5, bytes_sha256(b"\x00data"))
    assert store.get_bytes(KEY, record.sha256) == b"\x00data"
    assert store.exists(KEY)


def test_files_come_back_as_they_went(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(range(256)) * 10_000)

    record = store.put_file(KEY, source)
    target = store.get_file(KEY, tmp_path / "new" / "folder" / "target.bin", record.sha256)

    assert target.read_bytes() == source.read_bytes()


def test_a_second_write_replaces_the_first(store: ObjectStore) -> None:
    store.put_bytes(KEY, b"first, longer")
    store.put_bytes(KEY, b"second")
    assert store.get_bytes(KEY) == b"second"


def test_listing_is_sorted_and_by_prefix(store: ObjectStore) -> None:
    for key in ("docs/b/2", "docs/b/1", "docs/a/1", "docsier", "other/1"):
        store.put_bytes(key, b"")

    assert store.list("docs/") == ["docs/a/1", "docs/b/1", "docs/b/2"]
    assert store.list("docs/b/1") == ["docs/b/1"]
    assert store.list("docs") == ["docs/a/1", "docs/b/1", "docs/b/2", "docsier"]
    assert len(store.list("")) == 5
    assert store.list("nowhere/") == []


def test_a_removed_object_is_gone_and_removing_it_again_is_no_error(store: ObjectStore) -> None:
    store.put_bytes(KEY, b"")
    for _ in range(2):
        store.remove(KEY)

    assert not store.exists(KEY)
    assert store.list("") == []


def test_a_missing_object_is_a_broken_record(store: ObjectStore, tmp_path: Path) -> None:
    assert not store.exists(KEY)
    with pytest.raises(IntegrityError, match="is recorded but not stored"):
        store.get_bytes(KEY)
    with pytest.raises(IntegrityError, match="is recorded but not stored"):
        store.get_file(KEY, tmp_path / "target")


def test_changed_bytes_are_refused_and_leave_no_file(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes(KEY, b"tampered")

    with pytest.raises(IntegrityError, match="is not what was recorded"):
        store.get_bytes(KEY, bytes_sha256(b"original"))
    with pytest.raises(IntegrityError, match="is not what was recorded"):
        store.get_file(KEY, tmp_path / "target" / "file", bytes_sha256(b"original"))

    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/", "./a", "a\\b", "a\nb", "a" * 2000]
)
def test_a_key_that_is_no_plain_path_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(BadInput, match="Object key"):
        store.put_bytes(key, b"")
    with pytest.raises(BadInput, match="Object key"):
        store.get_bytes(key)
    with pytest.raises(BadInput, match="Object key"):
        store.remove(key)


def test_a_prefix_cannot_climb_out(store: ObjectStore) -> None:
    with pytest.raises(BadInput, match="Object key"):
        store.list("../")


class Breaking:
    """A stream that fails after its first block."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, _size: int = -1) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise KeyboardInterrupt
        return b"half"


def test_an_interrupted_write_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    stream: IO[bytes] = Breaking()  # type: ignore[assignment]  # the part of a stream that a copy uses
    with pytest.raises(KeyboardInterrupt):
        store._put(KEY, stream)

    assert not store.exists(KEY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unfinished_write_is_not_listed(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("docs/1", b"")
    (tmp_path / "home" / "store" / "docs" / ".unfinished-x").write_bytes(b"half")
    assert store.list("docs/") == ["docs/1"]


def test_a_store_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match="Retry later"):
        LocalObjects(tmp_path / "file").put_bytes(KEY, b"")


def test_an_address_leads_a_person_to_the_bytes(store: ObjectStore, tmp_path: Path) -> None:
    assert store.url("docs/1.html") == (tmp_path / "home" / "store" / "docs" / "1.html").as_uri()
