"""Verify: is everything that was recorded still there, and still what it was? And mend what can be mended.

``finding``  what was found wrong, and what can be done
``run``      all checks of some pipelines, and the repairs
``records``  the ledger's hash chain, MLflow's versions and aliases against it
``models``   model files in MLflow and the copies on this machine
``data``     every recorded partition: its entry, its object in the DVC remote, its copy on this machine
``files``    predictions, decisions and the prediction log

The ledger is what everything is held against. It is never changed, but that a mended alias is recorded in it.
"""

from include.perennial.steps.verify.finding import Area, Finding, Verification
from include.perennial.steps.verify.run import verify

__all__ = ["Area", "Finding", "Verification", "verify"]
