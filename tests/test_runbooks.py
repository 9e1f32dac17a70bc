"""Every alert and every failure message has a place in the runbooks, and the runbooks speak of nothing that is gone."""

import ast
import re
import shlex

import pytest
from airflow.cli import cli_parser

from embedded.config import PROJECT
from include.perennial.cli.main import parser
from include.perennial.spec.alerts import AlertKind
from include.perennial.views.needs import NeedKind
from tests.documents import commands_of

RUNBOOKS = PROJECT / "docs" / "runbooks"
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
FAILURES = RUNBOOKS / "failures.md"
# What a user meets; the others are caught by the step that knows more.
ERRORS = {
    *("BadInput", "DataError", "IntegrityError", "SpecError", "Unavailable", "data_error", "spec_error"),
    *("AirflowFailException", "NotFit", "_NotComparable"),
}
_QUOTED = re.compile(r"`([^`]+)`")


def templates(tree: ast.AST) -> list[str]:
    """Every text of the code, with … for what is filled in."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
    return [" ".join(text.split()) for text in found]


def pattern(message: str) -> re.Pattern[str]:
    """Matches texts that hold the parts of ``message`` between its … in their order."""
    return re.compile(".*".join(re.escape(part.strip()) for part in message.split("…") if part.strip()), re.DOTALL)


MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for root in ("include/perennial", "plugins")
    for path in sorted((PROJECT / root).rglob("*.py"))
}
QUOTED = [
    message
    for line in FAILURES.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `") and "message" not in line
    for message in _QUOTED.findall(line.split(" | ")[0])
]


@pytest.mark.parametrize("kind", list(AlertKind))
def test_a_runbook_says_what_to_look_at_what_to_do_and_when_it_is_over(kind: AlertKind) -> None:
    text = (RUNBOOKS / f"{kind.replace('_', '-')}.md").read_text(encoding="utf-8")

    assert re.findall(r"^#+ (.+?)(?::.*)?$", text, re.MULTILINE) == [
        *("Alert", "First look", "What to do", "It is over when")
    ]
    assert f"({kind.replace('_', '-')}.md)" in (RUNBOOKS / "index.md").read_text(encoding="utf-8")


def test_whatever_needs_a_person_has_a_line() -> None:
    lines = [line for line in (RUNBOOKS / "needs.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]

    assert len(lines[1:]) == len(NeedKind) + 1  # drift and performance are one kind, with two lines


def test_every_message_in_the_table_is_one_of_the_code() -> None:
    texts = ["\n".join(templates(tree)) for tree in MODULES.values()]

    assert [message for message in QUOTED if not any(pattern(message).search(text) for text in texts)] == []


def test_at_least_four_in_five_messages_of_the_code_are_in_the_table() -> None:
    """The rest say in their own words all that there is to say: wrong options of a command, mostly."""
    patterns = [pattern(message) for message in QUOTED]
    raised = [
        [text for text in templates(node) if len(text) > 12]
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS
    ]
    known = [any(one.search(text) for one in patterns for text in texts) for texts in raised if texts]

    assert len(known) > 150
    assert sum(known) / len(known) > 0.8


def test_every_command_of_the_documentation_is_one_that_perennial_knows() -> None:
    lines = [line for page in PAGES for line in commands_of(page) if line.startswith("./perennial ")]

    for line in lines:
        assert parser().parse_args(shlex.split(line)[1:]).run, line


def test_every_airflow_command_of_the_documentation_is_one_that_airflow_knows() -> None:
    lines = {line for page in PAGES for line in commands_of(page) if line.startswith("airflow ")}
    assert len(lines) > 4

    airflow = cli_parser.get_parser()
    for line in lines:
        assert airflow.parse_args(shlex.split(line)[1:]).func, line
