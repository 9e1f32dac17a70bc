"""What no pipeline can be made of, said before anything is written."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from include.perennial.errors import BadInput, DataError
from include.perennial.gate.tasks import BINARY, REGRESSION, Task
from include.perennial.messages import data_error, did_you_mean, shown, shown_names
from include.perennial.scaffold.asked import Asked
from include.perennial.scaffold.kinds import Column
from include.perennial.scaffold.profile import Profile
from include.perennial.spec import PREDICTION_COLUMNS, ColumnType

FEWEST_ROWS = 100
_MOST_UNLABELLED = 0.2
_FEWEST_AMOUNTS = 11
_NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")
_LONGEST_COLUMN = 128


def require_free(name: str, folder: Path, dag: Path) -> None:
    """Refuse a name that is invalid or taken: nothing is ever overwritten.

    Raises:
        BadInput: says which.
    """
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:48]
        hint = f" Such as {near!r}." if _NAME.fullmatch(near) else ""
        raise BadInput(
            f"Name {shown(name)} is invalid: expected 2 to 48 of a-z, 0-9 and _, beginning with a letter.{hint}"
        )
    for path in (folder, dag, dag.with_suffix("")):
        if path.exists():
            raise BadInput(
                f"{path} exists already, and nothing is overwritten. "
                "To fix: choose another name, or remove what is there yourself."
            )


def require_columns(asked: Asked, names: Sequence[str]) -> None:
    """Refuse names that the file does not have, or that have two parts to play.

    Raises:
        DataError: the file's header cannot be worked with.
        BadInput: names the column and the nearest one that exists.
    """
    where = shown(asked.file.name)
    if len(names) == 1:
        raise data_error(
            where=where,
            got=f"a header of one column, {shown(names[0])}",
            allowed="comma-separated columns, among them the target, the time and the key",
            fix="export the file with commas, not semicolons or tabs, and with a header",
        )
    if repeated := [name for name, n in Counter(names).items() if n > 1]:
        raise data_error(
            where=where,
            got=f"more than one column is named {shown_names(repeated)}",
            allowed="every column name once",
            fix="rename or drop the repeated columns",
        )
    parts = {"TARGET": (asked.target,), "TIME": (asked.time,), "KEY": asked.key}
    parts |= {"LEAVE_OUT": asked.leave_out, "KEEP": asked.keep}
    for part, wanted in parts.items():
        for name in wanted:
            if name not in names:
                raise BadInput(
                    f"{part} names column {shown(name)}, which {where} does not have{did_you_mean(name, names)}. "
                    f"Its columns: {shown_names(names)}."
                )
    for name in (asked.target, asked.time, *asked.key):
        if problem := name_problem(name):
            raise BadInput(f"Column {shown(name)} cannot be used, {problem}: rename it in the file.")
    if not asked.key or asked.target in (*asked.key, asked.time):
        raise BadInput(f"Target {shown(asked.target)} is the time or in the key: expected another column.")
    if taken := [name for name in (asked.time, *asked.key) if name in PREDICTION_COLUMNS]:
        raise BadInput(
            f"Column {shown(taken[0])} has a name that the prediction log uses for itself "
            f"({', '.join(PREDICTION_COLUMNS)}): rename it in the file."
        )


def name_problem(name: str) -> str:
    """Why a column's name cannot stand in pipeline.yaml, or nothing."""
    if not name.strip():
        return "its name is blank"
    if len(name) > _LONGEST_COLUMN:
        return f"its name has {len(name)} characters and at most {_LONGEST_COLUMN} are allowed"
    return "" if name.isprintable() else "its name holds control characters"


def require_rows(asked: Asked, found: Profile) -> None:
    """Refuse a file with too little in it, and keys that occur twice.

    Raises:
        DataError: says what was found.
    """
    where = shown(asked.file.name)
    if found.rows < FEWEST_ROWS:
        raise data_error(
            where=where,
            got=f"{found.rows} row{'' if found.rows == 1 else 's'}",
            allowed=f"at least {FEWEST_ROWS} rows: fewer can neither train nor judge a model",
            fix="take a longer time",
        )
    repeats = found.repeats
    if repeats is None:
        return
    hint = "name columns after KEY= that together occur once, or drop the repeated rows"
    if found.repeats_with_time is None:
        hint = f"KEY={','.join((*asked.key, asked.time))} would be unique, if that is what a row is"
    raise data_error(
        where=f"{where}, key {shown_names(asked.key)}",
        got=f"{repeats.rows:,} rows whose key occurred before; rows {repeats.first} and {repeats.again} are the first",
        allowed="every key once",
        fix=hint,
    )


def target_task(asked: Asked, target: Column, form: str) -> Task:
    """The task that a target of 0 and 1, or of many numbers, asks for.

    Raises:
        DataError: it holds something else, which is said.
    """
    where = f"{shown(asked.file.name)}, target {shown(asked.target)}"
    values = sorted(target.distinct)
    if len(values) <= 1 and not target.is_diverse:
        raise data_error(
            where=where,
            got=f"the same value in every row, {shown(values[0])}" if values else "no value in any row",
            allowed="both outcomes: there is nothing to learn otherwise",
            fix="take another column, or rows of a time in which both occur",
        )
    numbers = {float(value) for value in values} if target.kind in (ColumnType.INTEGER, ColumnType.FLOAT) else None
    if numbers is not None and len(values) >= _FEWEST_AMOUNTS:
        _require_labels(where, target)
        return REGRESSION
    if target.is_diverse or (numbers != {0.0, 1.0} and target.kind is not ColumnType.BOOLEAN):
        n = f"more than {len(values) - 1}" if target.is_diverse else str(len(values))
        two = len(values) == 2 and not target.is_diverse
        fix = f"write 1 for the outcome to predict and 0 for the other, such as 1 for {shown(values[-1], 40)}"
        raise data_error(
            where=where,
            got=f"{n} different values, such as {shown_names(values[:4])}",
            allowed=f"0 and 1, or true and false, or a number of {_FEWEST_AMOUNTS} and more values",
            fix=fix
            if two
            else "take a column with two outcomes, or make one, such as 1 where a limit is passed; for more classes "
            "copy include/pipelines/iris",
        )
    if target.kind is ColumnType.FLOAT and form == "csv":
        raise data_error(
            where=where,
            got=f"numbers with a decimal point, {shown_names(values)}",
            allowed="0 and 1",
            fix="write whole numbers (pandas turns them into decimals beside missing values: use its Int64)",
        )
    _require_labels(where, target)
    return BINARY


def _require_labels(where: str, target: Column) -> None:
    if target.null_rate > _MOST_UNLABELLED:
        raise DataError(
            f"{where}: {target.nulls:,} of {target.rows:,} rows have no label ({target.null_rate:.0%}). Expected: at "
            f"most {_MOST_UNLABELLED:.0%}. To fix: leave out the rows whose outcome is not known yet, and say with "
            "data.label_delay_periods how long it takes."
        )
