"""All checks of some pipelines, one area after the other, and the repairs."""

from collections import Counter
from collections.abc import Callable, Sequence

from include.perennial.errors import BadInput, PerennialError, Unavailable
from include.perennial.messages import did_you_mean, shown, shown_names
from include.perennial.settings import Settings
from include.perennial.steps.verify import data, files, models, records
from include.perennial.steps.verify.finding import Area, Found, Stores, Verification

Check = Callable[[str, Stores], tuple[int, list[Found]]]
_CHECKS: dict[Area, Check] = {
    Area.LEDGER: records.chain,
    Area.LEDGER_END: records.end,
    Area.VERSIONS: records.versions,
    Area.ALIASES: records.aliases,
    Area.MODELS: models.stored,
    Area.MODEL_CACHE: models.copies,
    Area.DATA: data.remote,
    Area.DATA_CACHE: data.copies,
    Area.PREDICTIONS: files.predictions,
    Area.DECISIONS: files.decisions,
}
_OF_MLFLOW = {Area.LEDGER_END, Area.VERSIONS, Area.ALIASES, Area.MODELS, Area.DECISIONS}


def verify(settings: Settings, pipelines: Sequence[str] = (), *, repair: bool = False) -> Verification:
    """Look at everything that is recorded of ``pipelines`` (default: all of the ledger); with ``repair`` mend it.

    What was mended is looked at again: a finding counts as repaired only if it is gone then. A store that does not
    answer hides its own area and no other.

    Raises:
        BadInput: the ledger has no such pipeline.
        Unavailable: the ledger does not answer, against which everything is held.
    """
    stores = Stores.open(settings)
    known = stores.ledger.pipelines()
    for name in pipelines:
        if name not in known:
            raise BadInput(
                f"The ledger has no pipeline {shown(name)}{did_you_mean(name, known)}: "
                f"it has {shown_names(known) or 'none'}."
            )
    names = tuple(pipelines) or tuple(known)
    counts, found, hidden = _look(names, stores)
    left = {one.finding.place for one in found}
    if repair and (hidden_by := _mend(found)) is not None:
        hidden += hidden_by
        left = {one.finding.place for one in _look(names, stores)[1]}
    findings = tuple(one.finding.model_copy(update={"repaired": one.finding.place not in left}) for one in found)
    return Verification(pipelines=names, looked_at=counts, findings=findings, not_looked_at=tuple(hidden))


def _look(names: Sequence[str], stores: Stores) -> tuple[dict[Area, int], list[Found], list[str]]:
    counts: Counter[Area] = Counter()
    found: list[Found] = []
    hidden: dict[str, list[str]] = {}
    down = ""
    for name in names:
        for area, check in _CHECKS.items():
            if down and area in _OF_MLFLOW:
                hidden[down].append(f"{area} of {name}")
                continue
            try:
                n, problems = check(name, stores)
            except Unavailable as error:
                # MLflow is waited for once: its areas share the reason.
                down = str(error) if area in _OF_MLFLOW else down
                hidden.setdefault(str(error), []).append(f"{area} of {name}")
                continue
            counts[area] += n
            found += problems
    return dict(counts), found, [f"{', '.join(areas)}: {why}" for why, areas in hidden.items()]


def _mend(found: Sequence[Found]) -> list[str] | None:
    """Repair what can be repaired; why some could not be. None if there was nothing to do."""
    repairs = [(one.finding.where, one.repair) for one in found if one.repair is not None]
    failures = []
    for where, repair in repairs:
        try:
            repair()
        except PerennialError as error:
            failures.append(f"{where} was not mended: {error}")
    return failures if repairs else None
