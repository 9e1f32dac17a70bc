"""What the server says: typed, so that its OpenAPI document tells clients what to expect."""

import datetime as dt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, create_model

from include.perennial.gate.arrays import Floats
from include.perennial.gate.metrics import DECISION_THRESHOLD
from include.perennial.gate.tasks import Multiclass, Task
from include.perennial.serving.request import Problem
from include.perennial.spec import PipelineSpec
from include.perennial.spec.metrics import TaskKind


class RowAnswer(BaseModel):
    """Of one row."""

    model_version: str = Field(description="MLflow's number of the version that said so")


class Prediction(RowAnswer):
    """Of one row of a binary pipeline."""

    p: float = Field(ge=0, le=1, description="probability of class 1")
    class_: int = Field(alias="class", ge=0, le=1, description="1 where p is at least one half")


class NumberPrediction(RowAnswer):
    """Of one row of a regression."""

    prediction: float = Field(description="the expected value, in the unit of the target")


class PredictionsAnswer(BaseModel):
    """One prediction per row, in the order of the request."""

    pipeline: str
    predictions: list[Any]


def answer_type(spec: PipelineSpec) -> type[PredictionsAnswer]:
    """What requests of the pipeline are answered with: a row type by its task, with the names of its classes."""
    match spec.task:
        case TaskKind.REGRESSION:
            row: type[RowAnswer] = NumberPrediction
        case TaskKind.MULTICLASS:
            row = _classes_prediction(spec)
        case _:
            row = Prediction
    return create_model(
        f"{_camel(spec.name)}Answer",
        __base__=PredictionsAnswer,
        predictions=(list[row], Field()),  # type: ignore[valid-type]
    )


def _classes_prediction(spec: PipelineSpec) -> type[RowAnswer]:
    names: Any = Literal[tuple(map(str, spec.classes or ()))]
    return create_model(
        f"{_camel(spec.name)}Prediction",
        __base__=RowAnswer,
        __doc__="Of one row.",
        probabilities=(dict[names, float], Field(description="of each class; they add up to 1")),
        class_=(names, Field(alias="class", description="the likeliest")),
    )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def said(task: Task, p: Floats, versions: npt.NDArray[np.str_]) -> list[dict[str, Any]]:
    """Predictions ``p`` of each row and who gave them, as the row type of the task has them."""
    by = versions.tolist()
    if isinstance(task, Multiclass):
        likeliest = np.argmax(p, axis=1).tolist()
        return [
            {"probabilities": dict(zip(task.classes, row, strict=True)), "class": task.classes[n], "model_version": v}
            for row, n, v in zip(p.tolist(), likeliest, by, strict=True)
        ]
    if task.kind is TaskKind.REGRESSION:
        return [{"prediction": value, "model_version": v} for value, v in zip(p.tolist(), by, strict=True)]
    return [
        {"p": value, "class": int(value >= DECISION_THRESHOLD), "model_version": v}
        for value, v in zip(p.tolist(), by, strict=True)
    ]


class ErrorAnswer(BaseModel):
    """Why there is no prediction; ``problems`` are the first of what is wrong with the rows, which count from 1."""

    error: str
    problems: list[Problem] = []


class ModelAnswer(BaseModel):
    """A version that serves."""

    version: str
    cutoff: str = Field(description="key of the newest partition that it was trained on")
    since_utc: dt.datetime = Field(description="crowned, or registered")
    model_digest: str


class PipelineAnswer(BaseModel):
    """Who serves a pipeline, and what its requests hold."""

    champion: ModelAnswer | None
    challenger: ModelAnswer | None
    canary_pct: float = Field(description="percentage of the keys that the challenger answers now")
    shadow: bool = Field(description="whether the challenger predicts beside the champion now")
    frozen: bool
    problems: list[str]
    ledger_read_utc: dt.datetime | None
    columns: dict[str, str]


class ReadyAnswer(BaseModel):
    """Whether every pipeline has a champion that serves."""

    ready: bool
    pipelines: dict[str, str]
