"""What a person does to the champion: roll back, promote, freeze, unfreeze. With a reason, as a dry run first.

``change``    what was done, or would be done
``proof``     a version is loaded and tried before a person crowns it
``crowning``  roll back to an earlier champion, or promote a registered version against the gate
``trial``     a new champion that is surely worse than the one before is rolled back, where the spec asks for it
``freezing``  keep the champion, whatever is trained

The ledger's transaction decides and expects the champion that was looked at; MLflow's alias follows. A request that
was killed is completed by the same request: what it committed is found, and the alias follows.
"""

from include.perennial.steps.champion.change import REASON_CHARS, Action, ChampionChange, ChampionStores
from include.perennial.steps.champion.crowning import promote, rollback
from include.perennial.steps.champion.freezing import freeze, unfreeze
from include.perennial.steps.champion.proof import NotFit, prove
from include.perennial.steps.champion.trial import Trial, TrialOutcome, try_champion

__all__ = [
    "REASON_CHARS",
    "Action",
    "ChampionChange",
    "ChampionStores",
    "NotFit",
    "Trial",
    "TrialOutcome",
    "freeze",
    "promote",
    "prove",
    "rollback",
    "try_champion",
    "unfreeze",
]
