"""``toy`` with a ledger of its own, its exporter, and a history in which everything happens once."""

from collections.abc import Callable
from typing import Any

import pytest

from include.perennial.contracts import Trigger, Verdict
from include.perennial.exporter.exporter import Exporter
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind
from tests.evaluations import OVER, Monitored
from tests.histories import History
from tests.metrics_text import Scraped
from tests.unit.monitor.measurements import WEEKS, performance, signal
from tests.unit.views.conftest import history, ledger, settings, world

__all__ = ["history", "ledger", "settings", "world"]
Scrape = Callable[[], Scraped]


@pytest.fixture
def scrape(settings: Settings) -> Scrape:
    """One exporter, asked again and again."""
    exporter = Exporter(settings)
    return lambda: Scraped.of(exporter.text())


def everything(world: Monitored, history: History) -> None:
    """A history with a sample for every metric: the retrain that drift asked for has not come yet."""
    for week in range(11):
        history.publish(WEEKS[week])
    history.win("1", WEEKS[7])
    refused = history.judge("run-2", WEEKS[8], score=0.9, trigger=Trigger.MANUAL)
    history.refuse(refused, "2", "The champion was better by then.")
    waiting = history.judge("run-3", WEEKS[9], verdict=Verdict.PASSED)
    history.register(waiting, "3")
    world.measure(9, drift=OVER)
    measurement = world.measure(10, drift=OVER, auc=0.6, signals=(signal(OVER), signal(0.05, name="carrier")))
    world.evaluate(measurement, "first")


def event(history: History, kind: EventKind, key: str, **payload: Any) -> None:
    history.ledger.append(history.pipeline, kind, key, payload, "tests")


__all__ += ["Scrape", "event", "everything", "performance"]
