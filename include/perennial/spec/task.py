"""What the task of a pipeline asks of the rest of its spec: which metrics, target and limits fit together.

Each function raises what is wrong, with the allowed names, or returns quietly.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from include.perennial.messages import shown
from include.perennial.spec.fields import refused
from include.perennial.spec.metrics import COMPARABLE_OF, IN_UNITS_OF_THE_TARGET, METRICS, Metric, TaskKind

if TYPE_CHECKING:
    from include.perennial.spec import Gate, PipelineSpec

MIN_CLASSES = 3
_TARGETS = {
    TaskKind.BINARY: ("boolean", "integer"),
    TaskKind.REGRESSION: ("float", "integer"),
    TaskKind.MULTICLASS: ("integer", "string"),
}
_Keys = Mapping[TaskKind, tuple[str, ...]]
_GATE_KEYS = {
    TaskKind.BINARY: ("min_positives",),
    TaskKind.REGRESSION: (),
    TaskKind.MULTICLASS: ("min_class_rows",),
}
_PLAUSIBILITY_KEYS = {
    TaskKind.BINARY: ("max_roc_auc", "max_single_feature_auc"),
    TaskKind.REGRESSION: ("max_r2", "max_single_feature_correlation"),
    TaskKind.MULTICLASS: ("max_roc_auc", "max_single_feature_auc"),
}
_LOGGED = {TaskKind.REGRESSION: ("prediction",)}


def require_task_fits(spec: "PipelineSpec") -> None:
    """Refuse the first part of ``spec`` that does not go with ``spec.task``."""
    _require_target(spec)
    _require_classes(spec)
    _require_metrics(spec)
    _require_keys(spec.task, spec.gate, ("gate",), _GATE_KEYS)
    _require_keys(spec.task, spec.gate.plausibility, ("gate", "plausibility"), _PLAUSIBILITY_KEYS)
    if spec.gate.max_calibration_error is not None and spec.task is not TaskKind.BINARY:
        text = f"is for binary pipelines, whose probabilities are of one event: expected no such key in a {spec.task}"
        raise refused(f"{text} pipeline", ("gate", "max_calibration_error"))
    _require_free_names(spec)


def require_reachable(gate: "Gate") -> None:
    """Refuse a floor that plausibility forbids to reach, and a margin beyond the range of its metric."""
    limits = {Metric.ROC_AUC: "max_roc_auc", Metric.R2: "max_r2"}
    for metric, key in limits.items():
        highest = getattr(gate.plausibility, key)
        for at, floors in (("floors", gate.floors), ("first_floors", gate.first_floors)):
            if highest is not None and metric in floors and floors[metric] >= highest:
                text = f"is not below gate.plausibility.{key}, {highest}: no model could pass"
                raise refused(text, (at, metric))
    if gate.compare.metric in IN_UNITS_OF_THE_TARGET:
        return
    named = [(("compare", "margin"), gate.compare.margin)]
    named += [(("slices", "max_regression"), gate.slices.max_regression)] if gate.slices else []
    for where, value in named:
        if value > 1:
            text = f"is {value}: expected a number, at least 0, at most 1, since {gate.compare.metric} is compared"
            raise refused(text, where)


def _require_target(spec: "PipelineSpec") -> None:
    declared, allowed = spec.data.columns[spec.data.target], _TARGETS[spec.task]
    if declared not in allowed:
        text = f"names column {shown(spec.data.target)}, declared as {declared}: expected {' or '.join(allowed)}"
        raise refused(text if spec.task is TaskKind.BINARY else f"{text} for {spec.task}", ("data", "target"))


def _require_classes(spec: "PipelineSpec") -> None:
    if spec.task is not TaskKind.MULTICLASS:
        if spec.classes is not None:
            raise refused(f"is for multiclass pipelines: expected no such key, or task: multiclass, not {spec.task}",
                          ("classes",))  # fmt: skip
        return
    if spec.classes is None:
        text = f"is missing: expected all values of {shown(spec.data.target)}, {MIN_CLASSES} or more, in a fixed order"
        raise refused(text, ("classes",))
    if len(spec.classes) < MIN_CLASSES:
        raise refused(f"has {len(spec.classes)} entries: expected {MIN_CLASSES} or more, or task: binary", ("classes",))


def _require_metrics(spec: "PipelineSpec") -> None:
    gate, allowed = spec.gate, METRICS[spec.task]
    named: list[tuple[Metric, tuple[str, ...], Iterable[Metric], str]] = [
        (metric, ("gate", section, metric), allowed, f"is not a metric of {spec.task} pipelines")
        for section in ("floors", "first_floors", "ceilings")
        for metric in getattr(gate, section)
    ]
    named += [
        (spec.selection_metric, ("selection_metric",), allowed,
         f"is {spec.selection_metric}, which is not a metric of {spec.task} pipelines"),
        (gate.compare.metric, ("gate", "compare", "metric"), COMPARABLE_OF[spec.task],
         f"is {gate.compare.metric}, which cannot be compared"),
    ]  # fmt: skip
    for metric, where, known, said in named:
        if metric not in known:
            raise refused(f"{said}: expected one of {', '.join(sorted(known))}", where)


def _require_keys(task: TaskKind, section: Any, at: tuple[str, ...], keys_of: _Keys) -> None:
    mine = keys_of[task]
    for key in dict.fromkeys(key for keys in keys_of.values() for key in keys):
        is_set = getattr(section, key) is not None
        if key in mine and not is_set:
            raise refused(f"has no {key}: expected {' and '.join(mine)} in a {task} pipeline", at)
        if is_set and key not in mine:
            instead = f"expected {' and '.join(mine)}" if mine else "expected no such key"
            raise refused(f"is not for {task} pipelines: {instead}", (*at, key))


def _require_free_names(spec: "PipelineSpec") -> None:
    for name in (spec.data.time, *spec.data.key):
        of_class = spec.task is TaskKind.MULTICLASS and name.startswith("p.")
        if of_class or name in _LOGGED.get(spec.task, ()):
            text = f"{shown(name)} is a column of the prediction log: expected another name for the time or a key"
            raise refused(text, ("data", "columns"))
