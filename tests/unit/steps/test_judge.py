"""A training run ends in exactly one decision, made on rows that neither model has seen."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from include.perennial.contracts import (
    CandidateFit,
    Check,
    CheckStatus,
    Decision,
    Judgement,
    Registration,
    TrainingPlan,
    Verdict,
)
from include.perennial.errors import BadInput, IntegrityError, Unavailable
from include.perennial.folder_records import folder_records
from include.perennial.models import predictions
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.settings import Settings
from include.perennial.spec import Metric
from include.perennial.steps.judge import best, judge, rejudge
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.tracking.runs import Tracking
from tests.servers import free_port
from tests.training_runs import FEATURES, ROWS, SPEC, Data, make_plan, make_toy, with_gate


@dataclass
class World:
    """Stores of one test, and the pipeline that trains on them."""

    pipeline: Pipeline
    weeks: Data
    objects: LocalObjects
    tracking: Tracking
    ledger: Ledger
    versions: list[str] = field(default_factory=list)

    def plan(self, last: int, **options: Any) -> TrainingPlan:
        return make_plan(self.pipeline, self.weeks, last=last, **options)

    def judge(self, plan: TrainingPlan, winner: str = "logistic") -> Decision:
        fit = CandidateFit(candidate=winner, metrics={"log_loss": 0.5}, fit_seconds=0.1, mlflow_run_id="run")
        return judge(plan, [fit], self.pipeline, **self.stores)

    def rejudge(self, decision: Decision, champion: Champion) -> Judgement:
        return rejudge(decision, champion, self.pipeline, **self.stores)

    @property
    def stores(self) -> dict[str, Any]:
        return {
            "registry": self.weeks.registry,
            "store": self.objects,
            "tracking": self.tracking,
            "ledger": self.ledger,
        }

    def crown(self, decision: Decision, **changes: Any) -> Champion:
        """Make the model of ``decision`` champion, whatever the gate said; ``changes`` falsify its record."""
        assert decision.model is not None
        self.versions.append(str(len(self.versions) + 1))
        registration = Registration(
            pipeline="toy",
            run_key=decision.plan.run_key,
            version=self.versions[-1],
            model=decision.model,
            cutoff=decision.cutoff,
        )
        champion = self.ledger.champion("toy")
        self.ledger.promote(
            registration.model_copy(update=changes),
            decision.prediction_digest,
            champion.seq if champion else None,
            reason="test",
            actor="test",
            key=self.versions[-1],
            evidence={},
        )
        crowned = self.ledger.champion("toy")
        assert crowned is not None
        return crowned

    def kept(self, decision: Decision) -> HoldoutPredictions:
        """The predictions that ``decision`` recorded."""
        assert decision.predictions is not None
        data = self.objects.get_bytes(decision.predictions.name, decision.predictions.sha256)
        return predictions.from_parquet(data)

    def events(self, kind: EventKind) -> int:
        return len(self.ledger.events("toy", {kind}))


@pytest.fixture
def world(toy: Pipeline, weeks: Data, runs: Tracking, ledger: Ledger, tmp_path: Path) -> World:
    return World(toy, weeks, LocalObjects(tmp_path / "objects"), runs, ledger)


def _check(judgement: Judgement, name: str) -> Check:
    return next(check for check in judgement.checks if check.name.startswith(name))


def test_the_first_model_passes_is_refitted_and_everything_is_recorded(
    world: World, mlflow_client: MlflowClient, tmp_path: Path
) -> None:
    plan = world.plan(3, reason="first")

    decision = world.judge(plan)

    assert decision.judgement.verdict is Verdict.PASSED
    assert decision.cutoff == plan.holdout[-1].key
    assert decision.metrics["roc_auc"] > 0.7
    assert decision.champion_metrics == {}
    assert decision.model is not None
    assert folder_records(world.tracking.download(decision.model, tmp_path / "model")) == decision.model.files
    event = world.ledger.find("toy", EventKind.JUDGED, plan.run_key)
    assert event is not None
    assert Decision.model_validate(event.payload) == decision
    run = mlflow_client.get_run(decision.mlflow_run_id)
    assert run.data.metrics.items() >= {"holdout_roc_auc": decision.metrics["roc_auc"], "holdout_rows": ROWS}.items()
    assert {file.path for file in mlflow_client.list_artifacts(run.info.run_id)} == {
        "curves.png",
        "decision.json",
        "decision.md",
        "permutation_importance.json",
    }
    stored = Path(mlflow_client.download_artifacts(run.info.run_id, "decision.json", str(tmp_path))).read_text()
    assert Decision.model_validate(json.loads(stored)) == decision


def test_the_recorded_predictions_are_those_of_the_candidate_before_the_refit(world: World) -> None:
    decision = world.judge(world.plan(3))

    kept = world.kept(decision)
    assert kept.digest == decision.prediction_digest
    assert len(kept.p) == ROWS
    assert kept.p_champion is None
    assert list(kept.rows.columns) == ["at", "id", "group"]


def test_judging_again_returns_the_recorded_decision_and_needs_no_fits(world: World) -> None:
    plan = world.plan(3)
    decision = world.judge(plan)

    assert judge(plan, [], world.pipeline, **world.stores) == decision
    assert world.events(EventKind.JUDGED) == 1


class _DiesBeforeTheDecision(Ledger):
    def append(self, *args: Any, **kwargs: Any) -> Any:
        raise Unavailable("killed")


def test_a_process_that_dies_before_the_ledger_is_written_leaves_one_run_and_one_model(
    world: World, mlflow_client: MlflowClient
) -> None:
    plan = world.plan(3, salt="dies")
    whole = world.ledger
    world.ledger = _DiesBeforeTheDecision(whole._database)
    with pytest.raises(Unavailable, match="killed"):
        world.judge(plan)
    assert whole.find("toy", EventKind.JUDGED, plan.run_key) is None

    world.ledger = whole
    decision = world.judge(plan)

    experiment = mlflow_client.get_experiment_by_name("toy")
    assert experiment is not None
    made = mlflow_client.search_runs([experiment.experiment_id], f"tags.`perennial.run_key` = '{plan.run_key}'")
    models = mlflow_client.search_logged_models([experiment.experiment_id])
    assert [run.info.run_id for run in made] == [decision.mlflow_run_id]
    assert [model.source_run_id for model in models].count(decision.mlflow_run_id) == 1


def test_the_decision_of_the_faster_process_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = world.plan(3)
    first = world.judge(plan)
    monkeypatch.setattr(world.ledger, "find", lambda *key: None)  # as if it had looked a moment earlier

    decision = world.judge(plan)

    assert decision == first
    assert world.kept(decision).digest == first.prediction_digest


def test_a_later_candidate_is_compared_with_the_champion_on_the_new_week(world: World) -> None:
    champion = world.crown(world.judge(world.plan(3)))

    decision = world.judge(world.plan(4))

    assert decision.judgement.champion_seq == champion.seq
    assert decision.judgement.champion_version == champion.version
    assert decision.judgement.delta_interval is not None
    assert decision.champion_metrics["roc_auc"] == pytest.approx(decision.metrics["roc_auc"], abs=0.05)
    assert world.kept(decision).p_champion is not None


def test_a_worse_candidate_is_rejected_and_its_model_kept_unrefitted(world: World) -> None:
    plan = world.plan(3)
    world.pipeline = with_gate(world.pipeline, first_floors={Metric.ROC_AUC: 0.95})

    decision = world.judge(plan)

    assert decision.judgement.verdict is Verdict.REJECTED
    assert decision.cutoff == plan.train[-1].key
    assert decision.model is not None


def test_without_refit_the_judged_model_itself_is_the_one(weeks: Data, world: World, tmp_path: Path) -> None:
    world.pipeline = make_toy(tmp_path, refit=False)
    plan = world.plan(3)

    decision = world.judge(plan)

    assert decision.judgement.verdict is Verdict.PASSED
    assert decision.cutoff == plan.train[-1].key
    assert not [check for check in decision.judgement.checks if check.name.startswith("refit")]


def test_a_candidate_older_than_the_champion_belongs_to_the_past(world: World) -> None:
    champion = world.crown(world.judge(world.plan(5)))

    decision = world.judge(world.plan(4))

    assert decision.judgement.verdict is Verdict.PAST
    assert decision.judgement.champion_version == champion.version
    assert decision.champion_metrics == {}
    assert decision.model is not None


def test_the_same_model_again_is_identical(world: World) -> None:
    world.crown(world.judge(world.plan(3)))

    assert world.judge(world.plan(3, salt="again")).judgement.verdict is Verdict.IDENTICAL


@pytest.mark.parametrize(
    ("champion", "rival", "verdict"),
    [
        ({"boosting": {"max_iter": 1}}, {}, Verdict.PASSED),
        ({}, {"boosting": {"max_iter": 1}}, Verdict.REJECTED),
    ],
    ids=["a better rival", "a worse rival"],
)
def test_a_rival_of_the_same_week_must_be_better_on_what_both_had_not_seen(
    champion: dict[str, Any], rival: dict[str, Any], verdict: Verdict, world: World
) -> None:
    world.crown(world.judge(world.plan(3, overrides=champion), "boosting"))

    decision = world.judge(world.plan(3, overrides=rival), "boosting")

    assert decision.judgement.verdict is verdict
    assert decision.champion_metrics


def test_a_rival_without_refit_is_compared_by_its_stored_model(weeks: Data, world: World, tmp_path: Path) -> None:
    world.pipeline = make_toy(tmp_path, refit=False)
    first = world.judge(world.plan(3, overrides={"boosting": {"max_iter": 1}}), "boosting")
    world.crown(first)

    decision = world.judge(world.plan(3), "boosting")

    assert decision.champion_metrics == first.metrics
    assert decision.judgement.verdict is Verdict.PASSED


def test_only_the_part_of_the_holdout_that_the_champion_has_not_seen_counts(world: World) -> None:
    world.crown(world.judge(world.plan(4)))

    decision = world.judge(world.plan(5, window=2, holdout=2))

    assert decision.judgement.verdict is Verdict.PASSED
    assert f"on {ROWS:,} unseen rows" in decision.judgement.sentence
    kept = world.kept(decision)
    assert kept.p_champion is not None
    assert set(kept.partition[np.isfinite(kept.p_champion)]) == {decision.plan.holdout[-1].key}


def _falsified(decision: Decision) -> dict[str, Any]:
    assert decision.model is not None
    files = tuple(file.model_copy(update={"sha256": "0" * 64}) for file in decision.model.files)
    return {"model": decision.model.model_copy(update={"files": files})}


def _gone(decision: Decision) -> dict[str, Any]:
    assert decision.model is not None
    return {"model": decision.model.model_copy(update={"model_uri": "models:/m-" + "0" * 32})}


@pytest.mark.parametrize(
    ("falsify", "reason"),
    [(_falsified, "has sha256"), (_gone, "gone from MLflow")],
    ids=["changed files", "no files"],
)
def test_a_champion_that_cannot_be_loaded_is_incomparable_and_never_no_champion(
    falsify: Any, reason: str, world: World
) -> None:
    first = world.judge(world.plan(3))
    champion = world.crown(first, **falsify(first))

    decision = world.judge(world.plan(4))

    assert decision.judgement.verdict is Verdict.INCOMPARABLE
    assert decision.judgement.champion_version == champion.version
    assert reason in decision.judgement.sentence
    assert _check(decision.judgement, "comparison").status is CheckStatus.NOT_COMPARABLE


def test_a_champion_whose_columns_are_gone_is_incomparable(world: World, tmp_path: Path) -> None:
    world.crown(world.judge(world.plan(3)))
    columns = {name: str(kind) for name, kind in world.pipeline.spec.data.columns.items() if name != "noise"}
    world.pipeline = make_toy(
        tmp_path,
        features=FEATURES.replace("use_noise=True", "use_noise=False"),
        data={**SPEC["data"], "columns": columns},
    )

    decision = world.judge(world.plan(4))

    assert decision.judgement.verdict is Verdict.INCOMPARABLE
    assert "cannot score these rows: KeyError: 'noise'" in decision.judgement.sentence


def test_a_rival_whose_predictions_are_gone_is_incomparable(world: World) -> None:
    first = world.judge(world.plan(3, overrides={"boosting": {"max_iter": 1}}), "boosting")
    world.crown(first)
    assert first.predictions is not None
    (world.objects.root / first.predictions.name).unlink()

    decision = world.judge(world.plan(3), "boosting")

    assert decision.judgement.verdict is Verdict.INCOMPARABLE
    assert "recorded predictions cannot be read" in decision.judgement.sentence


def test_a_server_that_is_down_decides_nothing(world: World, tmp_path: Path) -> None:
    world.crown(world.judge(world.plan(3)))
    uri = f"http://127.0.0.1:{free_port()}"
    world.tracking = Tracking.open(Settings.from_env({"PERENNIAL_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": uri}))

    with pytest.raises(Unavailable, match="does not answer"):
        world.judge(world.plan(4))

    assert world.events(EventKind.JUDGED) == 1


def test_a_dry_run_records_what_would_be_and_stores_nothing(world: World, mlflow_client: MlflowClient) -> None:
    plan = world.plan(3, salt="dry", dry_run=True)

    first, second = world.judge(plan), world.judge(plan)

    assert first.judgement.verdict is Verdict.PASSED
    assert (first.model, first.predictions) == (None, None)
    assert first.prediction_digest == second.prediction_digest
    assert first.mlflow_run_id == second.mlflow_run_id
    assert world.events(EventKind.DRY_RUN) == 2
    assert world.events(EventKind.JUDGED) == 0
    assert world.objects.list("predictions/toy/") == []
    outputs = mlflow_client.get_run(first.mlflow_run_id).outputs
    assert outputs is None or not outputs.model_outputs


def test_a_dry_run_of_a_judged_run_judges_against_the_champion_of_now(world: World) -> None:
    plan = world.plan(3)
    world.crown(world.judge(plan))
    asked = plan.request.model_copy(update={"dry_run": True})

    decision = world.judge(plan.model_copy(update={"request": asked}))

    assert decision.judgement.verdict is Verdict.IDENTICAL


def test_a_refit_that_breaks_the_limits_of_the_file_is_rejected(world: World, tmp_path: Path) -> None:
    neighbours = {"neighbours": {"estimator": "sklearn.neighbors.KNeighborsClassifier", "params": {"n_neighbors": 50}}}
    world.pipeline = make_toy(tmp_path, candidates=neighbours)
    plan = world.plan(3)
    unlimited = world.judge(plan, "neighbours").judgement
    judged, refitted = _check(unlimited, "behaviour.size").value, _check(unlimited, "refit.size").value
    assert judged is not None
    assert refitted is not None
    assert refitted > judged
    limits = world.pipeline.spec.gate.behaviour.model_copy(update={"max_megabytes": (judged + refitted) / 2})
    world.pipeline = with_gate(world.pipeline, behaviour=limits)

    decision = world.judge(world.plan(3, salt="limited"), "neighbours")

    assert decision.judgement.verdict is Verdict.REJECTED
    assert "refit" in decision.judgement.sentence


def test_a_candidate_is_judged_again_against_a_champion_crowned_meanwhile(world: World) -> None:
    world.crown(world.judge(world.plan(3)))
    better, worse = (
        world.judge(world.plan(5), "boosting"),
        world.judge(world.plan(5, overrides={"boosting": {"max_iter": 1}}), "boosting"),
    )
    rescored = world.rejudge(worse, world.crown(world.judge(world.plan(4))))

    judgement = world.rejudge(worse, world.crown(better))

    assert rescored.champion_version == "2"
    assert rescored.delta is not None
    assert judgement.champion_version == "3"
    assert judgement.verdict is Verdict.REJECTED
    assert judgement.delta is not None
    assert judgement.delta < 0


def test_judging_again_with_nothing_changed_says_the_same(world: World) -> None:
    champion = world.crown(world.judge(world.plan(3)))
    decision = world.judge(world.plan(4))

    again = world.rejudge(decision, champion)

    assert again.delta == decision.judgement.delta
    assert again.delta_interval == decision.judgement.delta_interval
    assert again.verdict is decision.judgement.verdict


def test_a_dry_run_cannot_be_judged_again(world: World) -> None:
    champion = world.crown(world.judge(world.plan(3)))

    with pytest.raises(BadInput, match="dry run"):
        world.rejudge(world.judge(world.plan(4, dry_run=True)), champion)


def test_recorded_predictions_that_were_changed_are_refused(world: World) -> None:
    champion = world.crown(world.judge(world.plan(3)))
    decision = world.judge(world.plan(4))
    assert decision.predictions is not None
    world.objects.put_bytes(decision.predictions.name, b"better numbers")

    with pytest.raises(IntegrityError, match="is not what was recorded"):
        world.rejudge(decision, champion)


def _fits(metric: str, *values: float | None) -> list[CandidateFit]:
    return [
        CandidateFit(
            candidate=name,
            metrics={} if value is None else {metric: value},
            fit_seconds=1.0,
            mlflow_run_id="run",
        )
        for name, value in zip("abc", values, strict=False)
    ]


@pytest.mark.parametrize(
    ("metric", "values", "winner"),
    [
        (Metric.LOG_LOSS, (0.5, 0.4, 0.6), "b"),
        (Metric.ROC_AUC, (0.5, 0.4, 0.6), "c"),
        (Metric.ROC_AUC, (0.6, 0.6, 0.6), "a"),
        (Metric.LOG_LOSS_SKILL, (None, -0.4, None), "b"),
    ],
    ids=["lower is better", "higher is better", "the first of equals", "without the metric nobody wins"],
)
def test_the_best_candidate_wins(metric: Metric, values: tuple[float | None, ...], winner: str) -> None:
    assert best(_fits(metric, *values), metric) == winner


@pytest.mark.parametrize("values", [(), (None, None)], ids=["no fits", "no metric"])
def test_without_the_selection_metric_nobody_wins(values: tuple[float | None, ...]) -> None:
    with pytest.raises(BadInput, match="selection metric roc_auc"):
        best(_fits("roc_auc", *values), Metric.ROC_AUC)
