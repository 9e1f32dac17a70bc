"""Which pod a step runs in under the KubernetesExecutor; nothing is set under any other executor."""

from __future__ import annotations

import os
from pathlib import Path

from include.perennial.errors import BadInput

_FOLDER = "PERENNIAL_POD_TEMPLATES"


def pod_of(step: str) -> dict[str, str]:
    """``executor_config`` of ``step``: its own pod template, if the folder PERENNIAL_POD_TEMPLATES has one.

    A step without a file gets the executor's own ``pod_template_file``. The scheduler reads the files.

    Raises:
        BadInput: the folder does not exist.
    """
    named = os.environ.get(_FOLDER)
    if not named:
        return {}
    folder = Path(named)
    if not folder.is_dir():
        raise BadInput(
            f"{_FOLDER} names {named[:200]}, which is no folder here: name one that the image has, or leave it out."
        )
    template = folder / f"{step}.yaml"
    return {"pod_template_file": str(template)} if template.is_file() else {}
