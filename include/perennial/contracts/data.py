"""What ingest hands on: a delivery as it came, a checked partition, a version of it."""

from pydantic import Field

from include.perennial.contracts.base import Contract, FileRecord


class Snapshot(Contract):
    """A delivery as it came: immutable bytes under ``prefix`` in the object store."""

    pipeline: str
    key: str
    digest: str
    prefix: str
    files: tuple[FileRecord, ...]
    rows: int | None
    columns: tuple[str, ...]
    new: bool


class Validated(Contract):
    """A checked partition: Parquet at ``object_key``, and what was set aside.

    ``rows_elsewhere`` are rows that belong to other partitions, by key; ``rows_labelled`` is None where labels come
    with the rows.
    """

    pipeline: str
    key: str
    snapshot_digest: str
    object_key: str
    sha256: str
    n_bytes: int
    rows: int
    rows_quarantined: int
    quarantine_key: str | None
    quarantine_reasons: dict[str, int]
    docs_key: str | None
    suite_digest: str
    columns: dict[str, str]
    rows_elsewhere: dict[str, int] = Field(default_factory=dict)
    rows_labelled: int | None = None


class PartitionVersion(Contract):
    """One partition as the data registry holds it at ``commit``.

    ``rows_labelled``: how many of its rows have a label, where labels come from a source of their own.
    """

    pipeline: str
    key: str
    sha256: str
    md5: str
    n_bytes: int
    rows: int
    rows_quarantined: int
    snapshot_digest: str
    suite_digest: str
    commit: str
    changed: bool = False
    previous_sha256: str | None = None
    # Left out where it says nothing, so that records of partitions from before there was such a key stay equal.
    rows_labelled: int | None = Field(None, exclude_if=lambda value: value is None)

    @property
    def rows_to_learn(self) -> int:
        """Rows on which a model can be trained and judged."""
        return self.rows if self.rows_labelled is None else self.rows_labelled
