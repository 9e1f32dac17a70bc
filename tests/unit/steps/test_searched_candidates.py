"""A searched, weighted LightGBM candidate through the steps: found once, recorded, served, and rebuilt identical."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from include.perennial.contracts import Decision, TrainingPlan, TrainingRequest, Trigger
from include.perennial.decision_report import decision_markdown
from include.perennial.models.model_cache import ModelCache
from include.perennial.steps.fit import fit_candidate
from include.perennial.steps.judge import judge, rejudge
from include.perennial.steps.plan import plan_training
from include.perennial.steps.promote import promote
from include.perennial.steps.register import register
from include.perennial.steps.reproduce import Outcome, reproduce
from tests.closed_loop import WEEK, Loop

SEARCH = {
    "kind": "random",
    "n_iter": 3,
    "folds": 2,
    "timeout_s": 60,
    "space": {"num_leaves": {"low": 3, "high": 12}, "learning_rate": {"low": 0.02, "high": 0.3, "log": True}},
}
WEIGHTS = """
import numpy as np


def recent(rows, labels):
    return np.exp(-(rows["at"].max() - rows["at"]).dt.days / 14)
"""


@pytest.fixture
def searching(loop: Loop) -> Loop:
    folder = loop.settings.pipelines / "toy"
    spec = yaml.safe_load((folder / "pipeline.yaml").read_text())
    spec["window"] = {"partitions": 4}
    spec["weights"] = "model.recent"
    params = {"n_estimators": 15, "subsample": 0.8, "subsample_freq": 1}
    spec["candidates"] = {"lightgbm": {"estimator": "lightgbm.LGBMClassifier", "params": params, "search": SEARCH}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (folder / "model.py").write_text(WEIGHTS)
    return loop


def trained(loop: Loop, week: int) -> tuple[str, Decision]:
    stores: dict[str, Any] = {
        "store": loop.objects,
        "registry": loop.data,
        "tracking": loop.tracking,
        "ledger": loop.ledger,
    }
    asked = TrainingRequest(pipeline="toy", as_of=WEEK[week], trigger=Trigger.MANUAL, force=True, reason="a search")
    plan = plan_training(asked, loop.pipeline, loop.data, loop.code)
    assert isinstance(plan, TrainingPlan)
    fit = fit_candidate(plan, "lightgbm", loop.pipeline, loop.data, loop.tracking)
    decision = judge(plan, [fit], loop.pipeline, **stores)
    registered = register(decision, loop.ledger, loop.models, forced=True)
    assert registered is not None
    again = lambda judged, champion: rejudge(judged, champion, loop.pipeline, **stores)  # noqa: E731
    promote(registered, decision, loop.ledger, loop.models, again, force=True, reason="a search", actor="tests")
    return registered.version, decision


def test_what_a_search_found_is_recorded_logged_served_and_rebuilt(searching: Loop, tmp_path: Path) -> None:
    version, decision = trained(searching, 6)

    [fit] = decision.fits
    assert fit.searched is not None
    assert (fit.searched.trials, set(fit.chosen)) == (3, {"model__num_leaves", "model__learning_rate"})
    table = searching.tracking.read_artifact(fit.mlflow_run_id, "search.csv")
    assert table is not None
    assert len(table.decode().splitlines()) == 4
    assert "after 3 trials" in decision_markdown(decision)

    champion = searching.ledger.champion("toy")
    assert champion is not None
    assert champion.version == version
    model = ModelCache(tmp_path / "cache", searching.tracking.download).load(champion.model).named_steps["model"]
    assert {f"model__{name}": model.get_params()[name] for name in SEARCH["space"]} == fit.chosen  # type: ignore[attr-defined]
    assert "lightgbm==" in searching.artifact(version, "requirements.txt").read_text()

    result = reproduce("toy", version, searching.settings, searching.code)
    assert result.outcome is Outcome.IDENTICAL, result
