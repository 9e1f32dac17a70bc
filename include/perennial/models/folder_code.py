"""What code of a pipeline folder raises, as a message."""

from collections.abc import Iterator
from contextlib import contextmanager

from include.perennial.errors import BadInput
from include.perennial.messages import clipped


@contextmanager
def told(what: str, where: str) -> Iterator[None]:
    """Code of the pipeline folder runs inside: what it raises becomes a message, with the traceback as its cause.

    Raises:
        BadInput: the code refuses.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        said = f"{type(error).__name__}: {clipped(str(error), 800)}"
        raise BadInput(f"{what}: {said} Check {where} in pipeline.yaml and features.py.") from error
