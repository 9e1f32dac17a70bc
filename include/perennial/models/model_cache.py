"""Verified copies of model files on this machine, so that scoring goes on while MLflow is down.

A model is looked up by its digest and checked against its record in the ledger every time it is loaded, whether
it comes from MLflow or from here. A copy that was changed is fetched again, never used.
"""

import contextlib
import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile
from include.perennial.digests import digest
from include.perennial.errors import IntegrityError
from include.perennial.models import model_file
from include.perennial.settings import Settings

log = logging.getLogger(__name__)

Download = Callable[[ModelFile, Path], Path]
KEPT_MODELS = 32
_INCOMING = ".incoming-"
_ABANDONED_S = 24 * 3600


class ModelCache:
    """Copies under one folder, shared by all processes of a machine."""

    def __init__(self, folder: Path, download: Download) -> None:
        """``download`` writes the stored files of a model below a folder, unchecked, and says where they are."""
        self._folder = folder
        self._download = download

    @classmethod
    def open(cls, settings: Settings, download: Download) -> "ModelCache":
        """The cache under ``settings.home``."""
        return cls(settings.home / "cache" / "models", download)

    def load(self, model: ModelFile, also_trusted: Collection[str] = ()) -> SklearnPipeline:
        """The model, from its copy here if there is an intact one, else from its store.

        ``also_trusted`` are the types that the pipeline's spec trusts beyond ``model_file.TRUSTED_TYPES``.

        Raises:
            IntegrityError: the stored files are not those of the record, or hold a type that is not trusted.
            Unavailable: there is no intact copy here and the store does not answer.
        """
        copy = self._folder / _name(model)
        if not copy.is_dir():
            return self._fetched(model, copy, also_trusted)
        try:
            # Before the files are read: whoever makes room next sees that this copy is in use.
            os.utime(copy)
            return model_file.load(copy, model.files, model.trusted_types, also_trusted)
        except FileNotFoundError:
            log.info("The copy of model %s was removed meanwhile; fetching it again", copy.name)
        except IntegrityError as error:
            log.warning("The copy of model %s is not used: %s Fetching it again", copy.name, error)
        return self._fetched(model, copy, also_trusted)

    def keep(self, model: ModelFile) -> None:
        """Have a copy here before it is needed; what is in it is checked when it is loaded.

        Raises:
            IntegrityError: the store has no such files.
            Unavailable: the store does not answer.
        """
        copy = self._folder / _name(model)
        if not copy.is_dir():
            with self._downloaded(model, copy):
                log.info("Keeping a copy of model %s", copy.name)

    def copy_of(self, model: ModelFile) -> Path | None:
        """Where the copy of ``model`` is, intact or not; None if there is none."""
        copy = self._folder / _name(model)
        return copy if copy.is_dir() else None

    def replace(self, model: ModelFile) -> None:
        """Put what is stored in the place of the copy, once it was found to be intact.

        Raises:
            IntegrityError: the stored files are not those of the record.
            Unavailable: the store does not answer.
        """
        with self._downloaded(model, self._folder / _name(model)) as folder:
            model_file.check_files(folder, model.files)

    def _fetched(self, model: ModelFile, copy: Path, also_trusted: Collection[str]) -> SklearnPipeline:
        # Loaded from where nobody else looks: other processes may be replacing the same copy.
        with self._downloaded(model, copy) as folder:
            return model_file.load(folder, model.files, model.trusted_types, also_trusted)

    @contextlib.contextmanager
    def _downloaded(self, model: ModelFile, copy: Path) -> Iterator[Path]:
        """The stored files in a folder that becomes ``copy`` if the block ends without an error."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_INCOMING, dir=self._folder) as scratch:
            target = Path(scratch, "model")
            target.mkdir()
            downloaded = self._download(model, target)
            yield downloaded
            _put(downloaded, copy, Path(scratch, "replaced"))
        self._make_room()

    def _make_room(self) -> None:
        copies = [path for path in self._folder.iterdir() if not path.name.startswith(_INCOMING)]
        oldest = sorted(copies, key=_modified_s)[:-KEPT_MODELS]
        long_ago_s = time.time() - _ABANDONED_S
        abandoned = [path for path in self._folder.glob(f"{_INCOMING}*") if _modified_s(path) < long_ago_s]
        for path in (*oldest, *abandoned):
            shutil.rmtree(path, ignore_errors=True)


def _name(model: ModelFile) -> str:
    # One model may be stored twice, with other files around it.
    return f"{model.model_digest[:24]}-{digest([[file.name, file.sha256] for file in model.files])[:16]}"


def _put(folder: Path, copy: Path, replaced: Path) -> None:
    """Move ``folder`` to ``copy``; what stands there goes to ``replaced``."""
    with contextlib.suppress(FileNotFoundError):
        copy.rename(replaced)
    # Another process that put its copy there in between was as good as this one.
    try:
        folder.rename(copy)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
