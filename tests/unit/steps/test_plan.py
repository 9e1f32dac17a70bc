"""Which partitions train and which judge, and what a run is called."""

import pytest

from include.perennial.contracts import PartitionVersion, TrainingRequest, Trigger
from include.perennial.errors import BadInput
from include.perennial.partitions import Partition, Period
from include.perennial.pipeline_folder import Pipeline, load_pipeline
from include.perennial.settings import Settings
from include.perennial.spec import PipelineSpec
from include.perennial.steps.plan import (
    NotReady,
    NotReadyReason,
    Window,
    choose_window,
    newest_trainable,
    plan_training,
    run_key,
)

WEEKS = [Partition.of_key("2013-01-07", Period.WEEK).shift(n).key for n in range(40)]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load_pipeline("flight_delays", Settings.from_env({}).pipelines)


def held(*keys: str, sha: str = "a") -> dict[str, PartitionVersion]:
    return {
        key: PartitionVersion(
            pipeline="flight_delays",
            key=key,
            sha256=sha * 64,
            md5="m",
            n_bytes=1,
            rows=10,
            rows_quarantined=0,
            snapshot_digest="s",
            suite_digest="e",
            commit="c",
        )
        for key in keys
    }


def window(spec: PipelineSpec, as_of: str, *keys: str) -> Window:
    chosen = choose_window(spec, as_of, held(*keys))
    assert isinstance(chosen, Window)
    return chosen


def test_the_newest_partition_is_the_holdout_and_those_before_it_train(pipeline: Pipeline) -> None:
    chosen = window(pipeline.spec, WEEKS[10], *WEEKS[:20])

    assert [ref.key for ref in chosen.train] == WEEKS[2:10]
    assert [ref.key for ref in chosen.holdout] == [WEEKS[10]]


def test_partitions_after_the_as_of_week_are_never_used(pipeline: Pipeline) -> None:
    assert window(pipeline.spec, WEEKS[8], *WEEKS) == window(pipeline.spec, WEEKS[8], *WEEKS[:9])


def test_a_lost_week_is_replaced_by_an_older_one(pipeline: Pipeline) -> None:
    chosen = window(pipeline.spec, WEEKS[10], *WEEKS[:5], *WEEKS[6:20])

    assert [ref.key for ref in chosen.train] == [*WEEKS[1:5], *WEEKS[6:10]]


def test_data_of_another_season_do_not_fill_the_window(pipeline: Pipeline) -> None:
    chosen = choose_window(pipeline.spec, WEEKS[39], held(*WEEKS[:8], WEEKS[39]))

    assert isinstance(chosen, NotReady)
    assert chosen.reason is NotReadyReason.TOO_FEW
    assert "has 1 labelled partitions" in chosen.sentence


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        pytest.param(WEEKS[:20], WEEKS[19], id="no gap"),
        pytest.param([*WEEKS[:12], WEEKS[39]], WEEKS[11], id="a lone one after a long gap has no window yet"),
        pytest.param(WEEKS[:8], None, id="too few in all"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_newest_trainable_partition_has_a_whole_window(
    pipeline: Pipeline, available: list[str], expected: str | None
) -> None:
    assert newest_trainable(pipeline.spec, available) == expected


def test_a_partition_that_has_not_arrived_is_waited_for(pipeline: Pipeline) -> None:
    chosen = choose_window(pipeline.spec, WEEKS[10], held(*WEEKS[:10]))

    assert isinstance(chosen, NotReady)
    assert chosen.reason is NotReadyReason.NOT_ARRIVED


def test_labels_that_mature_late_move_the_window_back(pipeline: Pipeline) -> None:
    late = pipeline.spec.model_copy(update={"data": pipeline.spec.data.model_copy(update={"label_delay_periods": 2})})

    assert window(late, WEEKS[12], *WEEKS) == window(pipeline.spec, WEEKS[10], *WEEKS)


def test_an_expanding_window_keeps_the_oldest_partition(pipeline: Pipeline) -> None:
    sections = {"window": pipeline.spec.window.model_copy(update={"kind": "expanding"})}

    chosen = window(pipeline.spec.model_copy(update=sections), WEEKS[30], *WEEKS)

    assert [ref.key for ref in chosen.train] == WEEKS[:30]


def test_a_day_that_is_not_the_first_of_a_week_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(BadInput, match="not the first day of a week"):
        choose_window(pipeline.spec, "2013-01-08", held(*WEEKS))


def request(**changes: object) -> TrainingRequest:
    fields: dict[str, object] = {"pipeline": "flight_delays", "as_of": WEEKS[8], "trigger": Trigger.SCHEDULE}
    return TrainingRequest.model_validate(fields | changes)


def test_the_trigger_and_the_reason_do_not_rename_a_run(pipeline: Pipeline) -> None:
    scheduled, by_hand = request(), request(trigger=Trigger.MANUAL, reason="curious", force=True)

    assert run_key(scheduled, pipeline, "w") == run_key(by_hand, pipeline, "w")


@pytest.mark.parametrize(
    ("changed", "window_digest"),
    [
        pytest.param({"overrides": {"logistic_regression": {"C": 0.5}}}, "w", id="overrides"),
        pytest.param({}, "other", id="window"),
    ],
)
def test_other_parameters_or_data_rename_a_run(pipeline: Pipeline, changed: dict, window_digest: str) -> None:
    assert run_key(request(**changed), pipeline, window_digest) != run_key(request(), pipeline, "w")


class NoData:
    """A registry before the first ingest."""

    def head(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"overrides": {"xgboost": {}}}, "candidate 'xgboost' is not in the spec", id="unknown candidate"),
        pytest.param({"force": True, "reason": "  "}, "needs a reason", id="force without a reason"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(pipeline: Pipeline, changes: dict, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        plan_training(request(**changes), pipeline, NoData())  # type: ignore[arg-type]


def test_nothing_is_planned_before_the_first_ingest(pipeline: Pipeline) -> None:
    planned = plan_training(request(), pipeline, NoData())  # type: ignore[arg-type]

    assert isinstance(planned, NotReady)
