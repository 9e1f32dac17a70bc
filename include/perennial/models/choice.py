"""The parameters that a candidate's search finds in the training rows, and the table of what was tried."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit
from threadpoolctl import threadpool_limits

from include.perennial.contracts import Searched
from include.perennial.errors import BadInput
from include.perennial.gate.arrays import Floats
from include.perennial.gate.tasks import task_of
from include.perennial.messages import shown_names
from include.perennial.models import estimators, searching
from include.perennial.models.folder_code import told
from include.perennial.models.frames import Labelled
from include.perennial.pipeline_folder import Pipeline
from include.perennial.spec.candidate import LOSS_BEHIND, Search

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """``params`` by their names in the pipeline of features and model; ``trials`` has a row for each trial."""

    params: dict[str, Any]
    searched: Searched
    trials: pd.DataFrame


def choose(
    pipeline: Pipeline,
    candidate: str,
    overrides: Mapping[str, Mapping[str, Any]],
    rows: Labelled,
    *,
    seed: int,
    weights: Floats | None = None,
) -> Choice | None:
    """What the search of ``candidate`` finds in ``rows``; None if the candidate has none.

    Raises:
        BadInput: there are too few partitions to split in time, no trial has a score, or the code refuses the rows.
        SpecError: the candidate cannot be built, or a searched parameter does not exist.
    """
    who = f"Candidate {candidate}"
    search = _search(pipeline, candidate, overrides, rows, seed, who)
    if search is None:
        return None
    start = time.perf_counter()
    params = estimators.weight_params(search.estimator, weights, candidate)
    with threadpool_limits(limits=1), told(f"{who}: its search fails", "its search and params"):
        search.fit(rows.x, task_of(pipeline.spec).targets(rows.y), **params)
    scores = searching.trial_scores(search)
    best = float(search.best_score_) if np.isfinite(scores).any() else math.nan
    if not math.isfinite(best):
        raise BadInput(
            f"{who}: none of {len(scores)} trials of its search has a score. The metric may be undefined on a "
            "partition with one class only. To fix: choose another search.metric, fewer search.folds or larger "
            "partitions."
        )
    searched = Searched(
        trials=len(scores), score=best, seconds=time.perf_counter() - start, was_cut=getattr(search, "was_cut_", False)
    )
    log.info("%s %s: %s", pipeline.spec.name, candidate, searched)
    return Choice(searching.plain(search.best_params_, who), searched, searching.table(search))


def _search(
    pipeline: Pipeline,
    candidate: str,
    overrides: Mapping[str, Mapping[str, Any]],
    rows: Labelled,
    seed: int,
    who: str,
) -> Any | None:
    spec, task = pipeline.spec, task_of(pipeline.spec)
    asked, fixed = spec.candidates[candidate].search, overrides.get(candidate, {})
    made = estimators.search_object(pipeline, candidate, overrides, seed=seed)
    if made is not None and asked is not None:
        raise BadInput(
            f"{who}: {spec.candidates[candidate].estimator} makes a search, and pipeline.yaml has one too. "
            "To fix: return the estimator itself, or drop candidates."
            f"{candidate}.search."
        )
    if made is None and (asked is None or not asked.space.keys() - fixed.keys()):
        return None
    if rows.partition is None:
        raise BadInput(f"{who}: its search needs to know the partition of each row.")
    model = estimators.build(pipeline, candidate, overrides, seed=seed)
    metric = (asked.metric if asked else None) or LOSS_BEHIND.get(spec.selection_metric, spec.selection_metric)
    score = searching.scorer(task, metric)
    if asked is None:
        return searching.prepared(made, model, rows.partition, score, who)
    _require_known(asked, model, who)
    return searching.TimedSearch(
        model,
        searching.proposals(asked, fixed, seed),
        scoring=score,
        cv=searching.time_folds(rows.partition, TimeSeriesSplit(asked.folds), who),
        timeout_s=asked.timeout_s,
    )


def _require_known(asked: Search, model: Any, who: str) -> None:
    known = model.get_params(deep=True)
    if unknown := [name for name in asked.space if searching.in_pipeline(name) not in known]:
        allowed = [name.removeprefix("model__") for name in known if name.startswith(("model__", "features__"))]
        raise BadInput(
            f"{who}: search.space names {unknown[0]!r}, which its estimator does not have. "
            f"Allowed: {shown_names(allowed)}."
        )
