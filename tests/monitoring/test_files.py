"""The files of ``monitoring/`` are valid, and every metric they name is one that something emits."""

import json
import re
from pathlib import Path

import pytest
import yaml

from include.perennial.exporter.catalogue import FAMILIES
from include.perennial.exporter.options import ExporterOptions
from include.perennial.serving.metrics import Metrics
from include.perennial.serving.recorder import Recorder
from include.perennial.serving.shadow import Shadow
from include.perennial.settings import PROJECT_ROOT
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_log import PredictionLog
from tests.monitoring.promtool import promtool

MONITORING = PROJECT_ROOT / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "perennial.json"
_METRIC = re.compile(r"\b(?:perennial|airflow)_[a-z0-9_]+")
_OF_A_HISTOGRAM = ("_bucket", "_count", "_sum")


def expressions(text: str) -> list[str]:
    """Every PromQL expression of a JSON or YAML document."""
    found: list[str] = []

    def look(node: object) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key in ("expr", "query") and isinstance(value, str))
            node = list(node.values())
        if isinstance(node, list):
            for part in node:
                look(part)

    look(yaml.safe_load(text))
    return found


def of_the_model_server(folder: Path) -> set[str]:
    recorder = Recorder(PredictionLog(LocalObjects(folder)), 60, max_rows=10)
    text = Metrics({}, recorder, Shadow(recorder)).text().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE))
    histograms = [name for name, kind in kinds.items() if kind == "histogram"]
    return {*kinds, *(name + end for name in histograms for end in _OF_A_HISTOGRAM)}


def of_airflow() -> set[str]:
    names = {mapping["name"] for mapping in mappings()}
    return names | {name + end for name in names if name.endswith("_seconds") for end in _OF_A_HISTOGRAM}


def mappings() -> list[dict[str, object]]:
    return list(yaml.safe_load((MONITORING / "statsd" / "mapping.yml").read_text())["mappings"])


@pytest.mark.parametrize("file", [MONITORING / "prometheus" / "alerts.yml", DASHBOARD], ids=lambda path: path.name)
def test_every_metric_named_is_one_that_is_emitted(file: Path, tmp_path: Path) -> None:
    emitted = {family.name for family in FAMILIES} | of_the_model_server(tmp_path) | of_airflow()
    named = {name for text in expressions(file.read_text()) for name in _METRIC.findall(text)}

    assert len(named) > 20
    assert named - emitted == set()


def test_the_dashboard_shows_every_metric_of_the_loop() -> None:
    named = {name for text in expressions(DASHBOARD.read_text()) for name in _METRIC.findall(text)}
    left_to_alerts = {"perennial_ledger_events_total", "perennial_pipeline_info", "perennial_period_seconds"}
    counts = {"perennial_rows_published_total", "perennial_rows_quarantined_total", "perennial_measurement_status"}

    assert {family.name for family in FAMILIES} - named == left_to_alerts | counts


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    config = promtool("check", "config", "--syntax-only", str(MONITORING / "prometheus" / "prometheus.yml"))
    rules = promtool("check", "rules", str(MONITORING / "prometheus" / "alerts.yml"))

    assert (config.returncode, rules.returncode) == (0, 0), config.stderr + rules.stderr


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    texts = [text for text in expressions(DASHBOARD.read_text()) if not text.startswith("label_values(")]
    asked = [text.replace("$__rate_interval", "5m").replace("$pipeline", ".*") for text in texts]
    records = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(asked)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))

    done = promtool("check", "rules", str(file))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    [source] = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]

    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_statsd_name_is_one_of_airflows() -> None:
    """By the list of metrics that this Airflow carries: a name that Airflow gives up is noticed here."""
    import airflow

    [file] = Path(airflow.__file__).parent.glob("_shared/observability/metrics/metrics_template.yaml")
    metrics = yaml.safe_load(file.read_text())["metrics"]
    names = {name for metric in metrics for name in (metric["name"], metric.get("legacy_name") or "-")}
    known = {"airflow." + re.sub(r"\{.*?\}", "*", name).format(job_name="*") for name in names}
    # Airflow lists heartbeats of jobs by name.
    wanted = {str(mapping["match"]) for mapping in mappings() if mapping.get("match_type") != "regex"}

    assert wanted - known == set()


def test_every_metric_and_setting_of_the_exporter_is_documented() -> None:
    page = (PROJECT_ROOT / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| `(perennial_\w+)` \| ([^|]*) \| (.*) \|$", page, re.MULTILINE)

    assert rows == [(family.name, ", ".join(family.labels) or "–", family.text) for family in FAMILIES]
    assert ExporterOptions() == ExporterOptions("127.0.0.1", 9109, ())
    assert "| `HOST`, `PORT` | 127.0.0.1, 9109 |" in page
    assert "| `TOKEN_FILE` | none |" in page
