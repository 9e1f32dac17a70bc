"""A fitted pipeline as files and back: skops only, and nothing is parsed before its SHA-256 is checked.

A model folder holds ``model.skops``, under ``code/`` the text of its feature module and, where the model holds a class
of it, of ``model.py``, and whatever MLflow adds. Pickle is never read: a folder that offers one is refused.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import skops.io
import yaml
from sklearn.pipeline import Pipeline as SklearnPipeline
from skops.io.exceptions import UntrustedTypesFoundException

from include.perennial.contracts import FileRecord
from include.perennial.digests import bytes_sha256
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.folder_records import differences, folder_records
from include.perennial.messages import clipped
from include.perennial.models.canonical_skops import canonical
from include.perennial.pipeline_folder import FolderCode, import_feature_code

MODEL_FILE = "model.skops"
CODE_FOLDER = "code"
_MOST_MODULES = 2

# What a model may hold beyond what skops itself trusts (scikit-learn's estimators, plain containers, numpy).
# skops leaves the tree types out because a crafted file can make them read outside their arrays;
# here the digest of every file is checked first, so only files written by ``save`` get this far.
TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)
_PICKLES = re.compile(r"\.(pkl|pickle|joblib|cloudpickle|dill)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SavedModel:
    """What ``save`` wrote: ``digest`` is the SHA-256 of ``model.skops`` and names the model."""

    digest: str
    trusted_types: tuple[str, ...]


def save(
    model: SklearnPipeline, codes: Sequence[FolderCode], folder: Path, also_trusted: Collection[str] = ()
) -> SavedModel:
    """Write ``model.skops`` and ``code/<module>.py`` into ``folder``; equal models give equal bytes.

    Args:
        codes: the pipeline's feature code, and other code whose classes the model may hold; of that only what it
            does hold is shipped.
        also_trusted: types beyond this module's list that the pipeline's spec trusts.

    Raises:
        BadInput: the fitted pipeline holds an object that skops cannot store or that is not on the trusted list.
    """
    try:
        data = canonical(skops.io.dumps(model))
    except TypeError as error:
        raise BadInput(f"The fitted model cannot be stored: {_bounded(error)} {_REMEDY}") from error
    types = tuple(skops.io.get_untrusted_types(data=data))
    modules = [code.module_name for code in codes]
    if refused := _refused(types, modules, also_trusted):
        raise BadInput(f"The fitted model holds types that are not trusted: {_bounded(', '.join(refused))}. {_REMEDY}")
    folder.joinpath(CODE_FOLDER).mkdir(parents=True, exist_ok=True)
    held = {name.rpartition(".")[0] for name in types}
    for code in [codes[0], *(code for code in codes[1:] if code.module_name in held)]:
        folder.joinpath(CODE_FOLDER, f"{code.module_name}.py").write_bytes(code.text.encode())
    folder.joinpath(MODEL_FILE).write_bytes(data)
    return SavedModel(bytes_sha256(data), types)


def load(
    folder: Path, files: Sequence[FileRecord], trusted_types: Sequence[str], also_trusted: Collection[str] = ()
) -> SklearnPipeline:
    """The model in ``folder``, with the feature code it was trained with.

    Args:
        folder: a downloaded model folder.
        files: every file it must hold, as recorded when the model was saved.
        trusted_types: the types it may hold, as recorded; each must also be on this module's list,
            of the code that it ships, or in ``also_trusted``, the list of the pipeline's spec.

    Raises:
        IntegrityError: a file differs from its record, is missing or is extra; a pickle is offered;
            or the model holds a type that is not trusted.
    """
    check_files(folder, files)
    _check_no_pickle(folder, files)
    modules = _import_shipped_code(folder, files)
    if refused := _refused(trusted_types, modules, also_trusted):
        raise IntegrityError(
            f"Model {folder.name} asks to trust {_bounded(', '.join(refused))}: not on the trusted list, nor under "
            "trusted_types in pipeline.yaml."
        )
    try:
        return skops.io.load(folder / MODEL_FILE, trusted=list(trusted_types))
    except UntrustedTypesFoundException as error:
        types = ", ".join(skops.io.get_untrusted_types(file=folder / MODEL_FILE))
        raise IntegrityError(
            f"Model {folder.name} holds types that its record does not name. Found {_bounded(types)}; "
            f"recorded {_bounded(', '.join(trusted_types)) or 'none'}."
        ) from error


_REMEDY = (
    "Keep only numbers, texts, lists, dicts, numpy arrays and scikit-learn estimators as attributes, define own "
    "classes in features.py or model.py, and list types of another library that you trust under trusted_types in "
    "pipeline.yaml."
)


def _refused(types: Sequence[str], modules: Collection[str], also_trusted: Collection[str]) -> list[str]:
    trusted = TRUSTED_TYPES | set(also_trusted)
    return [name for name in types if name not in trusted and name.rpartition(".")[0] not in modules]


def check_files(folder: Path, files: Sequence[FileRecord]) -> None:
    """Hold every file of ``folder`` against its record.

    Raises:
        IntegrityError: one differs, is missing or is extra.
    """
    problems = differences(files, folder_records(folder))
    if problems:
        raise IntegrityError(
            f"Model files in {folder.name} are not what was recorded: {_bounded('; '.join(problems))}."
        )


def _check_no_pickle(folder: Path, files: Sequence[FileRecord]) -> None:
    if pickles := [record.name for record in files if _PICKLES.search(record.name)]:
        raise IntegrityError(
            f"Model {folder.name} holds {pickles[0]}: pickled files run code when read; only skops is."
        )
    description = folder / "MLmodel"
    if not description.exists():
        return
    flavors = yaml.safe_load(description.read_text()).get("flavors", {})
    stored_as = flavors.get("sklearn", {}).get("serialization_format")
    if stored_as != "skops" or _PICKLES.search(str(flavors)):
        raise IntegrityError(
            f"Model {folder.name}: MLmodel says serialization_format {stored_as!r}; only 'skops' is read."
        )


def _import_shipped_code(folder: Path, files: Sequence[FileRecord]) -> list[str]:
    shipped = [Path(record.name) for record in files if record.name.startswith(f"{CODE_FOLDER}/")]
    if not 1 <= len(shipped) <= _MOST_MODULES or any(path.suffix != ".py" for path in shipped):
        raise IntegrityError(
            f"Model {folder.name} ships {len(shipped)} files under {CODE_FOLDER}/: expected its feature module, and "
            "at most one with an estimator."
        )
    for path in shipped:
        import_feature_code(path.stem, (folder / path).read_bytes().decode())
    return [path.stem for path in shipped]


def _bounded(text: object) -> str:
    return clipped(str(text), 600)
