"""A pipeline folder: found by name, digested by content, refused when something is missing or elsewhere."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from include.perennial.errors import SpecError
from include.perennial.pipeline_folder import Pipeline, discover, load_pipeline
from tests.pipeline_folders import FEATURES, SPEC, edited, write_folder

FILES_SOURCE = "  kind: files\n  path: data/{key}.csv\n  format: csv\n"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def load(root: Path, **changes: str) -> Pipeline:
    write_folder(root, **changes)
    return load_pipeline("demo", root)


def refusal(name: str, root: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_pipeline(name, root)
    return str(caught.value)


def test_folders_are_found_in_order_of_name(tmp_path: Path) -> None:
    for name in ("zebra", "apple"):
        write_folder(tmp_path, name)
    write_folder(tmp_path, ".ipynb_checkpoints")
    (tmp_path / "notes").mkdir()

    assert discover(tmp_path) == ["apple", "zebra"]


def test_no_root_holds_no_pipelines(tmp_path: Path) -> None:
    assert discover(tmp_path / "nowhere") == []
    assert "holds none" in refusal("demo", tmp_path / "nowhere")


def test_an_unknown_pipeline_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_folder(tmp_path)

    message = refusal("dmeo", tmp_path)

    assert message.startswith(f"{tmp_path / 'dmeo' / 'pipeline.yaml'}:1: there is no pipeline 'dmeo'")
    assert message.endswith("holds 'demo'. Did you mean 'demo'?")


@pytest.mark.parametrize("name", ["../pipelines/demo", "demo/", ".", "", "demo/../demo", "x" * 5000])
def test_a_name_that_is_no_folder_name_is_unknown(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "pipelines")

    message = refusal(name, tmp_path / "pipelines")

    assert "there is no pipeline" in message
    assert len(message) <= 2000


def test_pipeline_yml_is_not_overlooked(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    (folder / "pipeline.yaml").rename(folder / "pipeline.yml")

    assert refusal("demo", tmp_path) == f"{folder / 'pipeline.yml'}:1: the file must be named pipeline.yaml: rename it."


@pytest.mark.parametrize(
    ("missing", "spec", "holds"),
    [
        ("features.py", SPEC, "the scikit-learn transformer class"),
        ("expectations.py", SPEC, "the lists BATCH and ROWS"),
        ("source.py", edited(FILES_SOURCE, "  kind: python\n"), "deliver(partition, folder, **options)"),
        ("model.py", edited(LOGISTIC, "model.make"), "the functions that candidates and weights name"),
    ],
    ids=lambda value: value if value.endswith(".py") else "",
)
def test_a_missing_file_is_named_with_what_it_holds(missing: str, spec: str, holds: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, spec=spec)
    (folder / missing).unlink(missing_ok=True)

    message = refusal("demo", tmp_path)

    assert message.startswith(f"{folder / missing}:1: the file is missing: it holds ")
    assert holds in message


def test_a_module_that_the_spec_does_not_need_is_missed_when_it_is_asked_for(tmp_path: Path) -> None:
    pipeline = load(tmp_path)

    with pytest.raises(SpecError, match=r"source\.py:1: the file is missing"):
        pipeline.load_module("source")


def test_equal_folders_have_equal_digests_wherever_they_stand(tmp_path: Path) -> None:
    one, two = load(tmp_path / "one"), load(tmp_path / "two")

    assert (one.spec_digest, one.code_digest) == (two.spec_digest, two.code_digest)


def test_comments_and_order_of_keys_leave_the_spec_digest(tmp_path: Path) -> None:
    reordered = edited("  min_rows: 100\n  min_positives: 10\n", "  min_positives: 10  # why\n  min_rows: 100\n")

    assert load(tmp_path / "one").spec_digest == load(tmp_path / "two", spec=reordered).spec_digest


def test_a_default_written_out_leaves_the_spec_digest(tmp_path: Path) -> None:
    written = edited("  partitions: 8", "  kind: sliding\n  partitions: 8\n  holdout: 1")

    assert load(tmp_path / "one").spec_digest == load(tmp_path / "two", spec=written).spec_digest


def test_a_changed_threshold_changes_the_spec_digest_and_not_the_code_digest(tmp_path: Path) -> None:
    before, after = load(tmp_path), load(tmp_path, spec=edited("  min_rows: 100", "  min_rows: 101"))

    assert before.spec_digest != after.spec_digest
    assert before.code_digest == after.code_digest


def test_every_python_file_counts_for_the_code_digest_by_name_and_content(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    seen = {load_pipeline("demo", tmp_path).code_digest}
    (folder / "helpers").mkdir()
    for name, text in [("extra.py", "A = 1\n"), ("extra.py", "A = 2\n"), ("helpers/extra.py", "A = 2\n")]:
        (folder / name).write_text(text)
        seen.add(load_pipeline("demo", tmp_path).code_digest)
    (folder / "extra.py").rename(folder / "other.py")
    seen.add(load_pipeline("demo", tmp_path).code_digest)

    assert len(seen) == 5


def test_other_files_leave_the_code_digest(tmp_path: Path) -> None:
    before = load(tmp_path).code_digest
    (tmp_path / "demo" / "README.md").write_text("# Demo\n")
    (tmp_path / "demo" / "__pycache__").mkdir()
    (tmp_path / "demo" / "__pycache__" / "features.cpython-312.pyc").write_bytes(b"\0")

    assert load_pipeline("demo", tmp_path).code_digest == before


def test_the_feature_code_is_named_by_its_content(tmp_path: Path) -> None:
    code = load(tmp_path).features_source()

    assert code.text == FEATURES
    assert code.class_name == "Features"
    assert code.module_name == f"perennial_demo_features_{hashlib.sha256(FEATURES.encode()).hexdigest()[:12]}"


def test_the_transformer_class_comes_from_the_module_of_that_name(tmp_path: Path) -> None:
    pipeline = load(tmp_path)

    transformer = pipeline.features_class()

    assert transformer.__module__ == pipeline.features_source().module_name
    assert transformer().double(21) == 42


def test_a_class_that_is_not_there_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    pipeline = load(tmp_path, spec=edited("owner: team-a", "owner: team-a\nfeatures: features.Feature"))

    with pytest.raises(SpecError, match=r"features\.py:1: there is no class Feature, .* Did you mean 'Features'\?"):
        pipeline.features_class()


def test_what_was_digested_is_what_runs_even_if_the_folder_changes_meanwhile(tmp_path: Path) -> None:
    pipeline = load(tmp_path, expectations="BATCH = ['old']\nROWS = []\n")
    (tmp_path / "demo" / "expectations.py").write_text("BATCH = ['new']\nROWS = []\n")

    assert pipeline.load_module("expectations").BATCH == ["old"]


def test_code_that_stays_at_home_knows_its_file_and_code_of_the_model_does_not(tmp_path: Path) -> None:
    pipeline = load(tmp_path, expectations="BATCH = [__file__]\nROWS = []\n")

    assert [str(tmp_path / "demo" / "expectations.py")] == pipeline.load_module("expectations").BATCH
    assert not hasattr(pipeline.load_module("features"), "__file__")


def test_loading_a_pipeline_runs_none_of_its_code(tmp_path: Path) -> None:
    load(tmp_path, expectations="raise SystemExit('ran at parse time')\n")


def test_a_module_that_fails_names_the_line_of_the_folder_s_file(tmp_path: Path) -> None:
    pipeline = load(tmp_path, expectations="import math\n\nROWS = [math.sqroot(2)]\n")

    with pytest.raises(SpecError) as caught:
        pipeline.load_module("expectations")

    path = tmp_path / "demo" / "expectations.py"
    assert str(caught.value).startswith(f"{path}:3: the import fails: AttributeError: module 'math' has no attribute")


def test_a_folder_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "demo").symlink_to(tmp_path / "elsewhere" / "demo")

    assert "a symbolic link leads to" in refusal("demo", tmp_path / "pipelines")


@pytest.mark.parametrize("name", ["pipeline.yaml", "features.py"])
def test_a_file_that_is_a_link_to_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pipelines")
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)

    message = refusal("demo", tmp_path / "pipelines")

    assert message.startswith(f"{folder / name}:1: a symbolic link leads to {tmp_path / name}, outside of")


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    write_folder(tmp_path / "real")
    (tmp_path / "pipelines").symlink_to(tmp_path / "real")

    assert load_pipeline("demo", tmp_path / "pipelines").spec.name == "demo"


def test_code_that_is_not_utf_8_is_refused_at_its_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    (folder / "features.py").write_bytes("A = 1\nB = 'ü'\n".encode("latin-1"))

    assert (
        refusal("demo", tmp_path) == f"{folder / 'features.py'}:2: the file is not UTF-8: save it with UTF-8 encoding."
    )


def test_a_pipeline_cannot_be_changed(tmp_path: Path) -> None:
    pipeline = load(tmp_path)

    with pytest.raises(dataclasses.FrozenInstanceError):
        pipeline.code_digest = "other"  # type: ignore[misc]  # the assignment is what must fail
