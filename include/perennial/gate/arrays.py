"""The arrays that cross the gate: numbers, and integer codes or labels."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]
Labels = npt.NDArray[Any]
"""Classes as integers, or the numbers of a regression."""
Baseline = float | tuple[float, ...]
"""The constant forecast learned from training labels: a rate, a mean, or the share of each class."""
