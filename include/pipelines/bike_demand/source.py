"""Rentals of Capital Bikeshare in Washington, D.C., each hour of 2011, from the ISLP package.

The package's code is never imported, which would ask for much that is not needed here: only its file is read.
"""

import importlib.metadata
from pathlib import Path

import pandas as pd

from include.perennial.digests import bytes_sha256
from include.perennial.errors import DataError, IntegrityError
from include.perennial.partitions import Partition

PACKAGE, DATA = "ISLP", "ISLP/data/Bikeshare.csv"
SHA256 = "ac6950ae6f11efcc69c29d6bb13e8881c001e27d36434660d59444a1414f712c"
FILE = "hours.csv"
_YEAR_START = pd.Timestamp("2011-01-01T00:00:00Z")
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


def deliver(partition: Partition, folder: Path) -> None:
    """Write the hours of one partition to ``hours.csv``, headers only if the year has none of them.

    Of the file's columns, ``casual`` and ``registered`` are left out: they add up to the target.

    Raises:
        DataError: the package is not installed.
        IntegrityError: its file is not the pinned one.
    """
    table = pd.read_csv(_file(), index_col=False)
    at = _YEAR_START + pd.to_timedelta((table["day"] - 1) * 24 + table["hr"], "h")
    hours = table[list(_NAMES)].rename(columns=_NAMES)
    hours.insert(0, "at", at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    hours.insert(1, "local_date", at.dt.strftime("%Y-%m-%d"))
    mine = (at >= partition.start_utc) & (at < partition.end_utc)
    hours[mine].to_csv(folder / FILE, index=False, lineterminator="\n")


def assemble(partition: Partition, folder: Path) -> pd.DataFrame:
    """The delivered hours."""
    return pd.read_csv(folder / FILE, index_col=False, parse_dates=["at"])


def _file() -> Path:
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(DATA)))
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError(
            f"Package {PACKAGE} is not installed: expected its file {DATA}. "
            "Install it without what it depends on: uv pip install --no-deps ISLP==0.6.0"
        ) from error
    if not path.exists() or bytes_sha256(path.read_bytes()) != SHA256:
        raise IntegrityError(f"{path} is not the pinned file: expected SHA-256 {SHA256}. Install {PACKAGE}==0.6.0.")
    return path
