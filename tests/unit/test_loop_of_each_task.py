"""The whole loop, once per task: train, judge, register, promote, score, measure, report, card, prove, reproduce."""

import math

import numpy as np
import pytest

from include.perennial.cards.model_card import model_card
from include.perennial.contracts import CheckStatus, Registration
from include.perennial.gate.tasks import task_of
from include.perennial.models import predictions
from include.perennial.monitor import report, sample
from include.perennial.monitor.measurement import LabelStatus, MeasurementStatus, SignalKind
from include.perennial.steps.calibrate import sample_key
from include.perennial.steps.champion.proof import prove
from include.perennial.steps.measure import measure_partition
from include.perennial.steps.reproduce.run import reproduce
from include.perennial.stores.ledger import EventKind
from include.perennial.stores.prediction_log import PredictionLog
from include.perennial.views.curves import curves
from include.perennial.views.decision import decision_view
from include.perennial.views.timeline import timeline
from perennial_airflow.page.charts import calibration_figure
from tests.closed_loop import WEEK, Loop, build
from tests.task_pipelines import KINDS

COLUMNS = {"regression": {"prediction"}, "multiclass": {"p.low", "p.middle", "p.high", "class"}}


@pytest.fixture(scope="module", params=list(KINDS))
def loop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    kind = KINDS[request.param]
    root = tmp_path_factory.mktemp(request.param)
    return build(root, kind.champions, kind.frame, **kind.changes)


def test_both_runs_passed_and_the_second_was_held_against_the_first(loop: Loop) -> None:
    second = loop.decision("2").judgement
    assert second.verdict == "passed"
    assert second.champion_version == "1"
    assert second.delta_interval is not None
    assert [check.name for check in second.checks if check.status is CheckStatus.FAILED] == []


def test_every_metric_of_the_task_is_recorded_and_no_other(loop: Loop) -> None:
    decision, task = loop.decision("2"), task_of(loop.pipeline.spec)
    assert {str(metric) for metric in task.metrics} <= set(decision.metrics)
    assert "brier" not in decision.metrics
    assert all(math.isfinite(value) for value in decision.champion_metrics.values())


def test_the_gate_says_that_there_is_no_calibration_to_measure(loop: Loop) -> None:
    [check] = [check for check in loop.decision("1").judgement.checks if check.name == "calibration"]
    assert check.status is CheckStatus.INFO
    assert "not measured" in check.message


def test_recorded_predictions_come_back_as_they_were(loop: Loop) -> None:
    decision = loop.decision("2")
    assert decision.predictions is not None
    kept = predictions.from_parquet(loop.objects.get_bytes(decision.predictions.name, decision.predictions.sha256))
    assert kept.digest == decision.prediction_digest
    assert kept.p_champion is not None
    assert kept.p_champion.shape == kept.p.shape


def test_the_prediction_log_has_the_columns_of_the_task(loop: Loop) -> None:
    logged = PredictionLog(loop.objects, task_of(loop.pipeline.spec)).served("toy", WEEK[5])
    assert COLUMNS[loop.pipeline.spec.task] <= set(logged.columns)
    assert len(logged) == 600


def test_a_scored_week_is_measured_with_labels_and_without_an_estimate(loop: Loop) -> None:
    stores = {"registry": loop.data, "store": loop.objects, "ledger": loop.ledger, "models": loop.cache}
    published = {"key": WEEK[5], "sha256": loop.data.partitions("toy")[WEEK[5]].sha256}
    loop.ledger.append("toy", EventKind.PARTITION_PUBLISHED, WEEK[5], published, "tests")
    measured = measure_partition(loop.pipeline, WEEK[5], **stores)
    measurement = measured.measurement
    assert measurement.status is MeasurementStatus.MEASURED, measurement.sentence
    assert {SignalKind.PREDICTION, SignalKind.LABEL, SignalKind.FEATURES} <= {one.kind for one in measurement.signals}
    assert all(np.isfinite(one.value) for one in measurement.signals)
    assert measurement.labels is LabelStatus.MATURED
    assert measurement.matured is not None
    assert measurement.matured.interval is not None
    low, high = measurement.matured.interval
    assert low < measurement.matured.value < high
    assert measurement.estimated is None
    assert measured.partition is not None
    task = task_of(loop.pipeline.spec)
    before = sample.from_parquet(loop.objects.get_bytes(sample_key(loop.pipeline, "2")))
    after = sample.compared_rows(measured.partition.x, measured.partition.p, task=task)
    page = report.render(measurement, before, after)
    assert b"No estimate without labels" in page.html


def test_the_card_says_what_is_predicted(loop: Loop) -> None:
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == "2"]
    registration = Registration.model_validate(
        {name: event.payload[name] for name in Registration.model_fields if name in event.payload}
    )
    card = model_card(registration, loop.decision("2"), loop.pipeline.spec, {}, loop.ledger.events("toy"))
    assert str(loop.pipeline.spec.task) in card.markdown
    assert task_of(loop.pipeline.spec).use_words.split(";")[0] in card.markdown


def test_the_page_has_a_calibration_and_no_roc(loop: Loop) -> None:
    decision = loop.decision("2")
    drawn = curves(decision, loop.objects)
    assert drawn is not None
    assert drawn.champion is not None
    assert drawn.candidate.roc == ()
    assert len(drawn.candidate.calibration) == 10
    low, high = calibration_figure(drawn)["layout"]["xaxis"]["range"]
    assert all(low <= value <= high for point in drawn.candidate.calibration for value in point)
    view = decision_view("toy", decision.plan.run_key, loop.ledger)
    assert view.trial.became == "promoted"
    assert timeline("toy", loop.ledger).metric in decision.metrics


def test_a_version_proves_itself_on_what_it_has_logged(loop: Loop) -> None:
    [event] = [e for e in loop.ledger.events("toy", [EventKind.REGISTERED]) if e.payload["version"] == "2"]
    registration = Registration.model_validate(
        {name: event.payload[name] for name in Registration.model_fields if name in event.payload}
    )
    said = prove(loop.pipeline, registration, models=loop.models, data=loop.data, objects=loop.objects)
    assert "it predicts what it predicted before" in said[-1]


def test_a_version_is_reproduced_bit_by_bit(loop: Loop) -> None:
    again = reproduce("toy", "2", loop.settings, loop.code)
    assert again.outcome == "identical", again.sentence
