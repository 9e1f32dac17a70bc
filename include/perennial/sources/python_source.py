"""Deliveries by the pipeline's own ``source.py``: ``deliver`` writes files, ``assemble`` joins them.

The code is the pipeline author's. Whatever it raises reaches the user as one sentence that names
the line; its own errors of this project's classes pass through.
"""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from include.perennial.errors import DataError, PerennialError, SpecError, Unavailable
from include.perennial.messages import first_line
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline


def deliver(
    pipeline: Pipeline, partition: Partition, target: Path, options: dict[str, Any], name: str = "deliver"
) -> None:
    """Run ``source.deliver(partition, target, **options)``, or the function ``name``.

    Raises:
        DataError: it failed, or wrote no file.
        Unavailable: it failed for want of a connection.
    """
    module = pipeline.load_module("source")
    with _explained(module, partition):
        _function(module, name)(partition, target, **options)
    if not any(path.is_file() for path in target.rglob("*")):
        raise DataError(
            f"source.py: {name} wrote no file for partition {partition.key}. "
            "Expected: at least one file in the folder it is given; a period without data is a file without rows."
        )


def assemble(pipeline: Pipeline, partition: Partition, folder: Path, name: str = "assemble") -> pd.DataFrame:
    """Run ``source.assemble(partition, folder)``, or the function ``name``.

    Raises:
        DataError: it failed, or returned something else than a DataFrame.
        Unavailable: it failed for want of a connection.
    """
    module = pipeline.load_module("source")
    with _explained(module, partition):
        frame = _function(module, name)(partition, folder)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"source.py: {name} returned {type(frame).__name__}, expected a pandas DataFrame.")
    return frame


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise SpecError(
            f"{_file(module)}:1: no function {name!r}. "
            "A Python source defines deliver and assemble, one of labels deliver_labels and assemble_labels."
        )
    return function


@contextlib.contextmanager
def _explained(module: ModuleType, partition: Partition) -> Iterator[None]:
    try:
        yield
    except PerennialError:
        raise
    except (ConnectionError, TimeoutError) as error:
        raise Unavailable(_sentence(module, partition, error) + " Retry later.") from error
    except Exception as error:
        raise DataError(
            _sentence(module, partition, error) + " Correct source.py, or the delivery it reads."
        ) from error


def _sentence(module: ModuleType, partition: Partition, error: Exception) -> str:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == _file(module)]
    place = f"source.py, line {lines[-1]}" if lines else "source.py"
    return f"{place}, partition {partition.key}: {type(error).__name__}: {first_line(error, 400)}."


def _file(module: ModuleType) -> str:
    return str(module.__spec__.origin if module.__spec__ else module.__name__)
