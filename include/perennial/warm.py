"""What a process does slowly the first time, done once in the fork server so that no forked task does it again.

Fonts are found, the environment is digested, and what is imported leaves the garbage collector's sight: a task's
collections would walk, and by walking copy, everything that it shares with the server.
Nothing here starts a thread or opens a connection, so that forking stays safe.
"""

import atexit
import gc

import numpy as np

import include.perennial.preload  # noqa: F401 - the libraries themselves
from include.perennial.models.plots import curves
from include.perennial.provenance import environment_digest

curves(np.array([0, 1]), np.array([0.2, 0.8]))
environment_digest()
gc.collect()
gc.freeze()
# Else DuckDB, as it ends, takes what is frozen for leaked and fills the log with it.
atexit.register(gc.unfreeze)
