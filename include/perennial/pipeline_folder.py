"""A pipeline folder: its spec, its code, and the digests that name both.

The code is read once, with the spec, and what was digested is what runs, whatever happens to
the folder meanwhile. Modules are imported from that text under names that carry its content,
so that a model's transformer is exactly the code it was trained with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal

from include.perennial.code_modules import import_feature_code, module_name
from include.perennial.digests import bytes_sha256, digest
from include.perennial.messages import clipped, shown, shown_names
from include.perennial.spec import PipelineSpec, PythonSource
from include.perennial.spec.reader import SPEC_FILE, read_spec
from include.perennial.spec.words import spec_error, suggestion

__all__ = ["FeatureCode", "FolderCode", "Pipeline", "discover", "import_feature_code", "load_pipeline"]

Kind = Literal["features", "source", "expectations", "model", "database"]

# Code of objects that a model file holds.
MODEL_KINDS: frozenset[Kind] = frozenset({"features", "model"})
_HOLDS = {
    "features.py": "the scikit-learn transformer class named by `features`",
    "expectations.py": "the lists BATCH and ROWS of Great Expectations objects",
    "source.py": "deliver(partition, folder, **options) and assemble(partition, folder), since a source.kind is python",
    "model.py": "the functions that candidates and weights name as model.<function>",
    "database.py": "build(path), which makes an SQLite file for machines without the source's connection",
}


@dataclass(frozen=True)
class FolderCode:
    """The text of a Python file of the folder, and the name it is imported under."""

    module_name: str
    text: str


@dataclass(frozen=True)
class FeatureCode(FolderCode):
    """``features.py``, and the transformer class it defines."""

    class_name: str


@dataclass(frozen=True)
class Pipeline:
    """A valid pipeline folder. ``sources`` maps the name of each ``.py`` file to its text as digested."""

    spec: PipelineSpec
    folder: Path
    spec_digest: str
    code_digest: str
    sources: Mapping[str, str] = field(repr=False, compare=False)

    def features_source(self) -> FeatureCode:
        """What a model file ships, so that training and scoring cannot differ."""
        text = self._text("features")
        class_name = self.spec.features.rpartition(".")[2]
        return FeatureCode(module_name(self.spec.name, "features", text), text, class_name)

    def model_sources(self) -> list[FolderCode]:
        """The code that a model may hold classes of, ``features.py`` first."""
        text = self.sources.get("model.py")
        own = [] if text is None else [FolderCode(module_name(self.spec.name, "model", text), text)]
        return [self.features_source(), *own]

    def features_class(self) -> type:
        """The transformer class that the spec names.

        Raises:
            SpecError: ``features.py`` cannot be imported or does not define the class.
        """
        module, wanted = self.load_module("features"), self.features_source().class_name
        found = getattr(module, wanted, None)
        if isinstance(found, type):
            return found
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        text = f"there is no class {wanted}, which the spec names as features.{suggestion(wanted, classes)}"
        raise spec_error(self.folder / "features.py", 1, text)

    def load_module(self, kind: Kind) -> ModuleType:
        """``<kind>.py`` of the folder as a module, imported once per content.

        Raises:
            SpecError: the file is missing or cannot be imported; the message names file and line.
        """
        text = self._text(kind)
        path = self.folder / f"{kind}.py"
        travels = kind in MODEL_KINDS
        return import_feature_code(module_name(self.spec.name, kind, text), text, origin=path, travels=travels)

    def _text(self, kind: Kind) -> str:
        name = f"{kind}.py"
        _require_file(self.folder, name, self.sources)
        return self.sources[name]


def discover(root: Path) -> list[str]:
    """Names of the pipeline folders below ``root``, sorted; ``load_pipeline`` says what is wrong with a broken one."""
    # pipeline.yml counts, or a pipeline would silently not exist; loading it tells the right name.
    found = [*root.glob(f"*/{SPEC_FILE}"), *root.glob("*/pipeline.yml")]
    return sorted({file.parent.name for file in found if not file.parent.name.startswith(".")})


def load_pipeline(name: str, root: Path) -> Pipeline:
    """Read and check the pipeline folder ``root/name``; imports none of its code.

    Raises:
        SpecError: unknown folder, broken spec, a file that is missing, not UTF-8 or outside ``root``.
    """
    folder, known = root / name, discover(root)
    if name not in known:
        text = (
            f"there is no pipeline {shown(name)}; {root} holds {shown_names(known) or 'none'}.{suggestion(name, known)}"
        )
        raise spec_error(root / clipped(name, 80) / SPEC_FILE, 1, text)
    _require_inside(root, folder / SPEC_FILE)
    if not (folder / SPEC_FILE).exists():
        raise spec_error(folder / "pipeline.yml", 1, f"the file must be named {SPEC_FILE}: rename it.")
    spec = read_spec(folder / SPEC_FILE)
    sources = _read_sources(root, folder)
    for file_name in _required_files(spec):
        _require_file(folder, file_name, sources)
    code_digest = digest([[file, bytes_sha256(text.encode())] for file, text in sorted(sources.items())])
    # Who is asked before a promotion, and which tasks wait for each other, change nothing of what is trained:
    # a decision made before is still found.
    spec_digest = digest(spec.model_dump(mode="json", exclude={"approval", "pool"}))
    return Pipeline(spec, folder, spec_digest, code_digest, sources)


def _read_sources(root: Path, folder: Path) -> dict[str, str]:
    sources = {}
    for path in filter(Path.is_file, folder.rglob("*.py")):
        _require_inside(root, path)
        raw = path.read_bytes()
        try:
            sources[path.relative_to(folder).as_posix()] = raw.decode()
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise spec_error(path, line, "the file is not UTF-8: save it with UTF-8 encoding.") from None
    return sources


def _required_files(spec: PipelineSpec) -> list[str]:
    named = [*(candidate.estimator for candidate in spec.candidates.values()), spec.weights or ""]
    own_models = any(name.startswith("model.") for name in named)
    sources = [spec.source, *([spec.data.labels.source] if spec.data.labels else [])]
    own_source = any(isinstance(source, PythonSource) for source in sources)
    optional = {"source.py": own_source, "model.py": own_models}
    return ["features.py", "expectations.py", *(name for name, needed in optional.items() if needed)]


def _require_file(folder: Path, name: str, sources: Mapping[str, str]) -> None:
    if name not in sources:
        raise spec_error(folder / name, 1, f"the file is missing: it holds {_HOLDS[name]}.")


def _require_inside(root: Path, path: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(root.resolve()):
        text = f"a symbolic link leads to {target}, outside of {root}: put the file itself into the pipeline folder."
        raise spec_error(path, 1, text)
