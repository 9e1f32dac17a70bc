"""The smallest valid pipeline folder, and ways to break it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from include.perennial.errors import SpecError
from include.perennial.spec.reader import read_spec

SPEC = """\
# The smallest spec that is valid.
name: demo
title: Demo
description: A minimal pipeline.
owner: team-a
period: week

schedule:
  ingest: "0 4 * * 1"
  train: "0 5 * * 1"
  start: 2013-01-07

source:
  kind: files
  path: data/{key}.csv
  format: csv

data:
  time: at
  key: [at, id]
  target: late
  quarantine_quota: 0.01
  columns:
    at: timestamp
    id: string
    origin: string
    late: boolean

window:
  partitions: 8

candidates:
  logistic:
    estimator: sklearn.linear_model.LogisticRegression
    params: {C: 1e-2}

gate:
  min_rows: 100
  min_positives: 10
  floors: {roc_auc: 0.58}
  first_floors: {roc_auc: 0.6}
  compare: {metric: log_loss, margin: 0.01, cluster: [origin]}
  behaviour: {max_ms_per_1000_rows: 500, max_megabytes: 50}
  plausibility: {max_roc_auc: 0.95, max_single_feature_auc: 0.9}
"""
FEATURES = """\
class Features:
    def double(self, number):
        return 2 * number
"""
EXPECTATIONS = "BATCH = []\nROWS = []\n"


def write_folder(root: Path, name: str = "demo", spec: str | None = None, **modules: str) -> Path:
    """The folder ``root/name`` with a spec and ``<module>.py`` files; returns the folder."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yaml").write_text(SPEC.replace("name: demo", f"name: {name}") if spec is None else spec)
    for module, text in ({"features": FEATURES, "expectations": EXPECTATIONS} | modules).items():
        (folder / f"{module}.py").write_text(text)
    return folder


def edited(old: str, new: str, text: str = SPEC) -> str:
    """``text`` with its only ``old`` replaced, so that a stale edit fails instead of testing the valid spec."""
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


def line_of(part: str, text: str) -> int:
    """The line, counted from 1, on which ``part`` first occurs."""
    return text[: text.index(part)].count("\n") + 1


@dataclass(frozen=True)
class Bad:
    """Replace ``old`` by ``new``; the message must point at the line that holds ``at`` and contain ``says``."""

    old: str
    new: str
    at: str
    says: tuple[str, ...]


def bad(old: str, new: str, *says: str, at: str | None = None) -> Bad:
    """A case whose message points at the first replaced line, unless ``at`` says otherwise."""
    return Bad(old, new, at or new.strip().splitlines()[0], says)


def refusal(path: Path) -> str:
    """The message with which ``path`` is refused; one line, bounded, beginning with the file."""
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:"), message
    assert "\n" not in message
    assert len(message) <= 2000
    return message


def require_refusal(case: Bad, root: Path) -> None:
    """The spec broken by ``case`` is refused at the right line and with the right words."""
    text = edited(case.old, case.new)
    path = write_folder(root, spec=text) / "pipeline.yaml"
    message = refusal(path)
    assert message.startswith(f"{path}:{line_of(case.at, text)}: "), message
    assert [part for part in case.says if part not in message] == [], message
