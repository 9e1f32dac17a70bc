"""The example made small: a pipeline that trains within seconds of its third week."""

import shutil
from pathlib import Path
from typing import Any

import yaml


def write_light_pipeline(pipelines: Path, dags: Path, name: str, **sections: Any) -> None:
    """The example under another name: one light candidate, a short window, a gate that passes."""
    shutil.copytree(pipelines / "flight_delays", pipelines / name)
    spec = yaml.safe_load((pipelines / name / "pipeline.yaml").read_text())
    spec["gate"]["compare"]["margin"] = 1.0
    del spec["gate"]["slices"]
    light = {
        "name": name,
        "source": {"kind": "python", "options": {"replay": False}},
        "schedule": spec["schedule"] | {"start": "2013-01-07"},
        "window": {"kind": "sliding", "partitions": 2, "holdout": 1},
        "candidates": {"logistic_regression": spec["candidates"]["logistic_regression"]},
        "gate": spec["gate"] | {"floors": {"roc_auc": 0.5}, "first_floors": {"roc_auc": 0.5}},
    }
    (pipelines / name / "pipeline.yaml").write_text(yaml.safe_dump(spec | light | sections, sort_keys=False))
    (dags / f"{name}.py").write_text((dags / "flight_delays.py").read_text().replace("flight_delays", name))


def set_clocks_ahead(folder: Path, since: str, hours: int = 8) -> None:
    """From partition ``since`` on, the hours that the pipeline in ``folder`` is delivered are not those of before."""
    source = folder / "source.py"
    source.write_text(
        source.read_text()
        + "\n\n_before = assemble\n\n\ndef assemble(partition, folder):\n"
        + "    frame = _before(partition, folder)\n"
        + f'    return frame.assign(hour=(frame["hour"] + {hours}) % 24) if partition.key >= "{since}" else frame\n'
    )
