"""Which partitions `make run PIPELINE=…` takes."""

from pathlib import Path

import pytest

from embedded.job import FLIGHTS
from embedded.plan import Job, choose
from include.perennial.errors import BadInput
from include.perennial.partitions import Partition, Period, span
from include.perennial.pipeline_folder import load_pipeline
from tests.pipeline_folders import edited, write_folder

FIRST = Partition.of_key("2013-01-07", Period.WEEK)
WEEKS = [one.key for one in span(FIRST, FIRST.shift(29))]
SQL = "  kind: sql\n  connection: shop\n  query: SELECT * FROM t WHERE at >= :start AND at < :end"
FILES = "  kind: files\n  path: data/{key}.csv\n  format: csv"


def job(root: Path, *weeks: str, first: str | None = None, last: str | None = None) -> Job:
    """Of a pipeline whose folder holds a file for each of ``weeks``; a loop of it needs nine and one."""
    folder = write_folder(root)
    (folder / "data").mkdir()
    for key in weeks:
        (folder / "data" / f"{key}.csv").write_text("at,id,origin,late\n")
    return choose(load_pipeline("demo", root), first, last)


def test_the_newest_weeks_are_taken_and_the_last_seven_come_in_one_by_one(tmp_path: Path) -> None:
    made = job(tmp_path, *WEEKS)
    assert made.keys == tuple(WEEKS[-19:])
    assert made.watched == tuple(WEEKS[-7:])
    assert made.trained == tuple(WEEKS[-11:-7])
    assert "19 weeks, 2013-03-25 to 2013-07-29, of the 30 that its source has" in made.sentence


@pytest.mark.parametrize(("n", "trained", "watched"), [(10, 1, 1), (11, 2, 1), (13, 3, 2), (16, 4, 4)])
def test_of_few_weeks_some_train_and_some_are_watched(tmp_path: Path, n: int, trained: int, watched: int) -> None:
    made = job(tmp_path, *WEEKS[:n])
    assert (len(made.trained), len(made.watched)) == (trained, watched)
    assert made.keys == tuple(WEEKS[:n])
    # The first training finds as many weeks as it needs.
    assert made.ingested.index(made.trained[0]) >= 8


def test_trainings_are_a_holdout_apart(tmp_path: Path) -> None:
    write_folder(tmp_path, spec=edited("  partitions: 8", "  partitions: 8\n  holdout: 2"))
    data = tmp_path / "demo" / "data"
    data.mkdir()
    for key in WEEKS:
        (data / f"{key}.csv").write_text("at,id,origin,late\n")
    made = choose(load_pipeline("demo", tmp_path))
    assert made.trained == (WEEKS[16], WEEKS[18], WEEKS[20], WEEKS[22])
    assert made.ingested.index(made.trained[0]) == 9


def test_all_weeks_of_a_range_are_taken(tmp_path: Path) -> None:
    made = job(tmp_path, *WEEKS, first=WEEKS[2], last=WEEKS[25])
    assert made.keys == tuple(WEEKS[2:26])


@pytest.mark.parametrize(
    ("n", "first", "told"),
    [
        pytest.param(9, None, "has 9 labelled weeks .2013-01-07 to 2013-03-04.; a loop needs 10", id="too few"),
        pytest.param(30, WEEKS[25], "has 5 labelled weeks as asked for", id="too few in the range"),
        pytest.param(30, "2014-01-06", "has 0 labelled weeks as asked for .none.", id="none in the range"),
        pytest.param(30, "2013-01-08", "is not the first day of a week", id="not a week"),
    ],
)
def test_what_cannot_close_a_loop_is_refused(tmp_path: Path, n: int, first: str | None, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        job(tmp_path, *WEEKS[:n], first=first)


def test_a_gap_is_left_out_of_the_backfills(tmp_path: Path) -> None:
    made = job(tmp_path, *WEEKS[:5], *WEEKS[6:14])
    assert made.runs(made.ingested) == [(WEEKS[0], WEEKS[4]), (WEEKS[6], made.ingested[-1])]


def test_a_table_is_asked_for_the_partitions_of_its_schedule(tmp_path: Path) -> None:
    spec = edited(FILES, SQL, edited("start: 2013-01-07", "start: 2013-01-07\n  end: 2013-07-29"))
    write_folder(tmp_path, spec=spec)
    assert choose(load_pipeline("demo", tmp_path)).keys == tuple(WEEKS[-19:])


def test_a_file_of_all_time_has_the_partitions_that_its_rows_are_of(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, spec=edited("data/{key}.csv", "all.csv"))
    rows = [f"{key}T12:00:00Z,{n},x,true" for n, key in enumerate(WEEKS[:20]) if n != 3]
    (folder / "all.csv").write_text("\n".join(["at,id,origin,late", *rows]) + "\n")
    made = choose(load_pipeline("demo", tmp_path))
    assert made.n_found == 19
    assert WEEKS[3] not in made.keys


def test_the_example_is_the_same_as_ever() -> None:
    assert (FLIGHTS.ingested[0], FLIGHTS.ingested[-1], len(FLIGHTS.ingested)) == ("2013-01-07", "2013-04-29", 17)
    assert (FLIGHTS.trained[0], FLIGHTS.trained[-1], len(FLIGHTS.trained)) == ("2013-03-04", "2013-04-29", 9)
    assert (FLIGHTS.watched[0], FLIGHTS.watched[-1], len(FLIGHTS.watched)) == ("2013-05-06", "2013-07-01", 9)
