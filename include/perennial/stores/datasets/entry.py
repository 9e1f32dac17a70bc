"""What a ``.dvc`` file says of a partition: DVC's own ``outs``, and our ``meta``."""

import re
from typing import Any

import yaml

from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.partitions import Period

SUFFIX = ".parquet.dvc"
_PIPELINE = re.compile(r"[a-z][a-z0-9_]{1,47}")
_KEY = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2})?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
# libyaml reads 500 entries in 0.07 s, pure Python in 0.7 s.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def folder_of(pipeline: str) -> str:
    """Folder of a pipeline in the registry.

    Raises:
        BadInput: not a pipeline's name, so it may lead out of the registry.
    """
    if not _PIPELINE.fullmatch(pipeline):
        raise BadInput(f"Pipeline name {pipeline[:80]!r} is invalid: expected lower-case letters, digits and '_'.")
    return pipeline


def path_of(pipeline: str, key: str) -> str:
    """Path of a partition's ``.dvc`` file in the registry.

    Raises:
        BadInput: ``pipeline`` or ``key`` is not one.
    """
    if not _KEY.fullmatch(key):
        raise BadInput(f"Partition key {key[:80]!r} is invalid: expected {Period.DAY.key_form}, or an hour.")
    return f"{folder_of(pipeline)}/{key}{SUFFIX}"


def meta_of(validated: Validated) -> dict[str, str | int]:
    """The ``meta`` section of a partition's ``.dvc`` file."""
    labelled = {} if validated.rows_labelled is None else {"rows_labelled": validated.rows_labelled}
    return {
        "sha256": validated.sha256,
        "rows": validated.rows,
        "rows_quarantined": validated.rows_quarantined,
        "snapshot_digest": validated.snapshot_digest,
        "suite_digest": validated.suite_digest,
        **labelled,
    }


def parse(text: str, pipeline: str, key: str, commit: str) -> PartitionVersion:
    """The partition that the ``.dvc`` file ``text`` describes.

    Raises:
        IntegrityError: it was not written by ``publish``, or was edited since.
    """
    try:
        return _version(yaml.load(text, _LOADER), pipeline, key, commit)  # noqa: S506 - a safe loader, see above
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{path_of(pipeline, key)} at commit {commit[:12]} of the data registry cannot be read as a "
            f"partition's .dvc file: {' '.join(str(error).split())[:300]}. "
            "It was edited by hand: revert that commit, or ingest the partition again."
        ) from error


def _version(document: dict[str, Any], pipeline: str, key: str, commit: str) -> PartitionVersion:
    (out,) = document["outs"]
    version = PartitionVersion(
        pipeline=pipeline, key=key, commit=commit, md5=out["md5"], n_bytes=out["size"], **document["meta"]
    )
    if not (_MD5.fullmatch(version.md5) and _SHA256.fullmatch(version.sha256)):
        raise ValueError(f"md5 {version.md5[:80]!r} or sha256 {version.sha256[:80]!r} is not a digest")
    return version
