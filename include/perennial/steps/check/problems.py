"""An error of any step as a problem: the file and line to look at, and the remedy, apart from what is wrong."""

import ast
import re
import traceback
from pathlib import Path

from include.perennial.contracts import Check
from include.perennial.errors import PerennialError, Unavailable
from include.perennial.messages import ascii_controls_escaped
from include.perennial.pipeline_folder import Pipeline
from include.perennial.quality.suite import Finding
from include.perennial.spec.reader import SPEC_FILE
from include.perennial.steps.check.finding import Level, Problem, Step
from include.perennial.strict_yaml import Where, read_document

_PLACE = re.compile(r"\A(?P<file>[^\n]*?\.(?:py|ya?ml)):(?:(?P<line>\d+):)? ")
_FIX = "To fix: "
_AT: dict[str, tuple[Where, str]] = {
    "rows": (("gate", "min_rows"), "Lower it, or widen window.holdout so that more rows judge."),
    "positives": (("gate", "min_positives"), "Lower it, or widen window.holdout so that more positives judge."),
    "plausibility.roc_auc": (
        ("gate", "plausibility", "max_roc_auc"),
        "Look for a column that is only known after the label; raise the limit only if the skill is real.",
    ),
    "new_classes": (("window", "partitions"), "Raise it until the window holds them, or wait until they have come."),
    "class_rows": (("gate", "min_class_rows"), "Lower it, or widen window.holdout so that more of that class judge."),
    "plausibility.r2": (
        ("gate", "plausibility", "max_r2"),
        "Look for a column that is only known after the label; raise the limit only if the skill is real.",
    ),
    "plausibility.single_feature": (
        ("gate", "plausibility", "max_single_feature_auc"),
        "Drop the feature that the message names if it is only known after the label; else raise the limit.",
    ),
    "behaviour.latency": (("gate", "behaviour", "max_ms_per_1000_rows"), "Raise it, or make the model smaller."),
    "behaviour.size": (("gate", "behaviour", "max_megabytes"), "Raise it, or make the model smaller."),
    "calibration": (("gate", "max_calibration_error"), "Raise it, or give candidates that are better calibrated."),
}


def of_error(pipeline: Pipeline | None, step: Step, error: PerennialError, where: Where, default: Path) -> Problem:
    """``error`` of ``step``; ``where`` is the part of pipeline.yaml to look at if the error names no place."""
    text = str(error)
    file, line = default, line_of(default, where)
    if place := _PLACE.match(text):
        file, line, text = Path(place["file"]), int(place["line"] or line), text[place.end() :]
    elif pipeline and (inside := _line_inside(pipeline.folder, error)):
        file, line = inside
    what, _, remedy = text.partition(_FIX)
    advice = "Try again later." if isinstance(error, Unavailable) else "Correct this place as the message says."
    return Problem(
        step=step, level=Level.ERROR, file=str(file), line=line, text=what.strip(), remedy=remedy.strip() or advice
    )


def of_finding(pipeline: Pipeline, finding: Finding, key: str) -> Problem:
    """An expectation that partition ``key`` breaks, at its line in expectations.py."""
    path = pipeline.folder / "expectations.py"
    said = (
        f"could not be evaluated: {finding.error}"
        if finding.error
        else f"observed {finding.observed}, not {{expected}}"
    )
    text = f"partition {key}: {ascii_controls_escaped(finding.label)}: {said}".replace("{expected}", finding.expected)
    return Problem(
        step=Step.EXPECTATIONS,
        level=Level.ERROR,
        file=str(path),
        line=_line_of_expectation(pipeline.sources["expectations.py"], finding.label),
        text=text,
        remedy="Correct the data at the source, or widen the expectation if the data are right.",
    )


def of_check(pipeline: Pipeline, check: Check, *, is_whole: bool) -> Problem:
    """A check of the gate that failed; only a warning if it saw fewer rows than a run would."""
    path = pipeline.folder / SPEC_FILE
    where, remedy = _AT.get(check.name, ((), ""))
    kind, _, metric = check.name.partition(".")
    if kind == "floor":
        first = metric in {str(name) for name in pipeline.spec.gate.first_floors}
        where = ("gate", "first_floors" if first else "floors", metric)
        remedy = "Improve features.py or the candidates, or lower the floor to what an honest model reaches."
    if kind == "ceiling":
        where, remedy = ("gate", "ceilings", metric), "Improve the candidates, or raise the ceiling."
    if not where:
        where, remedy = ("gate",), "Look at features.py and the candidates: the model does not do what it must."
    level = Level.ERROR if is_whole else Level.WARNING
    text = f"{check.name}: {check.message}"
    return Problem(step=Step.GATE, level=level, file=str(path), line=line_of(path, where), text=text, remedy=remedy)


def line_of(path: Path, where: Where) -> int:
    """The line of ``where`` in a pipeline.yaml that can be read; 1 in any other file."""
    return read_document(path).line(where) if path.name == SPEC_FILE and where else 1


def _line_inside(folder: Path, error: BaseException) -> tuple[Path, int] | None:
    """The innermost line of the pipeline's own code on the way to ``error``."""
    found = None
    cause: BaseException | None = error
    while cause is not None:
        for frame in traceback.extract_tb(cause.__traceback__):
            if Path(frame.filename).parent == folder and frame.lineno:
                found = (Path(frame.filename), frame.lineno)
        cause = cause.__cause__
    return found


def _line_of_expectation(text: str, label: str) -> int:
    """Where the expectation ``type(column)`` is written; the first of several alike, 1 if it is computed."""
    kind, _, columns = label.partition("#")[0].removesuffix(")").partition("(")
    wanted = kind.replace("_", "").lower()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    alike = [call for call in calls if ast.unparse(call.func).rpartition(".")[2].lower() == wanted]
    exact = [call for call in alike if columns in {value.value for value in _constants(call)}]
    return next((call.lineno for call in (*exact, *alike)), 1)


def _constants(call: ast.Call) -> list[ast.Constant]:
    return [keyword.value for keyword in call.keywords if isinstance(keyword.value, ast.Constant)]
