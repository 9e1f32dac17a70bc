"""Python modules imported from text, under names that carry the text's digest.

Two versions of a pipeline's code live side by side in one process, and the name alone says
whether a text is the one a model was trained with.
"""

import importlib.abc
import importlib.util
import re
import sys
import threading
import traceback
from pathlib import Path
from types import CodeType, ModuleType

from include.perennial.digests import bytes_sha256
from include.perennial.errors import IntegrityError, SpecError
from include.perennial.messages import first_line, shown
from include.perennial.spec.words import spec_error

_DIGEST_CHARS = 12
_NAME = re.compile(rf"perennial_[a-z0-9_]+_([0-9a-f]{{{_DIGEST_CHARS}}})")
_importing = threading.RLock()


def module_name(pipeline: str, kind: str, text: str) -> str:
    """``perennial_<pipeline>_<kind>_<first 12 digits of the text's sha256>``."""
    return f"perennial_{pipeline}_{kind}_{bytes_sha256(text.encode())[:_DIGEST_CHARS]}"


def import_feature_code(name: str, text: str, origin: Path | None = None, *, travels: bool = True) -> ModuleType:
    """The module ``name`` made from ``text``; a second call returns the same module.

    ``origin`` is the file the text was read from, for tracebacks. Code that never ``travels`` inside a model finds it
    as ``__file__``; other code would miss its folder where the model is used.

    Raises:
        IntegrityError: ``name`` is not the name of this text.
        SpecError: the code does not compile or fails while it is imported.
    """
    sha256 = bytes_sha256(text.encode())
    match = _NAME.fullmatch(name)
    if not match or not sha256.startswith(match[1]):
        raise IntegrityError(
            f"Code of module {shown(name)} has sha256 {sha256[:_DIGEST_CHARS]}…, expected other digits: "
            "it is not the code that the name was given to. Restore the original file."
        )
    with _importing:
        return sys.modules.get(name) or _imported(
            name, _TextLoader(text, str(origin or f"{name}.py")), has_file=origin is not None and not travels
        )


class _TextLoader(importlib.abc.InspectLoader):
    """Loads a module from a string; ``get_source`` lets tracebacks and ``inspect`` show the code."""

    def __init__(self, text: str, filename: str) -> None:
        self._text = text
        self.filename = filename

    def get_source(self, fullname: str) -> str:
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._text, self.filename)


def _imported(name: str, loader: _TextLoader, *, has_file: bool) -> ModuleType:
    spec = importlib.util.spec_from_loader(name, loader, origin=loader.filename)
    if spec is None:
        raise ImportError(f"no import spec for {name}")
    spec.has_location = has_file
    module = importlib.util.module_from_spec(spec)
    # Before it runs, as for any import: dataclasses and pickling look their module up there.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise _import_error(loader.filename, error) from error
        raise
    return module


def _import_error(filename: str, error: Exception) -> SpecError:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return spec_error(Path(filename), error.lineno or 1, f"not valid Python: {error.msg}.")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    text = f"the import fails: {type(error).__name__}: {first_line(error)}"
    return spec_error(Path(filename), lines[-1] if lines and lines[-1] else 1, text)
