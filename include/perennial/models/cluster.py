"""Fits on the workers of a Dask cluster, where this machine's environment names one; else on this machine.

Whatever parallelises by joblib inside of ``spread`` (the folds of a search, the trees of a forest, a loop of
``model.py``) runs on the workers, and gives the same model there: each part is seeded before it is handed out, and
results come back in the order in which they were asked for.
"""

import logging
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from include.perennial.errors import BadInput, Unavailable
from include.perennial.messages import clipped, first_line
from include.perennial.pipeline_folder import FolderCode, import_feature_code

log = logging.getLogger(__name__)

SCHEDULER = "PERENNIAL_DASK_SCHEDULER"
_WAIT_S = 30
_EQUAL = ("distributed", "joblib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
_THREADS = "OMP_NUM_THREADS"
_REMEDY = (
    "To fix: start scheduler and workers from the image or the folder that runs the tasks, and the workers with their "
    "nannies, which set OMP_NUM_THREADS=1."
)


@contextmanager
def spread(codes: Sequence[FolderCode]) -> Iterator[None]:
    """Inside, joblib's parallel work runs on the cluster that PERENNIAL_DASK_SCHEDULER names; without it, here.

    Args:
        codes: modules of the pipeline folder, which scheduler and workers get to know.

    Raises:
        BadInput: the workers are not of this image, so that the model might differ, or Dask is not installed.
        Unavailable: the scheduler does not answer, or has no worker.
    """
    address = os.environ.get(SCHEDULER)
    if not address:
        yield
        return
    import joblib

    with _client(address) as client:
        _require_equal(client, address)
        # The scheduler reads what is handed out, before it passes it on.
        client.run_on_scheduler(learn, codes)
        client.register_plugin(_plugin(codes), name="+".join(code.module_name for code in codes))
        log.info("fits on the cluster %s, %s processors", address, sum(client.ncores().values()))
        with joblib.parallel_config(backend="dask", client=client):
            yield


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise BadInput(
            f"{SCHEDULER} is set, and Dask is not installed: install distributed, or leave the variable out."
        ) from None
    try:
        client = Client(address, timeout=_WAIT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Unavailable(_silent(address, error)) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_WAIT_S)
        except TimeoutError as error:
            raise Unavailable(_silent(address, error)) from error
        yield client


def _silent(address: str, error: Exception) -> str:
    return (
        f"The Dask scheduler at {clipped(address, 200)}, which {SCHEDULER} names, does not answer with a worker "
        f"within {_WAIT_S} s: {first_line(error, 300)}"
    )


def _require_equal(client: Any, address: str) -> None:
    where = f"the Dask cluster {clipped(address, 200)}"
    try:
        workers = client.run(about)
    except ModuleNotFoundError as error:
        raise BadInput(f"A worker of {where} fails: {first_line(error, 300)}. {_REMEDY}") from error
    own = about() | {_THREADS: "1"}
    for worker, has in workers.items():
        different = [f"{name} {value} (here {own[name]})" for name, value in has.items() if value != own[name]]
        if different:
            raise BadInput(f"Worker {worker} of {where} has {', '.join(different)}: models may differ there. {_REMEDY}")


def about() -> dict[str, str | None]:
    """What decides in this process how a model comes out and how it is stored: versions, and threads in sums."""
    versions = {name: metadata.version(name) for name in _EQUAL}
    return {"python": platform.python_version(), **versions, _THREADS: os.environ.get(_THREADS)}


def learn(codes: Sequence[FolderCode]) -> None:
    """Import ``codes`` in this process, so that objects of their classes can be read in it."""
    for code in codes:
        import_feature_code(code.module_name, code.text)


def _plugin(codes: Sequence[FolderCode]) -> Any:
    from distributed import WorkerPlugin

    class Code(WorkerPlugin):
        """Has each worker learn ``codes``, those too that come later."""

        def setup(self, worker: Any) -> None:
            from joblib.parallel import BACKENDS, register_parallel_backend

            # What a task does in parallel it does itself: tasks that wait for tasks of their own hang with few workers.
            register_parallel_backend("dask", BACKENDS["sequential"])
            learn(codes)

    return Code()
