"""A registered version as the ledger knows it: its files, and the decision that made it."""

from include.perennial.contracts import Decision, Registration
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.messages import shown, shown_names
from include.perennial.stores.ledger import Event, EventKind, Ledger, Registered

SHOWN_VERSIONS = 30


def find_registered(name: str, version: str, ledger: Ledger) -> tuple[Registration, Event]:
    """``version`` of pipeline ``name``, and the ``judged`` event of its run.

    Raises:
        BadInput: there is no such version.
        IntegrityError: the decision behind it is missing.
    """
    versions = {str(event.payload["version"]): event for event in ledger.events(name, [EventKind.REGISTERED])}
    if version not in versions:
        raise BadInput(
            f"Version {shown(version)} of {name} is not registered: versions are "
            f"{shown_names(versions, SHOWN_VERSIONS) or 'none'}."
        )
    registration = Registered.model_validate(versions[version].payload).registration
    judged = ledger.find(name, EventKind.JUDGED, registration.run_key)
    if judged is None:
        raise IntegrityError(
            f"The ledger has no decision of run {registration.run_key}, which made version {version} of {name}: "
            "run `verify`."
        )
    return registration, judged


def decision_of(judged: Event) -> Decision:
    """The decision that a ``judged`` event records."""
    return Decision.model_validate(judged.payload)
