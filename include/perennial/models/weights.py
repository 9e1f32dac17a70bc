"""Sample weights of training rows: a column of the data or a function of ``model.py``; never a feature."""

from collections.abc import Callable

import numpy as np

from include.perennial.errors import DataError, SpecError
from include.perennial.gate.arrays import Floats
from include.perennial.messages import did_you_mean
from include.perennial.models.folder_code import told
from include.perennial.models.frames import Labelled, checked_weights
from include.perennial.pipeline_folder import Pipeline

Weigh = Callable[[Labelled], Floats | None]
"""Sample weights of rows, shape ``(n,)``; None where all count the same."""


def own_weights(rows: Labelled) -> Floats | None:
    """The column of weights that came with ``rows``, if there is one."""
    return rows.weights


def weigher(pipeline: Pipeline) -> Weigh:
    """How the pipeline weighs training rows.

    Raises:
        SpecError: ``weights`` names a function that ``model.py`` does not have.
    """
    if pipeline.spec.weights is None:
        return own_weights
    name = pipeline.spec.weights.removeprefix("model.")
    module = pipeline.load_module("model")
    function = getattr(module, name, None)
    where = f"{pipeline.folder / 'pipeline.yaml'}: weights"
    if not callable(function):
        raise SpecError(f"{where}: model.{name} does not exist{did_you_mean(name, dir(module))}.")

    def weigh(rows: Labelled) -> Floats:
        with told(f"Sample weights cannot be made by model.{name}", "weights"):
            values = np.asarray(function(rows.x.copy(), rows.y.copy()), dtype=float)
        if values.shape != (len(rows),):
            raise DataError(
                f"Sample weights of model.{name} have shape {values.shape}: expected one per row, ({len(rows)},)."
            )
        return checked_weights(values, f"model.{name}")

    return weigh
