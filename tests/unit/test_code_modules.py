"""Code is imported from text under the name of its content, and from nothing else."""

import inspect
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.perennial.code_modules import import_feature_code, module_name
from include.perennial.errors import IntegrityError, SpecError


def test_the_same_text_is_one_module(tmp_path: Path) -> None:
    text = f"import dataclasses\n\n@dataclasses.dataclass\nclass Features:\n    place: str = {str(tmp_path)!r}\n"
    name = module_name("demo", "features", text)

    first = import_feature_code(name, text)

    assert import_feature_code(name, text) is first
    assert sys.modules[name] is first
    assert first.Features().place == str(tmp_path)


def test_two_versions_of_one_file_live_side_by_side() -> None:
    old, new = "WEEK = 1\n", "WEEK = 2\n"

    modules = [import_feature_code(module_name("demo", "features", text), text) for text in (old, new)]

    assert [module.WEEK for module in modules] == [1, 2]


@pytest.mark.parametrize(
    "name",
    [
        module_name("demo", "features", "A = 1\n"),
        "os",
        "perennial_demo_features",
        "perennial_demo_features_" + "0" * 12,
        module_name("demo", "features", "A = 2\n") + "0",
        "evil." + module_name("demo", "features", "A = 2\n"),
        "",
    ],
)
def test_text_that_is_not_what_the_name_says_is_never_run(name: str) -> None:
    with pytest.raises(IntegrityError, match="it is not the code that the name was given to"):
        import_feature_code(name, "A = 2\n")


def test_code_that_fails_leaves_no_half_module_and_names_the_line() -> None:
    text = "A = 1\n\nB = A / 0\n"
    name = module_name("demo", "features", text)

    with pytest.raises(SpecError, match=rf"{name}\.py:3: the import fails: ZeroDivisionError"):
        import_feature_code(name, text)

    assert name not in sys.modules


def test_code_that_does_not_compile_names_the_line() -> None:
    text = "A = 1\ndef broken(:\n"

    with pytest.raises(SpecError, match=r"\.py:2: not valid Python: invalid syntax"):
        import_feature_code(module_name("demo", "features", text), text)


def test_a_missing_library_is_told_in_words() -> None:
    text = "import no_such_library_anywhere\n"

    with pytest.raises(SpecError, match=r":1: the import fails: ModuleNotFoundError: No module named 'no_such_libr"):
        import_feature_code(module_name("demo", "model", text), text)


def test_an_interrupt_during_the_import_is_not_taken_for_a_broken_file() -> None:
    text = "raise KeyboardInterrupt\n"
    name = module_name("demo", "model", text)

    with pytest.raises(KeyboardInterrupt):
        import_feature_code(name, text)

    assert name not in sys.modules


def test_tracebacks_and_inspect_show_the_code() -> None:
    text = "def fail():\n    return {}['the key']\n"
    module = import_feature_code(module_name("demo", "features", text), text)

    assert inspect.getsource(module.fail) == text
    with pytest.raises(KeyError) as caught:
        module.fail()
    assert "return {}['the key']" in "".join(traceback.format_exception(caught.value))


def test_threads_that_import_at_once_get_one_whole_module() -> None:
    text = "import time\nSTARTED = True\ntime.sleep(0.05)\nFINISHED = True\n"
    name = module_name("demo", "source", text)

    with ThreadPoolExecutor(8) as threads:
        modules = list(threads.map(lambda _: import_feature_code(name, text), range(8)))

    assert {id(module) for module in modules} == {id(sys.modules[name])}
    assert all(module.FINISHED for module in modules)
