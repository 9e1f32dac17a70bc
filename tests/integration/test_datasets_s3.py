"""The data registry with its DVC remote on a real S3 server that checks signatures."""

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from include.perennial.errors import IntegrityError, Unavailable
from include.perennial.settings import S3Access, Settings
from include.perennial.stores.datasets import DataRegistry
from tests.servers import free_port
from tests.unit.stores.datasets.publishing import PIPELINE, Delivery, delivery, publish_at_once

pytestmark = pytest.mark.server
WEEK, ONE = "2013-01-07", b"one" * 5000


@pytest.fixture
def on_s3(s3_server: tuple[S3Access, str], tmp_path: Path) -> Settings:
    """Settings whose DVC remote is a fresh prefix of the bucket."""
    access, bucket = s3_server
    local = Settings.from_env({"PERENNIAL_HOME": str(tmp_path / "home")})
    return dataclasses.replace(local, dvc_remote=f"s3://{bucket}/{tmp_path.name}/data", s3=access)


@pytest.fixture
def first(tmp_path: Path) -> Delivery:
    return delivery(tmp_path, WEEK, ONE)


def bucket_of(settings: Settings) -> Any:
    access = settings.s3
    resource = boto3.resource(
        "s3",
        endpoint_url=access.endpoint_url,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        region_name=access.region,
    )
    return resource.Bucket(settings.dvc_remote.removeprefix("s3://").partition("/")[0])


def stored_object(settings: Settings, md5: str) -> Any:
    prefix = settings.dvc_remote.removeprefix("s3://").partition("/")[2]
    return bucket_of(settings).Object(f"{prefix}/files/md5/{md5[:2]}/{md5[2:]}")


def test_a_worker_without_a_cache_gets_the_published_bytes(on_s3: Settings, first: Delivery) -> None:
    version = first.publish(on_s3)
    shutil.rmtree(on_s3.home / "cache")
    (path,) = DataRegistry.open(on_s3).fetch(PIPELINE, [first.ref], version.commit)
    assert path.read_bytes() == ONE
    assert not first.publish(on_s3).changed


@pytest.mark.parametrize("damage", [b"X" + ONE[1:], ONE[:100], None], ids=["flipped", "truncated", "missing"])
def test_damage_on_s3_is_refused_by_name(on_s3: Settings, first: Delivery, damage: bytes | None) -> None:
    version = first.publish(on_s3)
    shutil.rmtree(on_s3.home / "cache")
    target = stored_object(on_s3, version.md5)
    if damage is None:
        target.delete()
    else:
        target.put(Body=damage)
    with pytest.raises(IntegrityError, match=f"Partition {WEEK} of {PIPELINE} .* the DVC remote"):
        DataRegistry.open(on_s3).fetch(PIPELINE, [first.ref], version.commit)


def test_a_truncated_upload_is_replaced_by_the_next_publish(on_s3: Settings, first: Delivery) -> None:
    version = first.publish(on_s3)
    target = stored_object(on_s3, version.md5)
    target.put(Body=ONE[:100])
    first.publish(on_s3)
    assert target.get()["Body"].read() == ONE


@pytest.mark.long
def test_weeks_published_at_once_all_land(on_s3: Settings, tmp_path: Path) -> None:
    weeks = [delivery(tmp_path, f"2013-02-{day:02d}", b"%d" % day * 999) for day in (4, 11, 18, 25)]
    assert publish_at_once(on_s3, weeks) == [0] * 4
    assert len(DataRegistry.open(on_s3).partitions(PIPELINE)) == 4


def test_the_secret_is_neither_stored_nor_an_argument(on_s3: Settings, first: Delivery) -> None:
    secret = on_s3.s3.secret_access_key
    assert secret
    commands: list[str] = []
    sys.addaudithook(lambda event, given: commands.append(repr(given[1])) if event == "subprocess.Popen" else None)
    first.publish(on_s3)
    assert any("commit-tree" in command for command in commands)
    assert not [command for command in commands if secret in command]
    files = [path for path in on_s3.home.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    registry = DataRegistry.open(on_s3)
    (config,) = registry.commits.read(registry.head(), [".dvc/config"]).values()
    assert on_s3.dvc_remote in config
    assert str(on_s3.s3.endpoint_url) not in config


@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key"])
def test_wrong_credentials_publish_nothing(on_s3: Settings, first: Delivery, name: str) -> None:
    stranger = dataclasses.replace(on_s3, s3=dataclasses.replace(on_s3.s3, **{name: "wrong-and-long-enough"}))
    with pytest.raises(Unavailable, match="cannot be used"):
        first.publish(stranger)
    assert DataRegistry.open(on_s3).head() == ""


@pytest.mark.timeout(60)
def test_a_server_that_is_down_is_said_so_within_a_minute(on_s3: Settings, first: Delivery) -> None:
    access = dataclasses.replace(on_s3.s3, endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="cannot be used"):
        first.publish(dataclasses.replace(on_s3, s3=access))
