"""The object store and the files source on a real S3 server that checks signatures."""

import dataclasses
from pathlib import Path

import pytest

from include.perennial.digests import bytes_sha256
from include.perennial.errors import BadInput, DataError, IntegrityError, Unavailable
from include.perennial.s3 import S3Folder
from include.perennial.settings import S3Access, Settings
from include.perennial.sources import SettingsConnections
from include.perennial.steps.snapshot import fetch_snapshot, take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.stores.objects import ObjectStore
from tests.deliveries import WEEK, csv, files, gz, make_pipeline, row, settings
from tests.servers import free_port

pytestmark = pytest.mark.server
GOOD = csv([row(n) for n in range(20)])


@pytest.fixture
def on_s3(s3_server: tuple[S3Access, str], tmp_path: Path) -> Settings:
    """Settings whose object store is a fresh prefix of the bucket."""
    access, bucket = s3_server
    return dataclasses.replace(settings(tmp_path), store_url=f"s3://{bucket}/{tmp_path.name}/store", s3=access)


@pytest.fixture
def store(on_s3: Settings) -> ObjectStore:
    return ObjectStore.open(on_s3)


def test_bytes_and_files_come_back_as_they_went(store: ObjectStore, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * 50_000)  # more than one part of a multipart upload

    small_record, big_record = store.put_bytes("a/small ü.bin", b"\x00data"), store.put_file("a/big.bin", big)

    assert store.get_bytes("a/small ü.bin", small_record.sha256) == b"\x00data"
    assert store.get_file("a/big.bin", tmp_path / "back", big_record.sha256).read_bytes() == big.read_bytes()
    assert store.list("a/") == ["a/big.bin", "a/small ü.bin"]
    assert store.exists("a/big.bin")
    assert store.url("a/big.bin").startswith("s3://perennial-test/")


def test_a_missing_or_changed_object_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("a/1", b"tampered")

    assert not store.exists("a/2")
    assert store.list("b/") == []
    with pytest.raises(IntegrityError, match="is recorded but not stored"):
        store.get_bytes("a/2")
    with pytest.raises(IntegrityError, match="is not what was recorded"):
        store.get_file("a/1", tmp_path / "target" / "1", bytes_sha256(b"original"))
    assert list((tmp_path / "target").iterdir()) == []


def test_a_removed_object_is_gone_and_removing_it_again_is_no_error(store: ObjectStore) -> None:
    store.put_bytes("a/1", b"")
    store.put_bytes("a/10", b"")
    for _ in range(2):
        store.remove("a/1")

    assert store.list("a/") == ["a/10"]


@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key"])
def test_a_wrong_key_is_refused_and_not_shown(on_s3: Settings, name: str) -> None:
    wrong = dataclasses.replace(on_s3.s3, **{name: "wrong-and-secret"})
    with pytest.raises(BadInput, match="access refused") as caught:
        ObjectStore.open(dataclasses.replace(on_s3, s3=wrong)).put_bytes("a", b"")
    assert "wrong-and-secret" not in str(caught.value)
    assert "wrong-and-secret" not in repr(wrong)


def test_a_bucket_that_does_not_exist_is_bad_input(on_s3: Settings) -> None:
    with pytest.raises(BadInput, match="bucket does not exist"):
        ObjectStore.open(dataclasses.replace(on_s3, store_url="s3://no-such-bucket/x")).list("")


def test_a_dead_endpoint_is_unavailable(on_s3: Settings) -> None:
    nobody = dataclasses.replace(on_s3.s3, endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="does not answer"):
        ObjectStore.open(dataclasses.replace(on_s3, s3=nobody)).exists("a")


def upload(on_s3: Settings, url: str, contents: dict[str, bytes]) -> None:
    folder = S3Folder.open(url, on_s3.s3)
    for name, data in contents.items():
        with Path(on_s3.home.parent / "upload").open("w+b") as file:
            file.write(data)
            file.seek(0)
            folder.put(name, file)


def test_one_object_is_ingested_from_s3_to_s3(on_s3: Settings, tmp_path: Path) -> None:
    url = on_s3.store_url.replace("/store", "/in")
    pipeline = make_pipeline(tmp_path, files(url + "/{key}.csv.gz"))
    others = {"2013-06-03.csv.gz.old": b"x", "2013-06-10.csv.gz": b"x"}
    upload(on_s3, url, {"2013-06-03.csv.gz": gz(GOOD), **others})
    store = ObjectStore.open(on_s3)

    snapshot = take_snapshot(pipeline, WEEK, store, SettingsConnections(on_s3))
    validated = validate(pipeline, snapshot, store)

    assert [file.name for file in snapshot.files] == ["2013-06-03.csv.gz"]
    assert (validated.rows, validated.rows_quarantined) == (20, 0)
    assert store.list("partitions/") == [validated.object_key]


def test_a_prefix_gives_its_own_files_of_the_format_and_their_sidecars_are_kept_to(
    on_s3: Settings, tmp_path: Path
) -> None:
    url = on_s3.store_url.replace("/store", "/in")
    pipeline = make_pipeline(tmp_path, files(url + "/dt={key}/"))
    half = csv([row(n) for n in range(10)]).encode()
    rest = csv([row(n) for n in range(10, 20)]).encode()
    names = {"part-1.csv": half, "part-2.csv": rest, "_SUCCESS": b"", "notes.txt": b"", "old/part-3.csv": half}
    upload(on_s3, url + "/dt=2013-06-03", names)
    store = ObjectStore.open(on_s3)

    snapshot = take_snapshot(pipeline, WEEK, store, SettingsConnections(on_s3))
    assert [file.name for file in snapshot.files] == ["part-1.csv", "part-2.csv"]
    assert validate(pipeline, snapshot, store).rows == 20

    upload(on_s3, url + "/dt=2013-06-03", {"part-2.csv.sha256": bytes_sha256(half).encode()})
    with pytest.raises(DataError, match=r"'part-2\.csv': sha256"):
        take_snapshot(pipeline, WEEK, store, SettingsConnections(on_s3))


def test_an_empty_prefix_is_no_delivery(on_s3: Settings, tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path, files(on_s3.store_url + "/nothing/{key}"))
    with pytest.raises(DataError, match="no file"):
        take_snapshot(pipeline, WEEK, ObjectStore.open(on_s3), SettingsConnections(on_s3))


def test_a_snapshot_on_s3_that_was_tampered_with_is_not_read(on_s3: Settings, tmp_path: Path) -> None:
    pipeline = make_pipeline(tmp_path)
    delivery = pipeline.folder / "delivery" / "2013-06-03.csv"
    delivery.parent.mkdir()
    delivery.write_text(GOOD)
    store = ObjectStore.open(on_s3)
    snapshot = take_snapshot(pipeline, WEEK, store, SettingsConnections(on_s3))

    store.put_bytes(f"{snapshot.prefix}/2013-06-03.csv", GOOD.replace("r001", "r999").encode())

    with pytest.raises(IntegrityError, match="is not what was recorded"):
        fetch_snapshot(snapshot, store, tmp_path / "back")
