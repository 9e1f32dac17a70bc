"""How a candidate can be held against the champion: on which rows, and with which predictions of the champion.

Only rows that neither has trained on count. Which those are follows from the cutoffs alone:

- the champion's cutoff is earlier than the candidate's: its stored model scores the holdout rows after its cutoff;
- both have the same cutoff (two runs of one week): a rival. If the champion was refitted on the holdout, its
  predictions from before the refit are compared, as they were recorded when it was judged;
- the champion's cutoff is later: the candidate belongs to the past.
"""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from include.perennial.contracts import Decision, ModelFile
from include.perennial.errors import IntegrityError, SpecError
from include.perennial.gate.evidence import Comparison, Floats
from include.perennial.gate.tasks import task_of
from include.perennial.messages import first_line
from include.perennial.models import model_file, predictions
from include.perennial.models.predictions import HoldoutPredictions
from include.perennial.pipeline_folder import Pipeline
from include.perennial.stores.datasets import DataRegistry
from include.perennial.stores.ledger import Champion, EventKind, Ledger
from include.perennial.stores.objects import ObjectStore

log = logging.getLogger(__name__)

# What scoring raises when the champion's feature code does not know the columns of today.
_CANNOT_SCORE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class ModelSource(Protocol):
    """Where stored models come from: ``stores.tracking.runs.Tracking``, or a folder in a replay."""

    def download(self, model: ModelFile, target: Path) -> Path:
        """The stored files of ``model`` in a folder, unchecked; at most ``target`` is written to."""


@dataclass(frozen=True)
class Stores:
    """Every store that judging reads from or writes to."""

    registry: DataRegistry
    objects: ObjectStore
    tracking: ModelSource
    ledger: Ledger


@dataclass(frozen=True)
class Standing:
    """``rows`` (shape ``(n,)``, one per holdout row) are judged; ``p_champion`` has one entry for each of them."""

    comparison: Comparison
    rows: npt.NDArray[np.bool_]
    champion: Champion | None = None
    p_champion: Floats | None = None
    reason: str = ""


class _NotComparable(Exception):
    """There is a champion, and its predictions of these rows cannot be had."""


def stand(
    pipeline: Pipeline,
    cutoff: str,
    champion: Champion | None,
    candidate: HoldoutPredictions,
    features: Callable[[], pd.DataFrame],
    stores: Stores,
) -> Standing:
    """Where a candidate with ``cutoff`` stands against ``champion``.

    Args:
        cutoff: of the model that would be crowned, so after the refit if there is one.
        candidate: predictions of the judged, not refitted candidate.
        features: gives the holdout's features, rows as in ``candidate``; called only if the champion scores them.

    Raises:
        Unavailable: a store does not answer. An outage is never taken for "no champion" or "incomparable".
    """
    everything = np.ones(len(candidate.y), dtype=bool)
    if champion is None:
        return Standing(Comparison.FIRST, everything)
    if champion.cutoff > cutoff:
        return Standing(Comparison.PAST, everything, champion)
    comparison = Comparison.RIVAL if champion.cutoff == cutoff else Comparison.RESCORED
    unseen = candidate.partition > champion.cutoff
    try:
        if unseen.any():
            return Standing(
                comparison, unseen, champion, _rescored(pipeline, champion, features().loc[unseen], stores.tracking)
            )
        rows, p_champion = _recorded(pipeline, champion, candidate, stores)
        return Standing(comparison, rows, champion, p_champion)
    except _NotComparable as error:
        log.warning("%s: champion %s cannot be compared: %s", pipeline.spec.name, champion.version, error)
        return Standing(Comparison.INCOMPARABLE, everything, champion, reason=str(error))


def _rescored(pipeline: Pipeline, champion: Champion, x: pd.DataFrame, tracking: ModelSource) -> Floats:
    try:
        with tempfile.TemporaryDirectory() as folder:
            downloaded = tracking.download(champion.model, Path(folder))
            stored, trusted = champion.model, pipeline.spec.trusted_types
            model = model_file.load(downloaded, stored.files, stored.trusted_types, trusted)
        return task_of(pipeline.spec).predict(model, x)
    except (IntegrityError, SpecError) as error:
        raise _NotComparable(f"its model cannot be loaded. {error}") from error
    except _CANNOT_SCORE as error:
        raise _NotComparable(
            f"its model cannot score these rows: {type(error).__name__}: {first_line(error)}"
        ) from error


def _recorded(
    pipeline: Pipeline, champion: Champion, candidate: HoldoutPredictions, stores: Stores
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """The holdout rows that the champion's judgement was about too, and its predictions of them."""
    theirs = _recorded_predictions(pipeline.spec.name, champion, stores)
    key = pipeline.spec.data.key
    if missing := [column for column in key if column not in theirs.rows]:
        raise _NotComparable(f"its recorded predictions lack the key column {missing[0]}")
    if theirs.p.shape[1:] != candidate.p.shape[1:]:
        raise _NotComparable("its recorded predictions are of another task or of other classes")
    by_row = pd.Series(range(len(theirs.p)), index=theirs.identities(key))
    if not by_row.index.is_unique:
        raise _NotComparable(f"data.key ({', '.join(key)}) does not tell the rows of its holdout apart")
    at = by_row.reindex(candidate.identities(key)).to_numpy()
    found = ~np.isnan(at)
    if not found.any():
        raise _NotComparable("it was judged on other rows and has trained on these")
    return found, theirs.p[at[found].astype(int)]


def _recorded_predictions(name: str, champion: Champion, stores: Stores) -> HoldoutPredictions:
    judged = stores.ledger.find(name, EventKind.JUDGED, champion.run_key)
    record = Decision.model_validate(judged.payload).predictions if judged else None
    if record is None:
        raise _NotComparable("it has trained on these rows and no predictions from before that are recorded")
    try:
        return predictions.from_parquet(stores.objects.get_bytes(record.name, record.sha256))
    except IntegrityError as error:
        raise _NotComparable(f"its recorded predictions cannot be read. {error}") from error
