"""Whatever text the data hold, in a generated file it is that text and nothing else."""

import ast
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yaml.reader import Reader

from include.perennial.scaffold import words
from include.perennial.scaffold.render import render
from include.perennial.strict_yaml import read_document
from tests.unit.scaffold.tables import HOSTILE

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
# What no YAML file may hold; the scaffold refuses such a name before it writes one.
YAML_TEXT = ANY_TEXT.filter(lambda value: not Reader.NON_PRINTABLE.search(value))


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_is_one_literal_of_python_and_of_yaml(value: str, tmp_path: Path) -> None:
    assert ast.literal_eval(words.python(value)) == value
    assert _read_yaml(tmp_path, value) == value


@given(ANY_TEXT)
@example("\u2028'''\r\n\x00")
@example("\\'\"")
@example("\\\"'")
def test_any_text_is_one_literal_of_python(value: str) -> None:
    assert ast.literal_eval(words.python(value)) == value
    assert "\n" not in words.python(value)


@given(st.lists(ANY_TEXT), st.lists(ANY_TEXT))
def test_any_list_is_one_literal_however_it_is_broken_into_lines(values: list[str], more: list[str]) -> None:
    assert ast.literal_eval(words.python(values)) == values
    assert ast.literal_eval(words.python(tuple(more), 110)) == tuple(more)
    call = words.python_call("f", {"value_set": values, "column": "".join(more)}, 4)
    [node] = ast.parse(call).body
    assert isinstance(node, ast.Expr)
    assert isinstance(node.value, ast.Call)
    assert [ast.literal_eval(keyword.value) for keyword in node.value.keywords] == [values, "".join(more)]


@given(YAML_TEXT)
def test_any_text_is_read_back_from_yaml(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    assert _read_yaml(tmp_path_factory.mktemp("yaml"), value) == value


@given(ANY_TEXT)
def test_a_comment_is_one_line(value: str) -> None:
    written = words.comment(value)

    assert written.isprintable()
    assert len(written) <= 120


def test_a_template_prints_nothing_that_was_not_escaped() -> None:
    with pytest.raises(TypeError, match="pass it through"):
        render("dag.py.j2", {"name": "'''; import os"})


def _read_yaml(folder: Path, value: str) -> object:
    path = folder / "one.yaml"
    path.write_text(f"{words.yaml_text(value)}: {words.yaml_list([value])}\n", encoding="utf-8")
    [(key, [entry])] = read_document(path).data.items()
    assert key == entry
    return entry
