"""What is predicted: the task that a target's values speak for, or the one that was asked for."""

from dataclasses import dataclass

from include.perennial.errors import BadInput, DataError
from include.perennial.gate.tasks import Task, task_named
from include.perennial.messages import data_error, did_you_mean, shown, shown_names
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.kinds import Column
from include.perennial.spec import ColumnType
from include.perennial.spec.metrics import TaskKind
from include.perennial.spec.task import MIN_CLASSES

COUNTS = "counts"
TASKS = (TaskKind.BINARY.value, TaskKind.REGRESSION.value, COUNTS, TaskKind.MULTICLASS.value)
MOST_CLASSES = 20
_MOST_UNLABELLED = 0.2
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


@dataclass(frozen=True)
class Goal:
    """``classes`` of a multiclass task, in the order of the predictions; ``is_count`` of a regression of counts."""

    kind: TaskKind
    classes: tuple[str, ...] = ()
    is_count: bool = False
    guess: str = ""

    @property
    def task(self) -> Task:
        """The task as the rest of the product knows it."""
        return task_named(self.kind, self.classes)

    @property
    def has_classes(self) -> bool:
        """Whether labels are classes, of which each must be seen."""
        return self.kind is not TaskKind.REGRESSION


def goal(asked: Asked, target: Column, form: str) -> Goal:
    """The task of ``target``.

    Raises:
        BadInput: there is no such task.
        DataError: the target's values are not of the task asked for, or of none.
    """
    if asked.task is not None and asked.task not in TASKS:
        raise BadInput(
            f"TASK is {shown(asked.task)}{did_you_mean(asked.task, TASKS)}: expected one of {', '.join(TASKS)}."
        )
    where = f"{shown(asked.file.name)}, target {shown(asked.target)}"
    _require_two_values(where, target)
    found = _guessed(target, where) if asked.task is None else asked.task
    made = {"binary": _binary, "multiclass": _multiclass}.get(found, _number)(target, form, where, found)
    if target.null_rate > _MOST_UNLABELLED:
        raise DataError(
            f"{where}: {target.nulls:,} of {target.rows:,} rows have no label ({target.null_rate:.0%}). Expected: at "
            f"most {_MOST_UNLABELLED:.0%}. To fix: leave out the rows whose outcome is not known yet, and say with "
            "data.label_delay_periods how long it takes."
        )
    why = "as asked for" if asked.task else "from the target's values"
    others = ", ".join(name for name in TASKS if name != found)
    return Goal(
        made.kind,
        made.classes,
        made.is_count,
        f"The task is {found}, {why}: {_seen(target)} (TASK= also takes {others}).",
    )


def _require_two_values(where: str, target: Column) -> None:
    values = sorted(target.distinct)
    if len(values) <= 1 and not target.is_diverse:
        raise data_error(
            where=where,
            got=f"the same value in every row, {shown(values[0])}" if values else "no value in any row",
            allowed="values that differ: there is nothing to learn otherwise",
            fix="take another column, or rows of a time in which it varies",
        )


def _guessed(target: Column, where: str) -> str:
    if target.kind is ColumnType.BOOLEAN or (len(target.distinct) == 2 and not target.is_diverse):
        return TaskKind.BINARY
    if target.kind is ColumnType.INTEGER:
        return COUNTS if target.low is not None and target.low >= 0 else TaskKind.REGRESSION
    if target.kind is ColumnType.FLOAT:
        return TaskKind.REGRESSION
    return TaskKind.MULTICLASS


def _binary(target: Column, form: str, where: str, found: str) -> Goal:
    values = sorted(target.distinct)
    numbers = {float(value) for value in values} if target.kind in _NUMBERS else None
    if target.is_diverse or (numbers != {0.0, 1.0} and target.kind is not ColumnType.BOOLEAN):
        two = len(values) == 2 and not target.is_diverse
        fix = f"write 1 for the outcome to predict and 0 for the other, such as 1 for {shown(values[-1], 40)}"
        raise data_error(
            where=where,
            got=f"{_how_many(target)} different values, such as {shown_names(values[:4])}",
            allowed="0 and 1, or true and false, for two outcomes",
            fix=fix if two else "take a column with two outcomes, or another TASK",
        )
    if target.kind is ColumnType.FLOAT and form == "csv":
        raise data_error(
            where=where,
            got=f"numbers with a decimal point, {shown_names(values)}",
            allowed="0 and 1",
            fix="write whole numbers (pandas turns them into decimals beside missing values: use its Int64)",
        )
    return Goal(TaskKind.BINARY)


def _multiclass(target: Column, form: str, where: str, found: str) -> Goal:
    values = sorted(target.distinct)
    usable = target.kind in (ColumnType.STRING, ColumnType.INTEGER)
    if target.is_diverse or not usable or not MIN_CLASSES <= len(values) <= MOST_CLASSES:
        raise data_error(
            where=where,
            got=f"{_how_many(target)} different values, such as {shown_names(values[:4])}",
            allowed=f"{MIN_CLASSES} to {MOST_CLASSES} classes as text or whole numbers, or numbers to predict",
            fix="take another column, or put rare classes together",
        )
    if bad := [value for value in values if not value.strip() or not value.isprintable()]:
        raise data_error(
            where=where,
            got=f"a class named {shown(bad[0])}",
            allowed="classes that have a name",
            fix="name it in the file",
        )
    in_order = sorted(values, key=int) if target.kind is ColumnType.INTEGER else values
    return Goal(TaskKind.MULTICLASS, tuple(in_order))


def _number(target: Column, form: str, where: str, found: str) -> Goal:
    if target.kind not in _NUMBERS:
        raise data_error(
            where=where,
            got=f"{target.kind or 'nothing'}, such as {shown_names(sorted(target.distinct)[:4])}",
            allowed="a number in every row",
            fix="take another column, or another TASK",
        )
    if found == COUNTS and (target.low or 0) < 0:
        raise data_error(
            where=where,
            got=f"a count of {target.low:g}",
            allowed="0 or more",
            fix="take another column, or TASK=regression",
        )
    return Goal(TaskKind.REGRESSION, is_count=found == COUNTS)


def _how_many(target: Column) -> str:
    n = len(target.distinct)
    return f"more than {n - 1}" if target.is_diverse else str(n)


def _seen(target: Column) -> str:
    if target.kind in _NUMBERS and target.low is not None:
        return f"{'whole ' if target.kind is ColumnType.INTEGER else ''}numbers from {target.low:g} to {target.high:g}"
    return f"{_how_many(target)} values, {shown_names(sorted(target.distinct)[:4])}"
