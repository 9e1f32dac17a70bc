"""The same data and seed give the same model: what estimators of each library need to be told for that."""

from typing import Any

_SETTINGS: dict[str, dict[str, Any]] = {
    # By default LightGBM times two ways of building histograms on the first rows and takes the faster one.
    "lightgbm": {"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbosity": -1},
    "xgboost": {"n_jobs": 1},
}
_UNSET = (None, -1)


def settle(estimator: Any, seed: int) -> None:
    """Give ``estimator``, and every estimator within it, a seed and its library's settings where it has none."""
    parts = [("", estimator), *estimator.get_params(deep=True).items()]
    for name, value in parts:
        if (name == "random_state" or name.endswith("__random_state")) and value is None:
            estimator.set_params(**{name: seed})
    for _, part in parts:
        library = type(part).__module__.partition(".")[0]
        if library not in _SETTINGS or not hasattr(part, "get_params"):
            continue
        given = part.get_params(deep=False)
        missing = {name: value for name, value in _SETTINGS[library].items() if given.get(name, None) in _UNSET}
        part.set_params(**missing)
