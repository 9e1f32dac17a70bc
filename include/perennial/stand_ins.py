"""Databases for a machine that has none: what ``database.py`` of a pipeline folder makes stands for its connection.

For the embedded stack and for ``check``. A deployed Airflow never looks here, so that example data cannot take the
place of a connection that somebody forgot.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from include.perennial.digests import bytes_sha256
from include.perennial.errors import SpecError
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings, connection_variable
from include.perennial.spec import SqlSource

MODULE = "database.py"


def stand_ins(settings: Settings, environ: Mapping[str, str]) -> dict[str, tuple[Pipeline, Path]]:
    """``AIRFLOW_CONN_<ID>`` of each SQL source with a ``database.py`` that ``environ`` does not set: the pipeline, and
    the SQLite file that stands for it, which may have to be built."""
    found = {}
    for module in sorted(settings.pipelines.glob(f"*/{MODULE}")):
        try:
            pipeline = load_pipeline(module.parent.name, settings.pipelines)
        except SpecError:
            continue  # told by the DAG processor, and by whoever asks for this pipeline
        if isinstance(pipeline.spec.source, SqlSource):
            name = connection_variable(pipeline.spec.source.connection)
            digest = bytes_sha256(pipeline.sources[MODULE].encode())[:12]
            file = settings.home / "databases" / f"{pipeline.spec.name}-{digest}.db"
            if not environ.get(name):
                found[name] = (pipeline, file)
    return found


def url(file: Path) -> str:
    """The SQLAlchemy URL, and Airflow connection, of an SQLite file."""
    return f"sqlite:///{file}"


def build(pipeline: Pipeline, file: Path) -> None:
    """Make ``file`` by the pipeline's ``database.py``; nothing is done if it is there.

    Raises:
        PerennialError: as ``build`` of ``database.py``.
    """
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        pipeline.load_module("database").build(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
