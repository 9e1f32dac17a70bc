"""A pipeline along its partitions: measured points, reigns, and marks."""

import json

from include.perennial.contracts import Verdict
from include.perennial.stores.ledger import EventKind
from include.perennial.views.timeline import MarkKind, Timeline, timeline
from tests.evaluations import Monitored
from tests.histories import History
from tests.unit.monitor.measurements import WEEKS


def test_a_pipeline_without_a_history_has_an_empty_timeline(history: History) -> None:
    line = timeline("toy", history.ledger)

    assert (line.points, line.bands, line.marks, line.metric) == ((), (), (), None)


def test_drift_is_the_furthest_signal_beside_its_threshold(world: Monitored) -> None:
    world.crown("1", 7)
    world.measure(9, drift=0.05)
    world.measure(8, drift=0.2)

    points = timeline("toy", world.ledger).points

    assert [(point.key, point.drift, point.n_over) for point in points] == [(WEEKS[8], 2.0, 1), (WEEKS[9], 0.5, 0)]


def test_a_partition_measured_again_counts_once_with_its_last_numbers(world: Monitored) -> None:
    world.crown("1", 7)
    world.measure(8, auc=None)
    world.measure(8, auc=0.71)

    [point] = timeline("toy", world.ledger).points

    assert (point.value, point.metric) == (0.71, "roc_auc")


def test_a_reign_begins_after_what_its_champion_has_seen(history: History) -> None:
    for version, week in (("1", 8), ("2", 10)):
        history.win(version, WEEKS[week], score=0.5 + week / 100)
    for week in (9, 11, 12):
        history.judge(f"lost-{week}", WEEKS[week], verdict=Verdict.REJECTED)

    bands = timeline("toy", history.ledger).bands

    assert [(band.version, band.first, band.last) for band in bands] == [
        ("1", WEEKS[9], WEEKS[10]),
        ("2", WEEKS[11], WEEKS[12]),
    ]


def test_marks_tell_promotions_rejections_roll_backs_and_questions(world: Monitored, history: History) -> None:
    world.publish(*range(10))
    first = history.win("1", WEEKS[7])
    history.judge("lost", WEEKS[8], score=0.1)
    world.evaluate(world.drifted(10), "run-1")
    history.crown(first, "1", kind=EventKind.ROLLED_BACK, reason="wrong")

    marks = timeline("toy", history.ledger).marks

    assert [(mark.kind, mark.key) for mark in marks] == [
        (MarkKind.PROMOTED, WEEKS[7]),
        (MarkKind.ROLLED_BACK, WEEKS[7]),
        (MarkKind.REJECTED, WEEKS[8]),
        (MarkKind.ASKED, WEEKS[10]),
    ]
    assert marks[0].value == first.metrics["roc_auc"]


def test_a_timeline_survives_json(world: Monitored) -> None:
    world.crown("1", 7)
    world.measure(9, drift=0.2)

    line = timeline("toy", world.ledger)

    assert Timeline.model_validate(json.loads(line.model_dump_json())) == line
