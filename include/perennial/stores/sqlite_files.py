"""SQLite files copied while others read and write them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from include.perennial.errors import Unavailable
from include.perennial.messages import first_line

_WAIT_S = 30


def copy_database(source: Path, target: Path) -> None:
    """Write the committed content of ``source`` to the new file ``target``, by SQLite's online backup.

    Raises:
        Unavailable: it cannot be read or written.
    """
    try:
        with closing(_open(source)) as database, closing(sqlite3.connect(target)) as copy:
            database.backup(copy)
    except sqlite3.Error as error:
        raise Unavailable(f"{source} cannot be copied to {target}: {first_line(error)}. Retry later.") from error


@contextmanager
def without_writers(path: Path) -> Iterator[None]:
    """Hold the write lock of the database at ``path``: nobody writes while the block runs, readers go on.

    Raises:
        Unavailable: somebody else held it for 30 s.
    """
    with closing(_open(path)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise Unavailable(f"{path} cannot be held still: {first_line(error)}. Retry later.") from error
        yield
        database.execute("ROLLBACK")


def _open(path: Path) -> sqlite3.Connection:
    # By URI, since connect() would make a file that is not there.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_S, isolation_level=None)
