"""Search for parameters within the training rows: partitions that judge a trial are later than those it is fitted on.

What a search finds is a set of parameters. It runs once per candidate and training run, its choice is recorded in the
ledger, and whatever is fitted afterwards (the judged model, the refitted one, a rebuilt one) takes the choice from
there: the clock may end a search early, and the model is still the same in every rebuild.
"""

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid, ParameterSampler, TimeSeriesSplit
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.errors import BadInput
from include.perennial.gate.arrays import Floats, Integers
from include.perennial.gate.tasks import Task
from include.perennial.spec.candidate import FEWEST_FOLDS, Search, Space
from include.perennial.spec.metrics import LOWER_IS_BETTER, Metric

DEFAULT_FOLDS = 3
_RANDOM_TRIALS = 20
Fold = tuple[Integers, Integers]
Proposals = Generator[dict[str, Any], float, None]
"""Yields parameters, is sent their mean score."""


class TimedSearch(BaseSearchCV):
    """A scikit-learn search that tries what ``proposals`` yields until that ends or the time is up."""

    def __init__(
        self,
        estimator: SklearnPipeline,
        proposals: Callable[[], Proposals],
        *,
        scoring: Callable[..., float],
        cv: Sequence[Fold],
        timeout_s: float,
    ) -> None:
        super().__init__(estimator=estimator, scoring=scoring, cv=cv, refit=False)
        self.proposals = proposals
        self.timeout_s = timeout_s

    def _run_search(self, evaluate_candidates: Callable[[list[dict[str, Any]]], Mapping[str, Any]]) -> None:
        end_s, proposals = time.monotonic() + self.timeout_s, self.proposals()
        self.was_cut_ = False
        params = next(proposals)
        while True:
            score = float(evaluate_candidates([params])["mean_test_score"][-1])
            try:
                params = proposals.send(score)
            except StopIteration:
                return
            if time.monotonic() >= end_s:
                self.was_cut_ = True
                return


def time_folds(partition: Integers, like: TimeSeriesSplit, who: str) -> list[Fold]:
    """Positions of rows to fit and to judge on, by ``like`` over partitions; fewer folds if there are fewer of those.

    Raises:
        BadInput: there are not three partitions.
    """
    present = np.unique(partition)
    n_folds = min(like.n_splits, len(present) - 1)
    if n_folds < FEWEST_FOLDS:
        raise BadInput(
            f"{who}: a search needs {FEWEST_FOLDS + 1} training partitions beside the newest one, to judge later ones "
            f"by earlier ones, and has {len(present)}. To fix: raise window.partitions, or drop the search."
        )
    splitter = TimeSeriesSplit(n_folds, gap=like.gap, max_train_size=like.max_train_size, test_size=like.test_size)
    return [
        (np.flatnonzero(np.isin(partition, present[fit])), np.flatnonzero(np.isin(partition, present[judge])))
        for fit, judge in splitter.split(present)
    ]


def scorer(task: Task, metric: Metric) -> Callable[..., float]:
    """``metric`` as scikit-learn's searches ask for it: higher is better."""
    sign = -1 if metric in LOWER_IS_BETTER else 1

    def score(model: SklearnPipeline, x: pd.DataFrame, targets: Any) -> float:
        return sign * task.measure(
            metric, task.encode(pd.Series(targets)).astype(task.label_type), task.predict(model, x)
        )

    return score


def proposals(search: Search, fixed: Mapping[str, Any], seed: int) -> Callable[[], Proposals]:
    """What ``search`` tries, seeded; parameters that the run has ``fixed`` are not searched for."""
    space = {name: values for name, values in search.space.items() if name not in fixed}
    match search.kind:
        case "grid":
            return lambda: _in_turn(list(ParameterGrid({name: entry.values for name, entry in space.items()})))
        case "random":
            return lambda: _in_turn(_drawn(space, search.n_iter or _RANDOM_TRIALS, seed))
        case _:
            return lambda: _by_optuna(space, search.n_iter or _RANDOM_TRIALS, seed)


def _in_turn(trials: Sequence[dict[str, Any]]) -> Proposals:
    for params in trials:
        yield {in_pipeline(name): value for name, value in params.items()}


def _drawn(space: Mapping[str, Space], n_iter: int, seed: int) -> list[dict[str, Any]]:
    # Of values alone there are so many combinations and no more.
    lists = [entry.values for entry in space.values() if entry.values is not None]
    size = math.prod(len(values) for values in lists) if len(lists) == len(space) else n_iter
    drawn = {name: entry.values or _Draw(entry) for name, entry in space.items()}
    return list(ParameterSampler(drawn, min(n_iter, size), random_state=seed))


class _Draw:
    """A range as scikit-learn draws from it."""

    def __init__(self, entry: Space) -> None:
        self._bounds, self._is_whole, self._log = entry.bounds, entry.is_whole, entry.log

    def rvs(self, random_state: np.random.RandomState) -> int | float:
        """One number."""
        (low, high), whole = self._bounds, self._is_whole
        if self._log:
            # Half a step further on both sides, so that the ends are as likely as their neighbours.
            ends = (low - 0.5, high + 0.5) if whole else (low, high)
            drawn = float(np.exp(random_state.uniform(*np.log(ends))))
            return int(np.clip(round(drawn), low, high)) if whole else drawn
        return int(random_state.randint(low, high + 1)) if whole else float(random_state.uniform(low, high))


def _by_optuna(space: Mapping[str, Space], n_iter: int, seed: int) -> Proposals:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for _ in range(n_iter):
        trial = study.ask()
        score = yield {in_pipeline(name): _suggested(trial, name, entry) for name, entry in space.items()}
        failed = optuna.trial.TrialState.FAIL if np.isnan(score) else None
        study.tell(trial, None if failed else score, state=failed)


def _suggested(trial: Any, name: str, entry: Space) -> Any:
    if entry.values is not None:
        # By position: a choice may be a list, which Optuna does not take.
        return entry.values[trial.suggest_categorical(name, list(range(len(entry.values))))]
    suggest = trial.suggest_int if entry.is_whole else trial.suggest_float
    return suggest(name, entry.low, entry.high, log=entry.log)


def in_pipeline(name: str) -> str:
    """The name that a parameter of the estimator has in the pipeline of features and model."""
    return name if name.startswith(("features__", "model__")) else f"model__{name}"


# --- search objects that model.py makes ---------------------------------------------------------

_SPACES = ("param_grid", "param_distributions")


def is_search(estimator: Any) -> bool:
    """Whether a function of ``model.py`` has made a search rather than an estimator."""
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    return {"estimator", "cv"} <= params.keys() and any(name in params for name in _SPACES)


def prepared(search: Any, model: SklearnPipeline, partition: Integers, score: Callable[..., float], who: str) -> Any:
    """``search`` over the whole pipeline ``model`` instead of its estimator alone, on folds in time.

    Raises:
        BadInput: its ``cv`` is neither a number nor a ``TimeSeriesSplit``.
    """
    params = search.get_params(deep=False)
    cv = params["cv"]
    if cv is None or isinstance(cv, int):
        like = TimeSeriesSplit(cv or DEFAULT_FOLDS)
    elif isinstance(cv, TimeSeriesSplit):
        like = cv
    else:
        raise BadInput(
            f"{who}: cv of the search is a {type(cv).__name__}, which may fit on what is later than what it judges. "
            "To fix: give a number of folds or a TimeSeriesSplit; both are applied to whole partitions."
        )
    changes: dict[str, Any] = {"estimator": model, "cv": time_folds(partition, like, who)}
    if params.get("scoring") is None:
        changes["scoring"] = score
    for name in _SPACES:
        if name in params:
            changes[name] = _renamed(params[name])
    return search.set_params(**changes)


def _renamed(space: Any) -> Any:
    if isinstance(space, Mapping):
        return {in_pipeline(name): values for name, values in space.items()}
    return [_renamed(part) for part in space]


# --- what came of it ------------------------------------------------------------------------------


def table(search: Any) -> pd.DataFrame:
    """A row per trial: parameters, mean and single scores (higher is better), rank, seconds of a fit."""
    if _has_results(search):
        results = search.cv_results_
        return pd.DataFrame({name: results[name] for name in results if not name.endswith(("score_time", "params"))})
    return pd.DataFrame(search.trials_dataframe())


def _has_results(search: Any) -> bool:
    # OptunaSearchCV has a table of the name with other columns.
    return "mean_test_score" in getattr(search, "cv_results_", {}) and "params" in search.cv_results_


def trial_scores(search: Any) -> Floats:
    """The mean score of each trial; NaN where one failed."""
    if _has_results(search):
        return np.asarray(search.cv_results_["mean_test_score"], dtype=float)
    return np.asarray([trial.value if trial.value is not None else np.nan for trial in search.trials_], dtype=float)


def plain(params: Mapping[str, Any], who: str) -> dict[str, Any]:
    """``params`` as JSON has them.

    Raises:
        BadInput: a value is more than numbers, texts, booleans and lists of them, so that no record could hold it.
    """
    return {name: _plain(value, name, who) for name, value in params.items()}


def _plain(value: Any, name: str, who: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, name, who) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, name, who) for key, item in value.items()}
    raise BadInput(
        f"{who}: the search chose {name} = {type(value).__name__}, which the ledger cannot record. To fix: search "
        "among numbers, texts, booleans and lists of them, and make each kind of estimator a candidate of its own."
    )
