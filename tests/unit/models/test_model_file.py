"""Model files: equal models give equal bytes, and nothing but exactly the recorded files is ever parsed."""

import io
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.cluster import Birch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.preprocessing import FunctionTransformer

from include.perennial.contracts import FileRecord
from include.perennial.digests import bytes_sha256
from include.perennial.errors import BadInput, IntegrityError
from include.perennial.folder_records import folder_records
from include.perennial.models import model_file
from include.perennial.models.canonical_skops import canonical
from include.perennial.models.frames import Labelled
from include.perennial.models.model_file import SavedModel
from include.perennial.pipeline_folder import FeatureCode, Pipeline
from include.perennial.settings import PROJECT_ROOT

FIT_ALL = """
    import sys, tempfile
    from pathlib import Path
    from include.perennial.models import estimators, model_file
    from include.perennial.models.frames import Labelled
    from include.perennial.pipeline_folder import load_pipeline
    from tests.training_runs import toy_frame
    toy, frame = load_pipeline("toy", Path(sys.argv[1])), toy_frame(0)
    rows = Labelled(frame, frame.pop("label").to_numpy())
    for name in toy.spec.candidates:
        model = estimators.build(toy, name, {}, seed=7)
        estimators.fit(model, rows, name)
        with tempfile.TemporaryDirectory() as folder:
            print(name, model_file.save(model, toy.model_sources(), Path(folder)).digest)
"""


@dataclass
class Stored:
    """A saved model, as it was recorded and where it lies now."""

    folder: Path
    files: tuple[FileRecord, ...]
    saved: SavedModel

    def load(self) -> SklearnPipeline:
        return model_file.load(self.folder, self.files, self.saved.trusted_types)

    def record_again(self) -> None:
        self.files = folder_records(self.folder)


@pytest.fixture
def stored(toy: Pipeline, fitted: Callable[[str], SklearnPipeline], tmp_path: Path) -> Stored:
    saved = model_file.save(fitted("boosting"), toy.model_sources(), tmp_path / "model")
    return Stored(tmp_path / "model", folder_records(tmp_path / "model"), saved)


def test_two_processes_write_the_same_bytes_for_the_same_model(toy: Pipeline) -> None:
    def digests(hash_seed: str) -> str:
        command = [sys.executable, "-c", textwrap.dedent(FIT_ALL), str(toy.folder.parent)]
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(PROJECT_ROOT)}
        return subprocess.run(command, env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout

    first = digests("1")

    assert [line.split()[0] for line in first.splitlines()] == list(toy.spec.candidates)
    assert digests("2") == first


def test_another_model_has_another_digest(
    toy: Pipeline, fitted: Callable[[str], SklearnPipeline], tmp_path: Path
) -> None:
    one = model_file.save(fitted("logistic"), toy.model_sources(), tmp_path / "1")
    two = model_file.save(fitted("forest"), toy.model_sources(), tmp_path / "2")

    assert one.digest != two.digest


def test_a_canonical_file_is_its_own_canonical_form(stored: Stored) -> None:
    data = (stored.folder / "model.skops").read_bytes()

    assert canonical(data) == data


def test_sets_and_dict_keys_named_like_skops_fields_survive() -> None:
    value = {"file": {"x", "y"}, "__loader__": "SetNode", "__id__": 3, "bytes": b"ab", "array": np.arange(3)}

    read = skops.io.loads(canonical(skops.io.dumps(value)))

    assert np.array_equal(read.pop("array"), value.pop("array"))
    assert read == value


def test_the_zip_says_nothing_of_time_and_machine(stored: Stored) -> None:
    with zipfile.ZipFile(stored.folder / "model.skops") as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.filename for info in file.infolist() if info.filename != "schema.json"} <= {
            f"{n}.npy" for n in range(len(file.infolist()))
        }


@pytest.mark.parametrize("candidate", ["logistic", "boosting", "forest"])
def test_a_loaded_model_predicts_what_the_fitted_one_did(
    candidate: str, toy: Pipeline, fitted: Callable[[str], SklearnPipeline], rows: Labelled, tmp_path: Path
) -> None:
    model = fitted(candidate)
    saved = model_file.save(model, toy.model_sources(), tmp_path)

    loaded = model_file.load(tmp_path, folder_records(tmp_path), saved.trusted_types)

    assert np.array_equal(loaded.predict_proba(rows.x), model.predict_proba(rows.x))
    assert saved.digest == bytes_sha256((tmp_path / "model.skops").read_bytes())


def test_the_shipped_feature_code_is_what_a_loaded_model_runs(stored: Stored, toy: Pipeline) -> None:
    features = stored.load().named_steps["features"]

    assert type(features).__module__ == toy.features_source().module_name
    assert f"{type(features).__module__}.Features" in stored.saved.trusted_types


def _flip_a_byte(stored: Stored) -> None:
    path = stored.folder / "model.skops"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _change_the_code(stored: Stored) -> None:
    path = next(stored.folder.glob("code/*.py"))
    path.write_text(path.read_text() + "\nimport os\n")


def _change_the_code_and_the_record(stored: Stored) -> None:
    _change_the_code(stored)
    stored.record_again()


def _add_a_file(stored: Stored) -> None:
    (stored.folder / "extra.txt").write_text("x")


def _remove_the_code(stored: Stored) -> None:
    next(stored.folder.glob("code/*.py")).unlink()


def _ship_three_modules(stored: Stored) -> None:
    for name in ("other.py", "another.py"):
        (stored.folder / "code" / name).write_text("")
    stored.record_again()


def _offer_a_pickle(stored: Stored) -> None:
    (stored.folder / "model.pkl").write_bytes(b"\x80\x04N.")
    stored.record_again()


def _describe_a_pickle(stored: Stored) -> None:
    (stored.folder / "MLmodel").write_text("flavors: {sklearn: {serialization_format: cloudpickle}}\n")
    stored.record_again()


def _point_the_description_to_a_pickle(stored: Stored) -> None:
    flavors = "{sklearn: {serialization_format: skops}, python_function: {model_path: model.pkl}}"
    (stored.folder / "MLmodel").write_text(f"flavors: {flavors}\n")
    stored.record_again()


def _record_a_foreign_type(stored: Stored) -> None:
    stored.saved = SavedModel(stored.saved.digest, (*stored.saved.trusted_types, "os.system"))


def _record_no_types(stored: Stored) -> None:
    stored.saved = SavedModel(stored.saved.digest, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip_a_byte, "model.skops has sha256"),
        (_change_the_code, "has sha256"),
        (_change_the_code_and_the_record, "not the code"),
        (_add_a_file, "extra.txt is not in the record"),
        (_remove_the_code, "is missing"),
        (_ship_three_modules, "ships 3 files"),
        (_offer_a_pickle, "model.pkl"),
        (_describe_a_pickle, "serialization_format 'cloudpickle'"),
        (_point_the_description_to_a_pickle, "MLmodel"),
        (_record_a_foreign_type, "os.system"),
        (_record_no_types, "TreePredictor"),
    ],
    ids=[
        "a flipped byte",
        "changed code",
        "changed code, recorded so",
        "an extra file",
        "no code",
        "three modules of code",
        "a pickle",
        "a description of a pickle",
        "a description that points to a pickle",
        "a foreign type in the record",
        "no type in the record",
    ],
)
def test_anything_but_the_recorded_files_is_refused(
    change: Callable[[Stored], None], message: str, stored: Stored
) -> None:
    change(stored)

    with pytest.raises(IntegrityError, match=message) as caught:
        stored.load()

    assert len(str(caught.value)) <= 2000


def test_the_digest_is_checked_before_the_bytes_are_parsed(stored: Stored) -> None:
    (stored.folder / "model.skops").write_bytes(b"not a zip")

    with pytest.raises(IntegrityError, match=r"model.skops has sha256"):
        stored.load()


def _with(transformer: object) -> SklearnPipeline:
    return SklearnPipeline([("features", transformer), ("model", LogisticRegression())])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_with(FunctionTransformer(os.system)), "posix.system|os.system"),
        (_with(FunctionTransformer(kw_args={"where": Path("x")})), "pathlib"),
        (_with(FunctionTransformer(kw_args={"clusters": Birch()})), "Birch are not supported"),
        (
            _with(FunctionTransformer(kw_args={"stream": (n for n in [1])})),
            "cannot be stored: cannot pickle 'generator'",
        ),
    ],
    ids=["a function", "a foreign class", "what skops does not know", "what nothing can store"],
)
def test_a_model_that_holds_what_is_not_trusted_is_not_saved(
    model: SklearnPipeline, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=message):
        model_file.save(model, [FeatureCode("perennial_toy_features_000000000000", "", "Features")], tmp_path)

    assert not list(tmp_path.iterdir())


def test_a_crafted_file_with_a_correct_digest_cannot_name_other_types(stored: Stored) -> None:
    buffer = io.BytesIO()
    skops.io.dump(_with(FunctionTransformer(os.system)), buffer)
    (stored.folder / "model.skops").write_bytes(buffer.getvalue())
    stored.record_again()

    with pytest.raises(IntegrityError, match="system"):
        stored.load()
