"""``source.delivery: snapshot``: the whole table comes each time, and a partition takes the rows of its own time."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from include.perennial.errors import DataError, SpecError
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import Pipeline
from include.perennial.sources import SettingsConnections, reading, sql
from include.perennial.sources.reading import Form, read_files
from include.perennial.sources.wanted import OfPartition
from include.perennial.spec import ColumnType
from include.perennial.steps.snapshot import take_snapshot
from include.perennial.steps.validate import validate
from include.perennial.steps.version import publish_partition
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore
from tests.deliveries import COLUMNS, WEEK, csv, files, ingest, jsonl, make_pipeline, put, row, settings

NEXT = WEEK.shift(1)
OF_THE_WEEK = [row(n) for n in range(20)]
OF_THE_NEXT = [row(n, at=f"2013-06-10T{n % 24:02d}:00:00Z", id=f"n{n:03d}") for n in range(10)]
QUERY = "SELECT * FROM deliveries"
PYTHON = """
import pandas as pd

def deliver(partition, folder):
    (folder / "all.csv").write_text({text!r})

def assemble(partition, folder):
    return pd.read_csv(folder / "all.csv", parse_dates=["at"])
"""


def of_files(root: Path, rows: list[dict[str, object]], kind: str = "csv", path: str = "delivery/all") -> Pipeline:
    pipeline = make_pipeline(root, files(f"{path}.{kind}", kind, delivery="snapshot"))
    for key in (WEEK.key, NEXT.key):
        name = f"{path.removeprefix('delivery/')}.{kind}".replace("{key}", key)
        put(pipeline, name, csv(rows) if kind == "csv" else jsonl(rows))
        if kind == "parquet":
            target = pipeline.folder / "delivery" / name
            put(pipeline, "as.csv", csv(rows))
            pq.write_table(pyarrow.csv.read_csv(pipeline.folder / "delivery" / "as.csv"), target)
    return pipeline


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("path", ["delivery/all", "delivery/{key}"])
def test_each_partition_takes_its_rows_of_a_file_and_the_others_are_no_error(
    tmp_path: Path, kind: str, path: str
) -> None:
    pipeline = of_files(tmp_path, OF_THE_WEEK + OF_THE_NEXT, kind, path)

    for partition, n in ((WEEK, 20), (NEXT, 10)):
        validated, _ = ingest(pipeline, tmp_path, partition)
        assert (validated.rows, validated.rows_quarantined) == (n, 0)


def test_each_partition_takes_its_rows_of_a_python_source(tmp_path: Path) -> None:
    code = PYTHON.replace("{text!r}", repr(csv(OF_THE_WEEK + OF_THE_NEXT)))
    pipeline = make_pipeline(tmp_path, {"kind": "python", "delivery": "snapshot"}, source_py=code)

    assert [ingest(pipeline, tmp_path, one)[0].rows for one in (WEEK, NEXT)] == [20, 10]


def test_a_query_needs_no_bounds_and_only_the_rows_of_the_partition_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CHUNK_ROWS", 4)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute(f"CREATE TABLE deliveries ({', '.join(COLUMNS)})")
        rows = [tuple(one.values()) for one in OF_THE_WEEK + OF_THE_NEXT]
        connection.executemany(f"INSERT INTO deliveries VALUES ({', '.join('?' * len(COLUMNS))})", rows)
    connection.close()
    source = {"kind": "sql", "connection": "shop", "query": QUERY}
    pipeline = make_pipeline(tmp_path, {**source, "delivery": "snapshot"})
    connections = SettingsConnections(settings(tmp_path), (("shop", f"sqlite:///{tmp_path / 'shop.db'}"),))
    store = ObjectStore.open(settings(tmp_path))

    snapshot = take_snapshot(pipeline, NEXT, store, connections)

    assert snapshot.rows == 10
    assert validate(pipeline, snapshot, store).rows == 10
    with pytest.raises(SpecError, match=r"source\.query does not use :start"):
        make_pipeline(tmp_path / "increment", source)


def test_a_history_that_comes_again_changes_only_the_partitions_that_are_ingested_again(tmp_path: Path) -> None:
    home = settings(tmp_path)
    registry, ledger, store = DataRegistry.open(home), Ledger.open(home.ledger_url), ObjectStore.open(home)

    def publish(pipeline: Pipeline, *partitions: Partition) -> dict[str, str]:
        for partition in partitions:
            publish_partition(ingest(pipeline, tmp_path, partition)[0], store, registry, ledger)
        return {key: version.sha256 for key, version in registry.partitions("small").items()}

    before = publish(of_files(tmp_path, OF_THE_WEEK + OF_THE_NEXT), WEEK, NEXT)
    changed = of_files(tmp_path, [{**one, "size": 7.5} for one in OF_THE_WEEK + OF_THE_NEXT])
    after_next = publish(changed, NEXT)
    after_both = publish(changed, WEEK)

    assert after_next[WEEK.key] == before[WEEK.key]
    assert after_next[NEXT.key] != before[NEXT.key]
    assert after_both[WEEK.key] != before[WEEK.key]
    assert len(registry.history("small", WEEK.key)) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_large_file_is_read_in_blocks_of_which_only_the_wanted_rows_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(reading, "_BATCH_ROWS", 500)
    path = tmp_path / f"all.{kind}"
    rows = [(f"2013-06-{n % 28 + 1:02}T00:00:00Z", n) for n in range(5000)]
    if kind == "csv":
        path.write_text("at,n\n" + "".join(f"{at},{n}\n" for at, n in rows))
    elif kind == "jsonl":
        path.write_text("".join(f'{{"at": "{at}", "n": {n}}}\n' for at, n in rows))
    else:
        pq.write_table(pa.table({"at": [at for at, _ in rows], "n": [n for _, n in rows]}), path)
    keep, seen = OfPartition(WEEK, "at"), []

    def watched(table: pa.Table) -> pa.Table:
        seen.append(table.num_rows)
        return keep(table)

    columns = {"at": ColumnType.TIMESTAMP, "n": ColumnType.INTEGER}
    table = read_files([path], Form(kind, columns, ("",)), watched)

    assert sum(seen) == 5000
    assert max(seen) <= 1000
    assert table["n"].to_pylist() == [n for n in range(5000) if 2 <= n % 28 <= 8]


def test_a_bad_cell_is_named_by_its_row_in_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1 << 12)
    path = tmp_path / "all.csv"
    path.write_text("id,n\n" + "".join(f"a,{n}\n" for n in range(2000)) + "a,x\n")

    with pytest.raises(DataError, match=r"row 2002, column 'n': 'x'"):
        read_files([path], Form("csv", {"id": ColumnType.STRING, "n": ColumnType.INTEGER}, ("",)))
