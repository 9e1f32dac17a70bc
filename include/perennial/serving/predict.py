"""Predictions of a request's rows: the champion's, and the challenger's where a row is in its share."""

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.gate.evidence import Floats
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import first_line
from include.perennial.serving.request import Refusal
from include.perennial.serving.roster import Roster, Serving

log = logging.getLogger(__name__)


class CannotScore(Exception):
    """A model raised on rows that are of the declared types, or gave none of the task's predictions.

    ``status`` is HTTP's. A model has scored its own example before it serves, so that what it raises later is about
    the rows: 422. No predictions for rows that it takes are its own fault: 500.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Answers:
    """One entry per row, in the order of the request: predictions ``p`` and the version that said so.

    ``is_canary`` marks the rows that the challenger answered; ``fell_back`` says that it should have and failed.
    """

    p: Floats
    versions: npt.NDArray[np.str_]
    is_canary: npt.NDArray[np.bool_]
    fell_back: bool = False


def answer(roster: Roster, frame: pd.DataFrame, is_canary: npt.NDArray[np.bool_], task: Task = BINARY) -> Answers:
    """What is answered for the rows of ``frame``; ``is_canary`` (shape ``(n,)``) asks the challenger for some.

    A challenger that fails fails nobody's request: the champion answers its rows.

    Raises:
        Refusal: 503 without a champion, 422 or 500 where it cannot score the rows.
    """
    champion, challenger = roster.champion, roster.challenger
    if champion is None:
        raise Refusal(503, "There is no champion to answer: the ledger names none, or none is loaded yet.")
    parts, fell_back = [], False
    if challenger is not None and is_canary.any():
        try:
            parts.append((is_canary, predictions(challenger, frame[is_canary], task)))
        except CannotScore as error:
            log.warning("The champion answers for the challenger: %s", error)
            is_canary, fell_back = np.zeros(len(frame), bool), True
    else:
        is_canary = np.zeros(len(frame), bool)
    try:
        if not is_canary.all():
            parts.append((~is_canary, predictions(champion, frame[~is_canary], task)))
    except CannotScore as error:
        log.warning("A request is not answered: %s", error)
        raise Refusal(error.status, str(error)) from error
    p = np.empty((len(frame), *parts[0][1].shape[1:]))
    for rows, values in parts:
        p[rows] = values
    versions = np.where(is_canary, challenger.version if challenger else "", champion.version)
    return Answers(p, versions, is_canary, fell_back)


def predictions(serving: Serving, rows: pd.DataFrame, task: Task = BINARY) -> Floats:
    """Predictions of the task for each row, shape ``(n,)`` or ``(n, classes)``.

    Raises:
        CannotScore: the model raises, or what it gives is none of the task's predictions.
    """
    try:
        p = task.predict(serving.model, rows)
    except Exception as error:
        sentence = f"Version {serving.version} cannot score these rows: {type(error).__name__}: {first_line(error)}."
        raise CannotScore(422, sentence) from error
    if not task.are_sound(p):
        raise CannotScore(500, f"Version {serving.version} gives no {task.given_words} for some of these rows.")
    return p
