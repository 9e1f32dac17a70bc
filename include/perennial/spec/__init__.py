"""The strict model of ``pipeline.yaml``: every key, its type and its allowed range.

``pipeline``   the whole, and what its sections owe each other
``schedule``, ``source``, ``data``, ``candidate``, ``gate``, ``approval``, ``monitor``, ``alerts``  its sections
``task``       which keys, metrics and targets go with which task
``metrics``    the metrics, their ranges and tasks
``fields``     the types that sections share
``reader``     reads the file, and tells every mistake by file and line, in the words of ``problems`` and ``words``
``reference``  the page of every key
"""

from include.perennial.spec.data import PREDICTION_COLUMNS, ColumnType, DataSection
from include.perennial.spec.gate import Compare, Gate, Plausibility, Slices
from include.perennial.spec.metrics import COMPARABLE, LOWER_IS_BETTER, LOWEST, METRICS, Metric, TaskKind
from include.perennial.spec.pipeline import PipelineSpec, Score
from include.perennial.spec.source import FilesSource, PythonSource, SqlSource

__all__ = [
    "COMPARABLE",
    "LOWER_IS_BETTER",
    "LOWEST",
    "METRICS",
    "PREDICTION_COLUMNS",
    "ColumnType",
    "Compare",
    "DataSection",
    "FilesSource",
    "Gate",
    "Metric",
    "PipelineSpec",
    "Plausibility",
    "PythonSource",
    "Score",
    "Slices",
    "SqlSource",
    "TaskKind",
]
