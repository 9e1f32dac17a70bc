"""Reproduce: rebuild a registered version from what was recorded of it, and say whether it is the same.

``run``         find what was recorded, rebuild, compare
``code``        the recorded commit's own code in a process of its own: files that Git takes out of the checkout, the
                packages that are installed now, the data of the recorded commit of the data registry
``comparison``  the model's file, the predictions of the holdout and the metrics, then and now
``outcome``     what came of it

What runs in that process is ``steps/rebuild.py``.
"""

from include.perennial.steps.reproduce.outcome import Compared, Outcome, Reproduction
from include.perennial.steps.reproduce.run import reproduce

__all__ = ["Compared", "Outcome", "Reproduction", "reproduce"]
