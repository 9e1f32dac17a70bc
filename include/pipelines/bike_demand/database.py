"""The table of rentals for a machine without a database: an SQLite file, from the CSV inside the ISLP package.

The package's code is never imported, which would ask for much that is not needed here: only its file is read.
"""

import importlib.metadata
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd

from include.perennial.digests import bytes_sha256
from include.perennial.errors import DataError, IntegrityError

PACKAGE, DATA = "ISLP", "ISLP/data/Bikeshare.csv"
SHA256 = "ac6950ae6f11efcc69c29d6bb13e8881c001e27d36434660d59444a1414f712c"
_YEAR_START = pd.Timestamp("2011-01-01T00:00:00Z")
# casual and registered are left out: they add up to the target.
_NAMES = {
    "hr": "hour",
    "holiday": "holiday",
    "weekday": "weekday",
    "workingday": "working_day",
    "weathersit": "weather",
    "temp": "temperature",
    "hum": "humidity",
    "windspeed": "wind_speed",
    "bikers": "bikers",
}


def build(path: Path) -> None:
    """Write the 8,645 hours of 2011 to the table ``hours`` of a new SQLite file.

    Raises:
        DataError: the package is not installed.
        IntegrityError: its file is not the pinned one.
    """
    table = pd.read_csv(_file(), index_col=False)
    at = _YEAR_START + pd.to_timedelta((table["day"] - 1) * 24 + table["hr"], "h")
    hours = table[list(_NAMES)].rename(columns=_NAMES)
    hours.insert(0, "at", at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    hours.insert(1, "local_date", at.dt.strftime("%Y-%m-%d"))
    with closing(sqlite3.connect(path)) as database:
        hours.to_sql("hours", database, index=False)
        database.execute("CREATE UNIQUE INDEX hours_at ON hours (at)")
        database.commit()


def _file() -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(DATA)))
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError(
            f"Package {PACKAGE} is not installed: expected its file {DATA}. "
            "To fix: install it without what it depends on: uv pip install --no-deps ISLP==0.6.0"
        ) from error
    if not path.exists() or bytes_sha256(path.read_bytes()) != SHA256:
        raise IntegrityError(f"{path} is not the pinned file: expected SHA-256 {SHA256}. Install {PACKAGE}==0.6.0.")
    return path
