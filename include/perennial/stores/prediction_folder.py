"""Where the prediction log keeps a partition. Apart from the log itself, so that waiting for it imports no pandas."""

_ROOT = "predictions-log"


def predictions_of(pipeline: str, key: str) -> str:
    """Prefix of the files of partition ``key`` in the object store; of all partitions if it is empty."""
    return f"{_ROOT}/{pipeline}/{key}/" if key else f"{_ROOT}/{pipeline}/"


def online_predictions_of(pipeline: str, key: str) -> str:
    """Prefix of what the model server has answered about rows of partition ``key``; apart, so that an answer does not
    make a partition look scored."""
    return f"{_ROOT}/{pipeline}/online/{key}/"
