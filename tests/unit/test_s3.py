"""What S3's answers mean. ``tests/integration/test_objects_s3.py`` talks to a real server."""

import io

import pytest
from botocore.stub import Stubber

from include.perennial.errors import BadInput, PerennialError, Unavailable
from include.perennial.s3 import S3Folder
from include.perennial.settings import S3Access

ACCESS = S3Access("http://127.0.0.1:1", "key-id", "hidden-word", "us-east-1")


@pytest.mark.parametrize("url", ["", "s3://", "s3:///prefix", "http://bucket/prefix", "bucket"])
def test_an_address_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="expected s3://bucket or s3://bucket/prefix"):
        S3Folder.open(url, ACCESS)


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "s3://bucket/a/b/", "s3://bucket//a/b"])
def test_keys_are_relative_to_the_prefix(url: str) -> None:
    assert S3Folder.open(url, ACCESS).url("c/d") == "s3://bucket/a/b/c/d"


def test_an_endpoint_that_is_no_address_is_bad_input() -> None:
    with pytest.raises(BadInput, match="S3 cannot be set up: Invalid endpoint: not an address"):
        S3Folder.open("s3://bucket", S3Access("not an address", "key-id", "hidden-word", "us-east-1"))


def test_no_credentials_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(BadInput, match="no credentials found"):
        S3Folder.open("s3://bucket", S3Access("http://127.0.0.1:1", region="us-east-1")).exists("a")


@pytest.mark.parametrize(
    ("code", "status", "kind", "told"),
    [
        ("SlowDown", 503, Unavailable, "answered 'SlowDown'"),
        ("InternalError", 500, Unavailable, "Retry later"),
        ("AccessDenied", 403, BadInput, "access refused (AccessDenied)"),
        ("SignatureDoesNotMatch", 403, BadInput, "Check the connection's key"),
        ("NoSuchBucket", 404, BadInput, "the bucket does not exist"),
    ],
)
def test_an_error_is_one_that_waiting_helps_or_not(
    code: str, status: int, kind: type[PerennialError], told: str
) -> None:
    folder = S3Folder.open("s3://bucket/a", ACCESS)
    with Stubber(folder.client) as stub:
        stub.add_client_error("list_objects_v2", code, http_status_code=status)
        with pytest.raises(kind) as caught:
            folder.keys()
    assert told in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_a_missing_object_is_a_missing_file() -> None:
    folder = S3Folder.open("s3://bucket", ACCESS)
    with Stubber(folder.client) as stub:
        stub.add_client_error("head_object", "404", http_status_code=404)
        assert not folder.exists("a")
        stub.add_client_error("get_object", "NoSuchKey", http_status_code=404)
        with pytest.raises(FileNotFoundError):
            folder.get("a", io.BytesIO())


def test_pages_of_keys_are_put_together_and_sorted() -> None:
    folder = S3Folder.open("s3://bucket/a", ACCESS)
    with Stubber(folder.client) as stub:
        first = {"Contents": [{"Key": "a/z"}], "IsTruncated": True, "NextContinuationToken": "t"}
        stub.add_response("list_objects_v2", first)
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "a/b"}], "IsTruncated": False})
        assert folder.keys() == ["b", "z"]
