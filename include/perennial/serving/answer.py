"""What the server says: typed, so that its OpenAPI document tells clients what to expect."""

import datetime as dt

from pydantic import BaseModel, Field

from include.perennial.serving.request import Problem


class Prediction(BaseModel):
    """Of one row."""

    p: float = Field(ge=0, le=1, description="probability of class 1")
    class_: int = Field(alias="class", ge=0, le=1, description="1 where p is at least one half")
    model_version: str = Field(description="MLflow's number of the version that said so")


class PredictionsAnswer(BaseModel):
    """One prediction per row, in the order of the request."""

    pipeline: str
    predictions: list[Prediction]


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
