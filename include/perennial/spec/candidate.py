"""What ``pipeline.yaml`` says of a candidate: an estimator, its parameters, and which of them are searched for."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from include.perennial.spec.fields import Spec, is_none, refused
from include.perennial.spec.metrics import Metric
from include.perennial.spec.words import found

MOST_TRIALS = 1000
FEWEST_FOLDS = 2
"""Fewest folds of a search: one fold would choose by the luck of one period."""

Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$", max_length=200)]
ModelFunction = Annotated[str, StringConstraints(pattern=r"^model\.[A-Za-z_]\w*$")]
TrustedType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=200)]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"is {found(value)}: expected a number")
    return value


Number = Annotated[Any, AfterValidator(_number), WithJsonSchema({"type": "number"})]


class Space(Spec):
    """What one parameter may be: a list of values, or numbers from ``low`` to ``high``, integers if both are.

    With ``log`` numbers are drawn evenly in their logarithm.
    """

    values: list[Any] | None = Field(None, min_length=1, exclude_if=is_none, description="may stand alone, as a list")
    low: Number | None = Field(None, exclude_if=is_none)
    high: Number | None = Field(None, exclude_if=is_none)
    log: bool = False

    @model_validator(mode="before")
    @classmethod
    def _list_stands_for_values(cls, given: Any) -> Any:
        return {"values": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "Space":
        is_range = self.low is not None and self.high is not None
        if (self.values is None) != is_range or (self.low is None) != (self.high is None):
            raise refused("is neither: expected a list of values, or a mapping with low and high")
        if self.low is None or self.high is None:
            return self
        if not self.low < self.high:
            raise refused(f"is {self.high}: expected more than low, {self.low}", ("high",))
        if self.log and self.low <= 0:
            raise refused(f"is {self.low}: expected more than 0, since log is true", ("low",))
        return self

    @property
    def bounds(self) -> tuple[Any, Any]:
        """``low`` and ``high`` of a range."""
        return self.low, self.high

    @property
    def is_whole(self) -> bool:
        """Whether integers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Search(Spec):
    """A search for parameters within the training partitions, each fold judged on later ones than it was fitted on."""

    kind: Literal["grid", "random", "optuna"]
    space: dict[Parameter, Space] = Field(
        min_length=1, description="by parameter of the estimator, or features__<parameter>"
    )
    n_iter: int | None = Field(None, ge=1, le=MOST_TRIALS, description="trials of random (20 if empty) and optuna")
    folds: int = Field(3, ge=FEWEST_FOLDS, le=20, description="of TimeSeriesSplit over the training partitions")
    timeout_s: float = Field(600, gt=0, le=86_400, description="seconds after which no further trial is begun")
    metric: Metric | None = Field(None, description="what is searched for; the loss behind selection_metric if empty")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Search":
        if self.kind != "grid":
            return self
        if self.n_iter is not None:
            raise refused("is for random and optuna: expected no such key, a grid tries all its values", ("n_iter",))
        size = 1
        for name, values in self.space.items():
            if values.values is None:
                raise refused(f"is a range: expected a list of values for {name}, or kind: random", ("space", name))
            size *= len(values.values)
        if size > MOST_TRIALS:
            text = f"has {size:,} combinations: expected {MOST_TRIALS:,} or fewer, or kind: random with n_iter"
            raise refused(text, ("space",))
        return self


class Candidate(Spec):
    """One estimator to try: a class of scikit-learn, LightGBM or XGBoost, or a function of ``model.py``."""

    estimator: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", description="dotted path of a class, or model.<function>"
    )
    params: dict[str, Any] = Field(default_factory=dict)
    search: Search | None = Field(
        None, exclude_if=is_none, description="parameters to search for, in the training partitions"
    )


def require_searches_fit(candidates: dict[str, Candidate], n_partitions: int, metrics: tuple[Metric, ...]) -> None:
    """Refuse a search that the window is too short for, or whose metric is not of the task or needs a baseline."""
    for name, candidate in candidates.items():
        if candidate.search is None:
            continue
        at = ("candidates", name, "search")
        # The newest training partition selects among candidates: no search sees it.
        if candidate.search.folds > n_partitions - 2:
            text = f"is {candidate.search.folds}: expected at most window.partitions - 2, {n_partitions - 2}"
            raise refused(f"{text}: one partition selects the candidate, and each fold needs an earlier one",
                          (*at, "folds"))  # fmt: skip
        allowed = [metric for metric in metrics if metric not in LOSS_BEHIND]
        if candidate.search.metric is not None and candidate.search.metric not in allowed:
            text = f"is {candidate.search.metric}: expected one of {', '.join(allowed)}"
            raise refused(text, (*at, "metric"))


LOSS_BEHIND = {
    Metric.LOG_LOSS_SKILL: Metric.LOG_LOSS,
    Metric.MSE_SKILL: Metric.RMSE,
    Metric.POISSON_DEVIANCE_SKILL: Metric.MEAN_POISSON_DEVIANCE,
}
"""Skill scores need the training labels' constant forecast; within one fold the loss behind ranks the same."""
