"""What a model is tried on before it serves: the few rows of its training data that are stored with it.

They are given to it as a request's rows are, with the columns that the pipeline declares now. A model that cannot score
even these was trained on other columns, and would fail every request. No request pays for a model's first prediction.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.perennial.errors import DataError, IntegrityError
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.messages import first_line
from include.perennial.serving.predict import CannotScore, predictions
from include.perennial.serving.roster import Serving
from include.perennial.spec import ColumnType
from include.perennial.tables import from_rows, to_frame

EXAMPLE = "input_example.json"


def try_out(serving: Serving, folder: Path | None, columns: Mapping[str, ColumnType], task: Task = BINARY) -> None:
    """Have the model predict the example in ``folder``, the files of the model; nothing happens if it has none.

    Raises:
        IntegrityError: it cannot score the example with ``columns``, the pipeline's but the target.
    """
    path = folder / EXAMPLE if folder else None
    if path is None or not path.exists():
        return
    example = json.loads(path.read_text())
    rows = [dict(zip(example["columns"], values, strict=True)) for values in example["data"]]
    # A column that was declared later is missing here, and the model does not look at it.
    values = [[_value(row.get(name), kind) for name, kind in columns.items()] for row in rows]
    try:
        predictions(serving, to_frame(from_rows(list(columns), values, columns, "the model's example")), task)
    except (CannotScore, DataError) as error:
        raise IntegrityError(
            f"it cannot score the example that is stored with it, by the columns that pipeline.yaml declares now "
            f"({first_line(error, 300)}). Serve the pipeline folder that it was trained with."
        ) from error


def _value(value: Any, kind: ColumnType) -> Any:
    # MLflow's example has days as moments.
    return value[:10] if kind is ColumnType.DATE and isinstance(value, str) else value
