"""Small partitions that are worked through like large ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from include.perennial import blocks


@contextmanager
def held_at_once(rows: int, block: int = 3) -> Iterator[None]:
    """Partitions of more than ``rows`` rows are read in blocks of ``block``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS_AT_ONCE", rows)
        patch.setattr(blocks, "BLOCK_ROWS", block)
        patch.setattr(blocks, "_SPOOLED_ROWS", 2)
        yield
