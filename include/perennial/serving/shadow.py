"""Asks the challenger about rows that the champion has answered, after the answer is out; nobody acts on it."""

import queue
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from include.perennial.serving.predict import CannotScore, predictions
from include.perennial.serving.recorder import Answered, Recorder
from include.perennial.serving.roster import Serving
from include.perennial.serving.worker import Worker

_WAITING_REQUESTS = 16
_LOOK_S = 0.2


@dataclass(frozen=True)
class Asked:
    """Rows that the champion ``answered``, as a model is given them, for ``challenger``."""

    challenger: Serving
    frame: pd.DataFrame
    answered: Answered


class Shadow(Worker):
    """One thread and a short queue. Rows that do not fit are skipped and counted, so that answers never wait."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__("ask-challenger")
        self._recorder = recorder
        self._queue: queue.Queue[Asked] = queue.Queue(_WAITING_REQUESTS)
        self.rows = self.skipped_rows = self.failed_rows = 0

    def ask(self, asked: Asked) -> None:
        """Have ``asked`` predicted and recorded; never waits."""
        try:
            self._queue.put_nowait(asked)
        except queue.Full:
            self.skipped_rows += len(asked.frame)

    def work(self) -> None:
        while not self._stopping.is_set():
            try:
                asked = self._queue.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            self._predict(asked)

    def _predict(self, asked: Asked) -> None:
        try:
            p = predictions(asked.challenger, asked.frame, asked.answered.task)
        except CannotScore:
            self.failed_rows += len(asked.frame)
            return
        versions = np.full(len(p), asked.challenger.version)
        self._recorder.add(replace(asked.answered, p=p, versions=versions, shadow=True))
        self.rows += len(p)
