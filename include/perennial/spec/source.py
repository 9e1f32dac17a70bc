"""Where rows and labels come from: the ``source`` and ``data.labels`` sections of the spec."""

from typing import Annotated, Any, Literal

from pydantic import Field

from include.perennial.spec.fields import Columns, SourcePath, Spec, is_none, parameters_of, refused


class Source(Spec):
    """What all sources have in common."""

    delivery: Literal["increment", "snapshot"] | None = Field(
        None,
        exclude_if=is_none,
        description="increment: a delivery is of one partition, and rows of other times are set aside; snapshot: it "
        "holds the whole table each time, of which a partition takes its rows. Default: increment",
    )

    @property
    def is_snapshot(self) -> bool:
        """Whether each delivery holds the whole table."""
        return self.delivery == "snapshot"


class FilesSource(Source):
    """CSV, CSV.gz, Parquet or JSON lines from a folder or an S3 prefix. ``{key}`` in ``path`` is the partition key.

    Without ``{key}`` the file holds all time: it is a snapshot unless ``delivery`` says otherwise.
    """

    kind: Literal["files"]
    path: SourcePath = Field(description="path or s3://bucket/prefix; relative paths start at the pipeline folder")
    format: Literal["csv", "parquet", "jsonl"]
    connection: str | None = Field(None, description="Airflow connection with S3 credentials")
    null_values: tuple[str, ...] = ("", "NA")

    @property
    def is_snapshot(self) -> bool:
        return self.delivery == "snapshot" or (self.delivery is None and "{key}" not in self.path)


class SqlSource(Source):
    """A SELECT, read-only, with ``:start`` and ``:end`` bound to the partition's bounds; a snapshot may leave them out.

    The bounds are moments of the clock in ``data.timezone``.
    """

    kind: Literal["sql"]
    connection: str = Field(min_length=1, description="Airflow connection id")
    query: str = Field(min_length=1)

    def require_bound(self, at: tuple[str, ...]) -> None:
        """Refuse an increment that would bring all rows every time; ``at`` is where the source stands."""
        for name in ("start", "end"):
            if not self.is_snapshot and name not in parameters_of(self.query):
                text = f"does not use :{name}: expected a SELECT bound by :start and :end of the partition"
                raise refused(text, (*at, "query"))


class PythonSource(Source):
    """``source.py`` in the pipeline folder: ``deliver(partition, folder, **options)`` writes files."""

    kind: Literal["python"]
    options: dict[str, Any] = Field(default_factory=dict)


AnySource = Annotated[FilesSource | SqlSource | PythonSource, Field(discriminator="kind")]


class Labels(Spec):
    """Labels that come later, from a source of their own, and are joined to the rows by key once they are due.

    The source delivers the columns of ``key`` and the target, for rows of any partition: those of others are left
    alone. Of a Python source the functions ``deliver_labels`` and ``assemble_labels`` of ``source.py`` are called.
    """

    source: AnySource
    key: Columns | None = Field(None, description="columns that name a row in both sources; default: data.key")
