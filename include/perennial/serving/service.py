"""One pipeline as the server offers it: from the bytes of a request to its answers, recorded."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from include.perennial.gate.tasks import Task
from include.perennial.partitions import UTC
from include.perennial.serving.answer import ModelAnswer, PipelineAnswer, PredictionsAnswer, said
from include.perennial.serving.follower import Follower
from include.perennial.serving.predict import Answers, answer
from include.perennial.serving.recorder import Answered, Recorder
from include.perennial.serving.request import RequestRows
from include.perennial.serving.roster import Roster, Serving
from include.perennial.serving.shadow import Asked, Shadow
from include.perennial.serving.split import positions
from include.perennial.spec import PipelineSpec


@dataclass(frozen=True)
class Service:
    """Everything that a request of one pipeline needs."""

    spec: PipelineSpec
    task: Task
    answer_type: type[PredictionsAnswer]
    rows: RequestRows
    follower: Follower
    recorder: Recorder
    shadow: Shadow
    canary_pct: float

    def predict(self, body: bytes) -> tuple[PredictionsAnswer, Answers]:
        """Answer ``body``, with who is champion now, whatever the ledger says a moment later.

        Raises:
            Refusal: the body is not what the spec declares, or nobody can answer it.
        """
        roster = self.follower.roster
        table, frame = self.rows.read(body)
        answers = answer(roster, frame, self._canary(roster, table), self.task)
        self._record(roster, table, frame, answers)
        predictions = said(self.task, answers.p, answers.versions)
        return self.answer_type.model_validate({"pipeline": self.spec.name, "predictions": predictions}), answers

    def describe(self) -> PipelineAnswer:
        """Who serves now."""
        roster = self.follower.roster
        return PipelineAnswer(
            champion=_described(roster.champion),
            challenger=_described(roster.challenger),
            canary_pct=100 * self._share(roster),
            shadow=self.spec.score.shadow and roster.challenger is not None,
            frozen=roster.is_frozen,
            problems=list(roster.problems),
            ledger_read_utc=roster.looked_utc,
            columns={name: str(kind) for name, kind in self.rows.columns.items()},
        )

    def _share(self, roster: Roster) -> float:
        # Who froze a pipeline wants the champion and nobody else.
        return 0.0 if roster.challenger is None or roster.is_frozen else self.canary_pct / 100

    def _canary(self, roster: Roster, table: pa.Table) -> npt.NDArray[np.bool_]:
        share = self._share(roster)
        if roster.challenger is None or not share:
            return np.zeros(table.num_rows, bool)
        return positions(table, self.spec.data.key, roster.challenger.version) < share

    def _record(self, roster: Roster, table: pa.Table, frame: pd.DataFrame, answers: Answers) -> None:
        data = self.spec.data
        named = table.select(list(dict.fromkeys((data.time, *data.key))))
        now = dt.datetime.now(UTC)
        answered = Answered(
            *(self.spec.name, self.spec.period, data.time, named, answers.p, answers.versions, now), task=self.task
        )
        self.recorder.add(answered)
        if self.spec.score.shadow and roster.challenger is not None and not answers.is_canary.all():
            by_champion = ~answers.is_canary
            rows = named.filter(pa.array(by_champion))
            part = Answered(
                *(self.spec.name, self.spec.period, data.time, rows),
                *(answers.p[by_champion], answers.versions[by_champion], now),
                task=self.task,
            )
            self.shadow.ask(Asked(roster.challenger, frame[by_champion], part))


def _described(serving: Serving | None) -> ModelAnswer | None:
    if serving is None:
        return None
    wanted = serving.wanted
    return ModelAnswer(
        version=wanted.version,
        cutoff=wanted.cutoff,
        since_utc=wanted.since_utc,
        model_digest=wanted.model.model_digest,
    )
