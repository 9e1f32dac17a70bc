"""S3 through boto3: the one module that talks to it, for the object store and for sources alike."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from include.perennial.errors import BadInput, Unavailable
from include.perennial.messages import first_line, shown
from include.perennial.settings import S3Access

SCHEME = "s3://"
_MISSING = frozenset({"404", "NoSuchKey"})
_REFUSED = frozenset({"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"})
# boto3's defaults wait for minutes on a dead endpoint. Checksums only where an operation demands
# them: several S3-compatible servers reject the newer default.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"max_attempts": 3, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


@dataclass(frozen=True)
class S3Folder:
    """The objects under ``s3://bucket/prefix``; keys are relative to the prefix.

    Every method raises ``Unavailable`` if the endpoint does not answer and ``BadInput`` if it
    refuses the credentials or the bucket does not exist.
    """

    bucket: str
    prefix: str
    client: Any

    @classmethod
    def open(cls, url: str, access: S3Access) -> "S3Folder":
        """The folder at ``s3://bucket[/prefix]``. No request is sent yet.

        Raises:
            BadInput: not such a URL, or the endpoint's own address is invalid.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not bucket:
            raise BadInput(f"S3 address {shown(url)} is invalid: expected s3://bucket or s3://bucket/prefix.")
        return cls(bucket, prefix.strip("/"), _client(access))

    def url(self, key: str) -> str:
        """The ``s3://`` address of ``key``."""
        return f"{SCHEME}{self.bucket}/{self._path(key)}"

    def put(self, key: str, stream: IO[bytes]) -> None:
        """Store ``stream``; the object appears whole or not at all."""
        with _translated(self.url(key)):
            self.client.upload_fileobj(stream, self.bucket, self._path(key))

    def get(self, key: str, stream: IO[bytes]) -> None:
        """Write the object's bytes to ``stream``.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with _translated(self.url(key)):
            self.client.download_fileobj(self.bucket, self._path(key), stream)

    def exists(self, key: str) -> bool:
        """Whether there is an object named ``key``."""
        try:
            with _translated(self.url(key)):
                self.client.head_object(Bucket=self.bucket, Key=self._path(key))
        except FileNotFoundError:
            return False
        return True

    def remove(self, key: str) -> None:
        """Remove the object named ``key``; nothing happens if there is none."""
        with _translated(self.url(key)):
            self.client.delete_object(Bucket=self.bucket, Key=self._path(key))

    def keys(self, prefix: str = "", *, deep: bool = True) -> list[str]:
        """Keys that start with ``prefix``, sorted; with ``deep=False`` none that has a ``/`` after it."""
        out = []
        ask = {"Bucket": self.bucket, "Prefix": self._path(prefix)} | ({} if deep else {"Delimiter": "/"})
        with _translated(self.url(prefix)):
            for page in self.client.get_paginator("list_objects_v2").paginate(**ask):
                out += [entry["Key"] for entry in page.get("Contents", ())]
        skip = len(self.prefix) + 1 if self.prefix else 0
        return sorted(key[skip:] for key in out)

    def _path(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key


def _client(access: S3Access) -> Any:
    try:
        return boto3.client(
            "s3",
            endpoint_url=access.endpoint_url,
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            region_name=access.region,
            config=_CONFIG,
        )
    except (BotoCoreError, ValueError) as error:
        raise BadInput(f"S3 cannot be set up: {first_line(error)}. Correct the endpoint, region or profile.") from error


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _meaning(error, url) from error
    except NoCredentialsError as error:
        raise BadInput(f"S3 {shown(url, 200)}: no credentials found. Set them in the connection or AWS_*.") from error
    except BotoCoreError as error:
        raise Unavailable(f"S3 {shown(url, 200)} does not answer: {first_line(error)}. Retry later.") from error


def _meaning(error: ClientError, url: str) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", ""))
    where = f"S3 {shown(url, 200)}"
    if code in _MISSING:
        return FileNotFoundError(url)
    if code == "NoSuchBucket":
        return BadInput(f"{where}: the bucket does not exist. Create it, or correct the address.")
    if code in _REFUSED:
        return BadInput(f"{where}: access refused ({code}). Check the connection's key, secret and permissions.")
    return Unavailable(f"{where} answered {shown(code)}: {first_line(error)}. Retry later.")
