"""YAML with tags, aliases, duplicates or damage is refused at its line; words stay words."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.perennial.errors import SpecError
from include.perennial.spec.reader import read_spec
from tests.pipeline_folders import SPEC, Bad, bad, edited, refusal, require_refusal, write_folder

BAD = {
    "python object tag": bad("Demo", "!!python/object/apply:os.system [ls]", "YAML tag", "not allowed", at="title"),
    "custom tag": bad("title: Demo", "title: !secret Demo", "YAML tag '!secret'"),
    "core tag": bad("  min_rows: 100", "  min_rows: !!int '100'", "YAML tag", "tags are not allowed"),
    "anchor": bad("title: Demo", "title: &t Demo", "YAML anchor &t"),
    "alias": bad("title: Demo", "title: *t", "YAML alias *t"),
    "unclosed list": bad("  key: [at, id]", "  key: [at, id", "not valid YAML", "line 20", at="  target"),
    "unclosed quote": bad("title: Demo", 'title: "Demo', "not valid YAML", at="  ingest"),
    "tab": bad("  kind: files", "\tkind: files", "not valid YAML", "spaces, not tabs"),
    "colon in plain text": bad("title: Demo", "title: Demo: the first", "not valid YAML", "Put quotes around"),
    "second document": bad("window:\n", "---\nwindow:\n", "a second YAML document starts here", at="---"),
    "escaped NUL": bad("title: Demo", 'title: "Demo\\0"', "control character"),
    "escaped surrogate": bad("title: Demo", 'title: "\\ud800"', "control character"),
    "control character": bad("title: Demo", "title: De\x07mo", "control character '\\x07'"),
}

BAD_FILES = {
    "empty": (b"", 1, "the file is empty: expected a mapping"),
    "comments only": (b"# nothing\n# here\n", 3, "the file is empty"),
    "an open quote": (b"name: demo\ntitle: 'Demo\n", 3, "not valid YAML: found unexpected end of stream"),
    "a list": (b"- name: demo\n", 1, "the file holds a list: expected a mapping"),
    "a word": (b"demo\n", 1, "the file holds 'demo': expected a mapping"),
    "latin-1": ("name: demo\ntitle: Flüge\n".encode("latin-1"), 2, "not UTF-8 (byte 0xfc)"),
    "UTF-16": (SPEC.encode("utf-16"), 1, "not UTF-8"),
    "NUL bytes": (b"name: demo\n\0\0\n", 2, "control character"),
    "too large": (b"#" * (256 * 1024 + 1), 1, "has 262,145 bytes: allowed are 262,144"),
    "nested a hundred thousand deep": (b"name: " + b"[" * 100_000, 1, "nested more than 16 levels deep"),
    "a directive": (b"%TAG ! tag:evil,2000:\n---\nname: !x demo\n", 3, "YAML tag"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_yaml_that_configuration_has_no_use_for_is_refused_at_its_line(case: Bad, tmp_path: Path) -> None:
    require_refusal(case, tmp_path)


@pytest.mark.parametrize(("raw", "line", "says"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_no_plain_yaml_mapping_is_refused(raw: bytes, line: int, says: str, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(raw)

    message = refusal(path)

    assert message.startswith(f"{path}:{line}: ")
    assert says in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "pipeline.yaml:1: there is no such file" in refusal(tmp_path / "pipeline.yaml")


@pytest.mark.timeout(60)
def test_an_alias_bomb_is_refused_at_its_first_anchor_without_being_built(tmp_path: Path) -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 40)]
    path = tmp_path / "pipeline.yaml"
    path.write_text("\n".join(["l0: &l0 [lol, lol]", *levels, "name: *l39"]))

    message = refusal(path)

    assert message == f"{path}:1: YAML anchor &l0: anchors and aliases are not allowed."


def test_words_that_yaml_1_1_turns_into_other_types_stay_words(tmp_path: Path) -> None:
    text = edited("  format: csv", "  format: csv\n  null_values: [NO, off, 012, 1:30, 2013-01-07, null_, 'null']")

    source = read_spec(write_folder(tmp_path, spec=text) / "pipeline.yaml").source

    assert source.null_values == ("NO", "off", "012", "1:30", "2013-01-07", "null_", "null")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "pipeline.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.encode())

    assert read_spec(path).name == "demo"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_spec_is_read_or_refused_in_one_line_and_never_crashes(data: st.DataObject, tmp_path: Path) -> None:
    start = data.draw(st.integers(0, len(SPEC)))
    length = data.draw(st.integers(0, 30))
    junk = data.draw(st.text(alphabet="abz09:-_,.[]{}&*!|>'\"#%@\t\n é", max_size=12))
    path = write_folder(tmp_path, spec=SPEC[:start] + junk + SPEC[start + length :]) / "pipeline.yaml"

    try:
        valid = read_spec(path).name == "demo"
    except SpecError:
        valid = False

    if not valid:
        line = refusal(path).removeprefix(f"{path}:").partition(":")[0]
        assert 1 <= int(line) <= path.read_text().count("\n") + 1
