"""The metrics say what the ledger says, whenever they are asked, and whatever is broken."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_property
from hypothesis import strategies as st

from include.perennial.contracts import Trigger, Verdict
from include.perennial.exporter.catalogue import FAMILIES
from include.perennial.exporter.exporter import Exporter
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind, Ledger
from tests.evaluations import OVER, Monitored
from tests.histories import History
from tests.metrics_text import Scraped
from tests.training_runs import make_toy
from tests.unit.exporter.conftest import Scrape, event, everything
from tests.unit.monitor.measurements import WEEKS
from tests.unit.stores.ledger.test_tampering import DROP_TRIGGERS, sql

WEEK_S = 7 * 24 * 3600


def test_a_pipeline_without_a_history_has_no_champion_and_needs_nobody(scrape: Scrape) -> None:
    seen = scrape()

    assert seen.value("perennial_ledger_up", None) == 1
    assert seen.value("perennial_pipeline_loadable") == 1
    assert seen.value("perennial_champion_since_timestamp_seconds") is None
    assert {seen.value("perennial_needs_person", **labels) for labels in seen.labels("perennial_needs_person")} == {0}


def test_every_metric_of_the_catalogue_has_a_sample_once_everything_has_happened(
    settings: Settings, world: Monitored, history: History, scrape: Scrape
) -> None:
    make_toy(settings.pipelines.parent, approval="required")
    everything(world, history)

    assert scrape().names == {family.name for family in FAMILIES}


def test_runs_are_counted_by_what_asked_for_them_and_the_verdict(history: History, scrape: Scrape) -> None:
    history.win("1", WEEKS[7])
    for n in range(3):
        history.judge(f"drifted-{n}", WEEKS[8], score=0.1, trigger=Trigger.DRIFT)
    history.judge("dry", WEEKS[8], dry_run=True)
    event(
        *(history, EventKind.TRAINING_SKIPPED, "skipped"),
        request={"pipeline": "toy", "as_of": WEEKS[8], "trigger": "backfill"},
        why={"reason": "too_few", "sentence": "Too few partitions."},
    )

    seen = scrape()

    assert seen.value("perennial_training_runs_total", trigger="schedule", verdict="passed") == 1
    assert seen.value("perennial_training_runs_total", trigger="drift", verdict="rejected") == 3
    assert seen.value("perennial_training_runs_total", trigger="schedule", verdict="dry_run") == 1
    assert seen.value("perennial_training_runs_total", trigger="backfill", verdict="skipped") == 1
    assert seen.value("perennial_runs_since_crowning") == 3
    assert seen.value("perennial_needs_person", kind="retrain_lost") == 1


def test_the_champion_is_the_last_one_crowned_since_then(history: History, ledger: Ledger, scrape: Scrape) -> None:
    history.win("1", WEEKS[7])
    history.crown(history.judge("run-2", WEEKS[8], score=0.9), "2", kind=EventKind.ROLLED_BACK)

    seen, champion = scrape(), ledger.champion("toy")

    assert seen.labels("perennial_champion_info") == [{"pipeline": "toy", "version": "2", "cutoff": WEEKS[8]}]
    assert champion is not None
    assert seen.value("perennial_champion_since_timestamp_seconds") == pytest.approx(champion.since_utc.timestamp())
    assert seen.value("perennial_crownings_total", how="rolled_back", forced="false") == 1


def test_drift_is_the_largest_ratio_of_a_signal_to_its_threshold(world: Monitored, scrape: Scrape) -> None:
    world.crown("1", 7)
    world.measure(9, drift=0.05)
    assert scrape().value("perennial_drift_signals_over") == 0

    world.measure(10, drift=OVER, auc=0.6)
    seen = scrape()

    assert seen.value("perennial_drift_ratio") == pytest.approx(OVER / 0.1)
    assert seen.value("perennial_signal_ratio", signal="feature", column="hour") == pytest.approx(OVER / 0.1)
    assert seen.value("perennial_drift_signals_over") == 1
    assert seen.value("perennial_performance", metric="roc_auc") == 0.6
    assert seen.value("perennial_performance_is_worse", metric="roc_auc") == 1


def test_a_retrain_is_asked_for_until_a_training_run_answers(
    world: Monitored, history: History, scrape: Scrape
) -> None:
    world.publish(*range(11))
    world.crown("1", 7)
    world.measure(9, drift=OVER)
    asked = world.evaluate(world.measure(10, drift=OVER), "first").decision
    seen = scrape()
    assert seen.value("perennial_retrain_decisions_total", outcome="asked", trigger="drift", reason="none") == 1
    assert seen.value("perennial_retrain_asked_timestamp_seconds") is not None

    history.judge("retrained", asked.as_of, score=0.1, trigger=Trigger.DRIFT)

    assert scrape().value("perennial_retrain_asked_timestamp_seconds") is None


def test_labels_lag_from_the_newest_labelled_week_to_the_newest_one(world: Monitored, scrape: Scrape) -> None:
    world.publish(*range(9))
    assert scrape().value("perennial_label_lag_seconds") is None

    world.crown("1", 7)
    world.measure(8, auc=None)
    assert scrape().value("perennial_label_lag_seconds") == WEEK_S

    world.measure(8)
    assert scrape().value("perennial_label_lag_seconds") == 0

    world.publish(9, 10, 11)
    world.measure(9, auc=None)
    assert scrape().value("perennial_label_lag_seconds") == 3 * WEEK_S


@pytest.mark.parametrize("answer", [EventKind.APPROVED, EventKind.DECLINED])
def test_a_version_waits_for_a_person_until_somebody_answers(
    answer: EventKind, settings: Settings, history: History, scrape: Scrape
) -> None:
    history.register(history.judge("run-1", WEEKS[7], verdict=Verdict.PASSED), "1")
    assert scrape().value("perennial_approval_asked_timestamp_seconds", version="1") is None, "nobody is asked"

    make_toy(settings.pipelines.parent, approval="required")
    assert scrape().value("perennial_approval_asked_timestamp_seconds", version="1") is not None

    event(history, answer, "run-1/1", run_key="run-1", version="1", sentence="It was answered.")
    assert scrape().value("perennial_approval_asked_timestamp_seconds", version="1") is None


def test_the_newest_partition_is_the_latest_in_time_in_its_latest_version(history: History, scrape: Scrape) -> None:
    history.publish(WEEKS[2], rows=90, rows_quarantined=10)
    history.publish(WEEKS[1], rows=50, rows_quarantined=5)
    history.publish(WEEKS[2], sha256="other", rows=97, rows_quarantined=3)

    seen = scrape()

    assert seen.value("perennial_newest_partition_rows") == 97
    assert seen.value("perennial_newest_partition_rows_quarantined") == 3
    assert seen.value("perennial_rows_quarantined_total") == 18


def test_a_broken_folder_costs_what_only_the_spec_can_tell(
    settings: Settings, history: History, scrape: Scrape
) -> None:
    history.win("1", WEEKS[7])
    (settings.pipelines / "toy" / "pipeline.yaml").write_text("name: toy\n")

    seen = scrape()

    assert seen.value("perennial_pipeline_loadable") == 0
    assert seen.value("perennial_champion_info", version="1", cutoff=WEEKS[7]) == 1
    assert seen.value("perennial_period_seconds") is None


def test_an_edited_event_is_told_and_the_rest_goes_on(settings: Settings, history: History, scrape: Scrape) -> None:
    history.win("1", WEEKS[7])
    sql(settings.ledger_url, *DROP_TRIGGERS["sqlite"], "UPDATE events SET actor = 'nobody' WHERE seq = 1")

    assert scrape().value("perennial_ledger_intact") == 0

    history.publish(WEEKS[8])
    seen = scrape()
    assert seen.value("perennial_ledger_intact") == 0
    assert seen.value("perennial_champion_info", version="1", cutoff=WEEKS[7]) == 1
    assert seen.value("perennial_newest_partition_rows") == 10


@pytest.mark.parametrize("after", [0, 1], ids=["all of them", "the newest"])
def test_events_that_vanish_are_told(after: int, settings: Settings, history: History, scrape: Scrape) -> None:
    history.win("1", WEEKS[7])
    assert scrape().value("perennial_ledger_intact") == 1

    sql(settings.ledger_url, *DROP_TRIGGERS["sqlite"], f"DELETE FROM events WHERE seq > {after}")

    assert scrape().value("perennial_ledger_intact") == 0


def test_a_ledger_that_does_not_answer_is_told_and_asked_again(settings: Settings, history: History) -> None:
    history.win("1", WEEKS[7])
    path = Path(settings.ledger_url.removeprefix("sqlite:///"))
    hidden = path.rename(path.with_suffix(".hidden"))
    path.mkdir()
    exporter = Exporter(settings)

    assert Scraped.of(exporter.text()).samples == {("perennial_ledger_up", frozenset()): 0}

    path.rmdir()
    hidden.rename(path)
    seen = Scraped.of(exporter.text())
    assert seen.value("perennial_ledger_up", None) == 1
    assert seen.value("perennial_champion_info", version="1", cutoff=WEEKS[7]) == 1


STEPS = ("win", "lose", "dry", "publish", "measure", "evaluate", "scrape")


@settings_of_property(max_examples=12)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=10))
def test_whoever_looked_on_sees_what_one_sees_that_starts_anew(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("property")
    pipeline = make_toy(root)
    settings = Settings.from_env({"PERENNIAL_HOME": str(root / "home"), "PERENNIAL_PIPELINES": str(root / "pipelines")})
    history = History("toy", Ledger.open(settings.ledger_url))
    world, looking_on = Monitored(pipeline, history.ledger), Exporter(settings)
    for n, step in enumerate(steps):
        if step == "win":
            history.win(str(n), WEEKS[n], score=n)
        elif step in ("lose", "dry"):
            history.judge(f"run-{n}", WEEKS[n], verdict=Verdict.REJECTED, dry_run=step == "dry")
        elif step == "publish":
            history.publish(WEEKS[n])
        elif step == "scrape":
            looking_on.text()
        elif history.ledger.champion("toy"):
            measurement = world.measure(n, drift=OVER)
            if step == "evaluate":
                world.evaluate(measurement, str(n))

    assert Scraped.of(looking_on.text()).samples == Scraped.of(Exporter(settings).text()).samples
