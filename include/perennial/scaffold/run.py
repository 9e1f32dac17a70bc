"""All of ``new``: look, refuse or decide, measure, write."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from include.perennial.errors import BadInput
from include.perennial.messages import shown
from include.perennial.partitions import Partition
from include.perennial.pipeline_folder import load_pipeline
from include.perennial.scaffold.asked import Asked, Scaffolded
from include.perennial.scaffold.baseline import baseline
from include.perennial.scaffold.facts import Reference, card_facts, feature_facts, spec_facts
from include.perennial.scaffold.goals import Goal, goal
from include.perennial.scaffold.periods import Calendar, calendar
from include.perennial.scaffold.profile import Profile, profile
from include.perennial.scaffold.refusals import require_columns, require_free, require_rows
from include.perennial.scaffold.render import DAG, FILES, render
from include.perennial.scaffold.roles import Roles, roles
from include.perennial.scaffold.suite import batch_lines, row_lines
from include.perennial.scaffold.told import guesses, look_at
from include.perennial.scaffold.words import Written
from include.perennial.sources.batches import column_names
from include.perennial.spec.fields import SourcePath

COPIED_BYTES = 5_000_000
_PACKAGE = '"""The pipeline {name}. README.md is its data card."""\n'


def scaffold(asked: Asked, root: Path, dags: Path) -> Scaffolded:
    """Write ``root/<name>/`` and ``dags/<name>.py`` from the data; nothing that exists is touched.

    Raises:
        BadInput: a name is invalid, taken, or not of the file.
        DataError: no pipeline can be made of these data; says why.
    """
    folder, dag = root / asked.name, dags / f"{asked.name}.py"
    require_free(asked.name, folder, dag)
    require_columns(asked, column_names(asked.file))
    found = profile(asked)
    require_rows(asked, found)
    aim = goal(asked, found.columns[asked.target], found.form)
    sorted_out = roles(asked, found, aim)
    dates = calendar(asked, found, _rarest_share(aim, sorted_out.frame[asked.target]))
    reference = _reference(asked.file, found.form)
    with _staged(root, asked.name) as stage:
        told = _write(stage, asked, found, aim, sorted_out, dates, reference)
        require_free(asked.name, folder, dag)
        stage.rename(folder)
    with dag.open("x", encoding="utf-8") as file:
        file.write(render(DAG, {"name": Written(asked.name)}))
    return Scaffolded(
        pipeline=asked.name,
        folder=str(folder),
        files=tuple(str(path) for path in (*sorted(folder.iterdir()), dag)),
        rows=found.rows,
        guesses=tuple(told["guesses"]),
        look_at=tuple(told["look_at"]),
    )


def _write(
    stage: Path, asked: Asked, found: Profile, aim: Goal, sorted_out: Roles, dates: Calendar, reference: Reference
) -> dict[str, list[str]]:
    (stage / "__init__.py").write_text(_PACKAGE.format(name=asked.name), encoding="utf-8")
    if not reference.path.startswith("/"):
        shutil.copyfile(asked.file, stage / reference.path)
    open_facts = spec_facts(asked, found, aim, sorted_out, dates, reference, None)
    keys = _keys(sorted_out.frame[asked.time], dates)
    suite: dict[str, Any] = {
        "batch": batch_lines(asked.target, aim, found.columns, sorted_out, dates, keys),
        "rows": row_lines(asked.target, aim, found.columns, sorted_out),
        "period": open_facts["period"],
    }
    _put(stage, "features.py", feature_facts(asked, found, sorted_out))
    _put(stage, "expectations.py", suite)
    _put(stage, "pipeline.yaml", open_facts)
    measured = baseline(load_pipeline(asked.name, stage.parent), sorted_out.frame)
    _put(stage, "pipeline.yaml", spec_facts(asked, found, aim, sorted_out, dates, reference, measured))
    told = {
        "guesses": guesses(asked, found, aim, sorted_out, dates, measured, reference),
        "look_at": look_at(found, aim, sorted_out, dates, measured, reference),
    }
    _put(stage, "README.md", card_facts(asked, found, aim, sorted_out, dates, reference) | told)
    # What is handed over can be read: a fault of a template shows here, and leaves nothing behind.
    load_pipeline(asked.name, stage.parent)
    return told


def _rarest_share(aim: Goal, target: "pd.Series[Any]") -> float:
    counts = aim.task.label_counts(aim.task.encode(target).astype(aim.task.label_type))
    return 1.0 if counts is None else min(counts) / len(target)


def _put(stage: Path, name: str, facts: dict[str, Any]) -> None:
    (stage / name).write_text(render(FILES[name], facts), encoding="utf-8")


@contextmanager
def _staged(root: Path, name: str) -> Iterator[Path]:
    """A folder of the pipeline's name beside its place, so that the finished folder appears at once or not at all."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=root) as parent:
        stage = Path(parent) / name
        stage.mkdir()
        yield stage


def _reference(file: Path, form: str) -> Reference:
    """A small file is copied, under a name of our own; of a large one only the place is kept."""
    size = file.stat().st_size
    if size <= COPIED_BYTES:
        ending = ".csv.gz" if file.name.lower().endswith(".gz") else f".{form}"
        return Reference(f"data{ending}", f"The file was small ({size / 1e6:.1f} MB) and was copied as data{ending}.")
    path = str(file.resolve())
    try:
        TypeAdapter(SourcePath).validate_python(path)
    except ValidationError as error:
        raise BadInput(
            f"Path {shown(path, 200)} cannot stand in pipeline.yaml: {error.errors()[0]['msg']}. "
            "To fix: rename the file or its folder."
        ) from None
    if not path.isprintable():
        raise BadInput(f"Path {shown(path, 200)} holds control characters: rename the file or its folder.")
    return Reference(
        path,
        f"The file is large ({size / 1e6:,.0f} MB) and stays where it is, {path}; keep it there, or move the source.",
    )


def _keys(times: "pd.Series[pd.Timestamp]", dates: Calendar) -> "pd.Series[str]":
    hours = times.dt.floor("h")
    return hours.map({hour: Partition.containing(hour.to_pydatetime(), dates.period).key for hour in hours.unique()})
