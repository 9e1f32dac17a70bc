"""Errors a user can act on: what, where, got, allowed, how to fix.

Which class is raised decides whether Airflow retries:
``BadInput`` and its children never get better by waiting, ``Unavailable`` may.
"""


class PerennialError(Exception):
    """Base class; ``str(error)`` is the whole message for the user, bounded, without a traceback."""


class BadInput(PerennialError):
    """The input is wrong and a retry cannot help."""


class SpecError(BadInput):
    """A pipeline folder or its pipeline.yaml is invalid. The message starts with ``file:line:``."""


class DataError(BadInput):
    """Delivered data cannot be read or break the pipeline's expectations."""


class IntegrityError(PerennialError):
    """Stored bytes or records are not what was recorded (digest mismatch, broken hash chain)."""


class Unavailable(PerennialError):
    """An outside system (MLflow, object store, registry, ledger database) does not answer. Retry later."""
