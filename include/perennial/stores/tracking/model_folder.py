"""An MLflow model folder around a saved model: MLmodel, signature, input example, requirements.

Written with MLflow's ``Model`` rather than by ``mlflow.sklearn.save_model``, which would store the model once
more under other bytes, read it back and look through every installed package. Everything depends only on the
arguments, so that a repeated upload writes the same bytes again.
"""

import datetime as dt
import importlib
import importlib.metadata
import json
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

MODEL_FILE = "model.skops"
_CODE = "code"
_EXAMPLE = "input_example.json"
_SERVING_EXAMPLE = "serving_input_example.json"
_REQUIREMENTS = "requirements.txt"
_PYTHON = "python_env.yaml"
_LIBRARIES = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")
_TYPES = {
    "i": DataType.long,
    "u": DataType.long,
    "f": DataType.double,
    "b": DataType.boolean,
    "M": DataType.datetime,
    "O": DataType.string,
}


@dataclass(frozen=True)
class ModelPackage:
    """A saved model and what MLflow shows of it.

    ``folder``     holds ``model.skops`` and the feature module under ``code/``
    ``digest``     SHA-256 of ``model.skops``
    ``libraries``  modules that the estimator needs beside scikit-learn
    ``example``    a few input rows
    ``n_outputs``  classes that a row gets a probability for; 1 for a regression
    """

    pipeline: str
    run_key: str
    candidate: str
    folder: Path
    digest: str
    trusted_types: tuple[str, ...]
    libraries: tuple[str, ...]
    example: pd.DataFrame
    n_outputs: int = 2


def write(package: ModelPackage, target: Path, *, model_id: str, run_id: str, created_ms: int) -> None:
    """Write the MLflow model folder of ``package`` to ``target``, which must not exist."""
    shutil.copytree(package.folder, target)
    _write_example(package.example, target)
    _write_environment(package.libraries, target)
    created = dt.datetime.fromtimestamp(created_ms / 1000, dt.timezone.utc).replace(tzinfo=None)
    model = Model(run_id=run_id, model_id=model_id, model_uuid=model_id, utc_time_created=created)
    model.signature = _signature(package)
    model.saved_input_example_info = {
        "artifact_path": _EXAMPLE,
        "serving_input_path": _SERVING_EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
    }
    mlflow.pyfunc.add_to_model(
        model,
        loader_module="mlflow.sklearn",
        data=MODEL_FILE,
        code=_CODE,
        python_env=_PYTHON,
        model_path=MODEL_FILE,
        predict_fn="predict" if package.n_outputs == 1 else "predict_proba",
    )
    model.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=importlib.metadata.version("scikit-learn"),
        serialization_format="skops",
        skops_trusted_types=list(package.trusted_types),
        code=_CODE,
    )
    model.model_size_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    model.save(str(target / "MLmodel"))


def _signature(package: ModelPackage) -> ModelSignature:
    """Written by hand: inferring it runs the model, and warns of integer columns that hold no null here."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_TYPES[dtype.kind], str(name), required=False) for name, dtype in package.example.dtypes.items()
    ]
    shape = (-1,) if package.n_outputs == 1 else (-1, package.n_outputs)
    return ModelSignature(Schema(inputs), Schema([TensorSpec(np.dtype(np.float64), shape)]))


def _write_example(example: pd.DataFrame, target: Path) -> None:
    split = json.loads(example.to_json(orient="split", index=False, date_format="iso"))
    (target / _EXAMPLE).write_text(json.dumps(split))
    (target / _SERVING_EXAMPLE).write_text(json.dumps({"dataframe_split": split}))


def _write_environment(libraries: tuple[str, ...], target: Path) -> None:
    """Explicit, since inferring the requirements imports the model in another process for three seconds."""
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in _LIBRARIES]
    # By the module: XGBoost is installed under more than one distribution name.
    pinned += [f"{name}=={importlib.import_module(name).__version__}" for name in libraries]
    (target / _REQUIREMENTS).write_text("\n".join(pinned) + "\n")
    lines = [f"python: {platform.python_version()}", "build_dependencies: []", "dependencies:", f"- -r {_REQUIREMENTS}"]
    (target / _PYTHON).write_text("\n".join(lines) + "\n")
