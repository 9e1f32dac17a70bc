"""Small tables of different shapes, each with an outcome that its columns tell something of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from include.perennial.scaffold import Asked, Scaffolded, scaffold

HOSTILE = (
    "'''\nimport os; os.abort()\n'''",
    '"""; raise SystemExit',
    "{{ 7 * 7 }}{% raw %}",
    "a: b # c",
    "- x",
    "!!python/object:os.system",
    "&a *a",
    "${HOME} $(id) `id`",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\\",
    "\u2028\u0085",
    "é 漢 😀",
    "",
)


def table(n: int = 1200, days: int = 84, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """``n`` rows over ``days``: ``x`` tells of the outcome ``y``, ``z`` does not; more ``columns`` beside them."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, days * 86_400, n))
    x = random.normal(size=n).round(3)
    y = (random.random(n) < 1 / (1 + np.exp(-2 * x))).astype(int)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, "s")
    frame = pd.DataFrame({"id": range(n), "at": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "x": x})
    return frame.assign(z=random.integers(0, 5, n), **columns, y=y)


def gaps(frame: pd.DataFrame, column: str, share: float) -> pd.DataFrame:
    """``frame`` with missing values in ``column``."""
    missing = np.random.default_rng(1).random(len(frame)) < share
    return frame.assign(**{column: frame[column].mask(missing)})


def hostile() -> pd.DataFrame:
    """Column names and categories that would end a string, a comment or a document, were they not escaped."""
    columns = {f"{text}{n}": [n, n + 1] * 600 for n, text in enumerate(HOSTILE) if text.isprintable() and text}
    values = np.random.default_rng(2).choice(HOSTILE, 1200)
    return table(**{"va\"l'ue": values}, **columns)


def amount(frame: pd.DataFrame) -> "pd.Series[Any]":
    """A number that follows ``x``, negative at times."""
    return (3 * frame["x"] + np.random.default_rng(3).normal(size=len(frame))).round(2)


def count(frame: pd.DataFrame) -> "pd.Series[Any]":
    """A count that follows ``x``."""
    return pd.Series(np.random.default_rng(4).poisson(np.exp(1 + 0.5 * frame["x"])), index=frame.index)


def grade(frame: pd.DataFrame) -> "pd.Series[Any]":
    """Three classes that follow ``x``."""
    height = frame["x"] + 0.5 * np.random.default_rng(5).normal(size=len(frame))
    return pd.Series(np.asarray(["low", "mid", "top"])[np.digitize(height, (-0.5, 0.5))], index=frame.index)


SHAPES: dict[str, Callable[[], pd.DataFrame]] = {
    "plain": table,
    "days instead of weeks": lambda: table(days=10),
    "dates without hours": lambda: table().assign(at=lambda frame: frame["at"].str[:10]),
    "moments without a zone": lambda: table().assign(at=lambda frame: frame["at"].str.rstrip("Z")),
    "gaps in a number and a category": lambda: gaps(gaps(table(kind=["a", "b", "c"] * 400), "kind", 0.2), "x", 0.3),
    "labels as words": lambda: table().assign(y=lambda frame: frame["y"].map({0: "false", 1: "true"})),
    "labels missing": lambda: gaps(table(), "y", 0.05).astype({"y": "Int64"}),
    "rare outcome": lambda: table(n=6000).assign(y=lambda frame: ((frame["x"] > 1) & (frame["z"] == 1)).astype(int)),
    "another moment, and a flag": lambda: table(seen=["2023-12-01", "2023-11-05"] * 600, flag=["true", "false"] * 600),
    "many categories": lambda: table(shop=[f"s{n % 300}" for n in range(1200)], zone=["07", "08", "1"] * 400),
    "free text, a constant, an empty column": lambda: table(
        note=[f"text {n}" for n in range(1200)], same=["s"] * 1200, nothing=[None] * 1200
    ),
    "hostile names and values": hostile,
    "long integers": lambda: table(account=[10**15 + n % 90 for n in range(1200)]),
    "an amount as target": lambda: table(shop=["a", "b"] * 600).assign(y=amount),
    "a count as target": lambda: table().assign(y=count),
    "classes as target": lambda: table().assign(y=grade),
    "rows out of order": lambda: table().sample(frac=1, random_state=0),
}


def write(frame: pd.DataFrame, root: Path, name: str = "rows.csv") -> Path:
    """``frame`` as a file; CSV, or Parquet by the name's ending."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False) if name.endswith(".parquet") else frame.to_csv(path, index=False)
    return path


def made(root: Path, file: Path, **changes: Any) -> Scaffolded:
    """The pipeline ``fresh`` below ``root``, from ``file``."""
    asked = {"name": "fresh", "target": "y", "time": "at", "key": ("id",)} | changes
    (root / "dags").mkdir(exist_ok=True)
    return scaffold(Asked(file=file, **asked), root / "pipelines", root / "dags")
