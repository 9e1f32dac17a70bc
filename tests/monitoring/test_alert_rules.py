"""Each alert fires on what it is about, and on nothing that is well: Prometheus says so."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from include.perennial.settings import PROJECT_ROOT
from tests.monitoring.promtool import promtool

RULES = PROJECT_ROOT / "monitoring" / "prometheus" / "alerts.yml"
WEEK_S, DAY_S = 7 * 24 * 3600, 24 * 3600


class Case(NamedTuple):
    """Series, with a value ``every`` so often, in which ``alert`` fires at ``at`` with ``labels``, some it ignores."""

    alert: str
    fires: dict[str, str]
    quiet: dict[str, str]
    at: str = "20m"
    labels: dict[str, str] = {}  # noqa: RUF012
    every: str = "1m"


def _always(value: float) -> str:
    return f"{value}x150"


def _of(metric: str, /, **labels: str) -> str:
    inner = ", ".join(f'{name}="{value}"' for name, value in ({"pipeline": "toy"} | labels).items())
    return f"perennial_{metric}{{{inner}}}"


def _weekly(**values: float) -> dict[str, str]:
    return {_of(name): _always(value) for name, value in ({"period_seconds": WEEK_S} | values).items()}


def _need(kind: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    series = _of("needs_person", kind=kind)
    return {series: _always(1)}, {series: _always(0)}, {"pipeline": "toy", "kind": kind}


def _latency(per_minute: dict[str, int]) -> dict[str, str]:
    return {_of("serve_request_seconds_bucket", le=le): f"0+{n}x60" for le, n in per_minute.items()}


TOY = {"pipeline": "toy"}
_NO_CHAMPION, _NO_RETRAIN, _LOST = _need("no_champion"), _need("no_retrain"), _need("retrain_lost")
_ROLLED = {"how": "rolled_back", "forced": "false"}
_FORCED = {"how": "promoted", "forced": "true"}
_QUARANTINE = {"newest_partition_rows": 970, "newest_partition_rows_quarantined": 30}
_SERVER = {"instance": "s:8500", "job": "model-server"}
_UP = 'up{job="model-server", instance="s:8500"}'
_LABELS = {"label_lag_expected_seconds": WEEK_S}

CASES = [
    Case(
        *("ExporterDown", {'up{job="perennial", instance="e"}': _always(0)}, {'up{job="perennial"}': _always(1)}),
        labels={"job": "perennial", "instance": "e"},
    ),
    Case("LedgerUnreachable", {"perennial_ledger_up": _always(0)}, {"perennial_ledger_up": _always(1)}),
    Case("LedgerTampered", {_of("ledger_intact"): _always(0)}, {_of("ledger_intact"): _always(1)}, labels=TOY),
    Case("PipelineBroken", {_of("pipeline_loadable"): _always(0)}, {_of("pipeline_loadable"): _always(1)}, labels=TOY),
    Case("NoChampion", _NO_CHAMPION[0], _NO_CHAMPION[1], "2h", _NO_CHAMPION[2]),
    Case("DriftWithoutRetrain", _NO_RETRAIN[0], _NO_RETRAIN[1], labels=_NO_RETRAIN[2]),
    Case("RetrainRejected", _LOST[0], _LOST[1], labels=_LOST[2]),
    Case(
        "RetrainUnanswered",
        {_of("retrain_asked_timestamp_seconds"): _always(-12 * 3600)},
        {_of("retrain_asked_timestamp_seconds"): _always(-11 * 3600)},
        labels=TOY,
    ),
    Case(
        "ChampionRolledBack",
        {_of("crownings_total", **_ROLLED): "0x30 1x600"},
        {_of("crownings_total", **_ROLLED): "2x700", _of("crownings_total", how="promoted", forced="false"): "0+1x700"},
        *("1h", TOY | _ROLLED),
    ),
    Case(
        "ChampionForced",
        {_of("crownings_total", **_FORCED): "0x30 1x600"},
        {_of("crownings_total", **_FORCED): "1x700"},
        *("1h", TOY | _FORCED),
    ),
    Case(
        "ChampionStale",
        _weekly(champion_since_timestamp_seconds=-8 * WEEK_S),
        _weekly(champion_since_timestamp_seconds=-7 * WEEK_S),
        *("2h", TOY),
    ),
    Case("FrozenForLong", {_of("frozen"): _always(1)}, {_of("frozen"): "0x8 1x100"}, "15d", TOY, every="6h"),
    Case(
        "ApprovalWaiting",
        {_of("approval_asked_timestamp_seconds", version="7"): _always(-DAY_S)},
        {_of("approval_asked_timestamp_seconds", version="7"): _always(-DAY_S + 7200)},
        labels=TOY | {"version": "7"},
    ),
    Case(
        "DataLate",
        _weekly(newest_partition_end_timestamp_seconds=-2 * WEEK_S),
        _weekly(newest_partition_end_timestamp_seconds=-2 * WEEK_S + DAY_S),
        labels=TOY,
    ),
    Case(
        "QuarantineNearQuota",
        _weekly(quarantine_quota_ratio=0.035, **_QUARANTINE),
        _weekly(quarantine_quota_ratio=0.04, **_QUARANTINE),
        labels=TOY,
    ),
    Case(
        "LabelsLate",
        _weekly(label_lag_seconds=3 * WEEK_S, **_LABELS),
        _weekly(label_lag_seconds=2 * WEEK_S, **_LABELS),
        labels=TOY,
    ),
    Case(
        "MonitorStalled",
        _weekly(
            newest_partition_end_timestamp_seconds=4 * WEEK_S, measured_partition_end_timestamp_seconds=0, **_LABELS
        ),
        _weekly(
            newest_partition_end_timestamp_seconds=3 * WEEK_S, measured_partition_end_timestamp_seconds=0, **_LABELS
        ),
        labels=TOY,
    ),
    Case(
        "PerformanceWorse",
        {_of("performance_is_worse", metric="roc_auc"): _always(1)},
        {_of("performance_is_worse", metric="roc_auc"): _always(0)},
        labels=TOY | {"metric": "roc_auc"},
    ),
    Case("ModelServerDown", {_UP: _always(0)}, {_UP: _always(1)}, labels=_SERVER),
    Case(
        "ModelServerErrors",
        {_of("serve_requests_total", status="200"): "0+100x60", _of("serve_requests_total", status="503"): "0+5x60"},
        {_of("serve_requests_total", status="200"): "0+100x60", _of("serve_requests_total", status="422"): "0+50x60"},
        labels=TOY,
    ),
    Case(
        "ModelServerSlow",
        _latency({"1.0": 90, "2.5": 100, "+Inf": 100}),
        _latency({"1.0": 100, "2.5": 100, "+Inf": 100}),
        labels=TOY,
    ),
    Case(
        "ModelServerBehind",
        {_of("serve_ledger_read_timestamp_seconds"): _always(0), _of("serve_problems"): _always(0)},
        {_of("serve_ledger_read_timestamp_seconds"): "0+60x60", _of("serve_problems"): _always(0)},
        labels=TOY,
    ),
    Case(
        "PredictionsNotLogged",
        {"perennial_serve_dropped_rows_total": "0x10 5x60"},
        {"perennial_serve_dropped_rows_total": "5x60"},
    ),
    Case("SchedulerDown", {}, {"airflow_scheduler_heartbeats_total": "0+12x60"}),
    Case(
        "QueueStuck",
        {"airflow_executor_queued_tasks": "3x60", "airflow_executor_running_tasks": "0x60"},
        {"airflow_executor_queued_tasks": "3x60", "airflow_executor_running_tasks": "2x60"},
        "30m",
    ),
    Case("TasksStarve", {"airflow_starving_tasks": "2x200"}, {"airflow_starving_tasks": "2x30 0x200"}, "2h"),
    Case(
        "RunsFail",
        {'airflow_dagrun_seconds_count{dag_id="toy__train", state="failed"}': "_x10 1x60"},
        {'airflow_dagrun_seconds_count{dag_id="toy__train", state="success"}': "_x10 1x60"},
        labels={"dag_id": "toy__train", "state": "failed"},
    ),
    Case("DagImportErrors", {"airflow_dag_import_errors": "1x60"}, {"airflow_dag_import_errors": "0x60"}),
]  # fmt: skip


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_alert_has_a_case() -> None:
    assert sorted(case.alert for case in CASES) == sorted(rules())


def test_each_alert_fires_on_what_it_is_about_and_on_nothing_that_is_well(tmp_path: Path) -> None:
    known = rules()
    for every in ("1m", "6h"):
        cases = [case for case in CASES if case.every == every]
        scenes = [scene for case in cases for scene in (_scene(case, known[case.alert]), _quiet(case))]
        file = tmp_path / f"{every}.yml"
        file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": scenes}))

        done = promtool("test", "rules", str(file))

        assert done.returncode == 0, done.stdout + done.stderr


def _scene(case: Case, rule: dict[str, Any]) -> dict[str, Any]:
    labels = {name: value for name, value in (case.labels | rule["labels"]).items()}
    return _test(case, case.fires, [{"exp_labels": labels, "exp_annotations": _told(case, rule)}])


def _quiet(case: Case) -> dict[str, Any]:
    return _test(case, case.quiet, [])


def _test(case: Case, series: dict[str, str], expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": case.every,
        "name": case.alert,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


_VALUES = {"QuarantineNearQuota": "3%", "LabelsLate": "21d 0h 0m 0s"}


def _told(case: Case, rule: dict[str, Any]) -> dict[str, str]:
    """The annotations with the labels, and the value where there is one, put in."""
    text = str(rule["annotations"]["summary"])
    for name, value in case.labels.items():
        text = text.replace(f"{{{{ $labels.{name} }}}}", value)
    for function in ("humanizePercentage", "humanizeDuration"):
        text = text.replace(f"{{{{ $value | {function} }}}}", _VALUES.get(case.alert, ""))
    return {"summary": text, "runbook": rule["annotations"]["runbook"]}


@pytest.mark.parametrize("name", sorted(rules()))
def test_every_alert_leads_to_a_page_that_says_what_to_do(name: str) -> None:
    page, _, anchor = rules()[name]["annotations"]["runbook"].partition("#")
    headings = [
        line.removeprefix("## ") for line in (PROJECT_ROOT / page).read_text().splitlines() if line[:3] == "## "
    ]

    assert anchor == name.lower()
    assert name in headings
