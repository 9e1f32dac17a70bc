"""Model files in MLflow, and the copies of them on this machine, against the digests of the ledger."""

import tempfile
from functools import partial
from pathlib import Path

from include.perennial.contracts import Registration
from include.perennial.errors import IntegrityError
from include.perennial.folder_records import differences, folder_records
from include.perennial.messages import clipped
from include.perennial.models.model_cache import ModelCache
from include.perennial.steps.verify.finding import Area, Finding, Found, Stores
from include.perennial.steps.verify.records import registrations


def stored(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Every registered version's files in MLflow; an intact copy on this machine can replace them."""
    registered, found = registrations(name, stores), []
    for one in registered:
        problem = _stored_problem(one, stores)
        if problem is None:
            continue
        copy = _cache(stores).copy_of(one.model)
        intact = copy is not None and not differences(one.model.files, folder_records(copy))
        fix = "Restore MLflow's artifact store from a backup, or roll back and train again."
        finding = Finding(
            pipeline=name,
            area=Area.MODELS,
            what="the files of a model are not what was recorded",
            where=f"version {one.version} ({one.model.model_uri})",
            expected=f"{len(one.model.files)} files with the SHA-256 of the ledger",
            found=clipped(problem, 600),
            fix="`verify --repair` uploads this machine's intact copy." if intact else fix,
            repairable=intact,
        )
        repair = partial(stores.tracking.restore_model, one.model, copy) if intact and copy else None
        found.append(Found(finding, repair))
    return len(registered), found


def copies(name: str, stores: Stores) -> tuple[int, list[Found]]:
    """Every copy on this machine of a registered version's files."""
    cache, n, found = _cache(stores), 0, []
    for one in registrations(name, stores):
        copy = cache.copy_of(one.model)
        if copy is None:
            continue
        n += 1
        if problems := differences(one.model.files, folder_records(copy)):
            finding = Finding(
                pipeline=name,
                area=Area.MODEL_CACHE,
                what="this machine's copy of a model is damaged",
                where=str(copy),
                expected=f"the files of version {one.version} as the ledger has them",
                found=clipped("; ".join(problems), 600),
                fix="`verify --repair` fetches it again; so does the next scoring.",
                repairable=True,
            )
            found.append(Found(finding, partial(cache.replace, one.model)))
    return n, found


def _stored_problem(one: Registration, stores: Stores) -> str | None:
    with tempfile.TemporaryDirectory(prefix="perennial-verify-") as folder:
        try:
            downloaded = stores.registry.download(one.model.model_uri, Path(folder))
        except IntegrityError as error:
            return str(error)
        return "; ".join(differences(one.model.files, folder_records(downloaded))) or None


def _cache(stores: Stores) -> ModelCache:
    return ModelCache.open(stores.settings, stores.tracking.download)
