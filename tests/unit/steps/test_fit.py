"""A candidate is fitted without the selection partition, measured on it, and logged once."""

import json

import pytest
from mlflow import MlflowClient

from include.perennial.errors import BadInput
from include.perennial.models import estimators, frames
from include.perennial.models.behaviour import positive_probability
from include.perennial.models.metrics import measure_all
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.fit import fit_candidate
from include.perennial.stores.tracking.runs import Tracking
from tests.training_runs import ROWS, Data, make_plan


def test_the_selection_partition_measures_and_does_not_train(toy: Pipeline, weeks: Data, runs: Tracking) -> None:
    plan = make_plan(toy, weeks, last=3)

    fit = fit_candidate(plan, "logistic", toy, weeks.registry, runs)

    paths = weeks.registry.fetch("toy", plan.train, plan.data_commit)
    train, selection = frames.read(paths[:2], toy.spec.data), frames.read(paths[2:], toy.spec.data)
    model = estimators.build(toy, "logistic", {}, seed=plan.seed)
    estimators.fit(model, train, "logistic")
    assert fit.metrics == measure_all(selection.y, positive_probability(model, selection.x), train.rate)


def test_mlflow_is_told_what_was_fitted_from_which_data_and_why(
    toy: Pipeline, weeks: Data, runs: Tracking, mlflow_client: MlflowClient
) -> None:
    plan = make_plan(
        toy, weeks, last=4, overrides={"forest": {"n_estimators": 3}}, reason="a look", run_url="http://localhost/run"
    )

    fit = fit_candidate(plan, "forest", toy, weeks.registry, runs)

    run = mlflow_client.get_run(fit.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params.items() >= {"candidate": "forest", "model.n_estimators": "3", "seed": "7"}.items()
    assert run.data.metrics.items() >= {"roc_auc": fit.metrics["roc_auc"], "train_rows": 2.0 * ROWS}.items()
    assert (
        run.data.tags.items()
        >= {
            "perennial.key": f"{plan.run_key}:forest",
            "perennial.run_key": plan.run_key,
            "perennial.trigger": "schedule",
            "perennial.reason": "a look",
            "perennial.run_url": "http://localhost/run",
            "perennial.data_registry_commit": weeks.commit,
            "perennial.spec_digest": toy.spec_digest,
            "perennial.code_digest": toy.code_digest,
            "perennial.environment_digest": plan.environment_digest,
            "perennial.code_dirty": "false",
            "mlflow.source.git.commit": plan.code_commit,
        }.items()
    )
    used = {used.tags[0].value: json.loads(used.dataset.source) for used in run.inputs.dataset_inputs}
    assert used["training"]["partitions"] == {ref.key: ref.sha256 for ref in plan.train[:-1]}
    assert used["selection"]["partitions"] == {plan.selection.key: plan.selection.sha256}
    assert used["training"]["data_registry_commit"] == weeks.commit


def test_a_retry_finds_the_run_and_measures_the_same(toy: Pipeline, weeks: Data, runs: Tracking) -> None:
    plan = make_plan(toy, weeks, last=5)

    first = fit_candidate(plan, "boosting", toy, weeks.registry, runs)
    again = fit_candidate(plan, "boosting", toy, weeks.registry, runs)

    assert again.model_copy(update={"fit_seconds": first.fit_seconds}) == first


def test_a_candidate_that_is_not_planned_is_refused(toy: Pipeline, weeks: Data, runs: Tracking) -> None:
    with pytest.raises(BadInput, match="'nobody' is not in the plan: it has logistic, boosting, forest"):
        fit_candidate(make_plan(toy, weeks, last=3), "nobody", toy, weeks.registry, runs)
