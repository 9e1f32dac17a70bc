"""Who may scrape, and the command: printed, written, served to a real Prometheus."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from include.perennial import cli
from include.perennial.errors import BadInput
from include.perennial.exporter.options import ExporterOptions
from include.perennial.exporter.server import build
from include.perennial.settings import PROJECT_ROOT, Settings
from tests.evaluations import Monitored
from tests.histories import History
from tests.metrics_text import Scraped
from tests.model_server import until
from tests.monitoring.promtool import program
from tests.servers import free_port
from tests.unit.exporter.conftest import everything
from tests.unit.monitor.measurements import WEEKS

TOKEN = "t" * 40


def client(settings: Settings, *tokens: str) -> TestClient:
    return TestClient(build(settings, ExporterOptions(tokens=tokens)), base_url="http://localhost")


def test_a_scrape_wants_the_token_and_health_does_not(settings: Settings) -> None:
    asked = client(settings, TOKEN)

    assert asked.get("/health").status_code == 200
    assert asked.get("/metrics").status_code == 401
    assert asked.get("/metrics", headers={"Authorization": f"Bearer {TOKEN[:-1]}"}).status_code == 401
    answer = asked.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert Scraped.of(answer.text).value("perennial_ledger_up", None) == 1


def test_without_a_token_only_loopbacks_own_names_are_answered(settings: Settings) -> None:
    assert client(settings).get("/metrics").status_code == 200
    assert client(settings).get("/metrics", headers={"Host": "evil.example"}).status_code == 421


def test_beyond_loopback_a_token_is_wanted(tmp_path: Path) -> None:
    env = {"PERENNIAL_METRICS_HOST": "0.0.0.0"}
    with pytest.raises(
        BadInput, match="exporter would listen on '0\\.0\\.0\\.0' without a token: set PERENNIAL_METRICS"
    ):
        ExporterOptions.from_env(env)

    (tmp_path / "token").write_text(TOKEN)
    assert ExporterOptions.from_env(env | {"PERENNIAL_METRICS_TOKEN_FILE": str(tmp_path / "token")}).tokens == (TOKEN,)


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    env = {"PERENNIAL_HOME": str(settings.home), "PERENNIAL_PIPELINES": str(settings.pipelines)}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PERENNIAL_LEDGER", raising=False)
    return {"PATH": os.environ["PATH"]} | env


def test_the_command_prints_or_writes_what_a_scrape_gets(
    environment: dict[str, str], history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.win("1", WEEKS[7])

    assert cli.main(["metrics"]) == 0
    assert Scraped.of(capsys.readouterr().out).value("perennial_champion_info", version="1", cutoff=WEEKS[7]) == 1

    target = tmp_path / "collected" / "perennial.prom"
    target.parent.mkdir()
    assert cli.main(["metrics", "--write", str(target)]) == 0
    assert Scraped.of(target.read_text()).value("perennial_champion_info", version="1", cutoff=WEEKS[7]) == 1
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_cannot_be_written_is_named(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["metrics", "--write", str(tmp_path / "missing" / "perennial.prom")]) == 1
    assert str(tmp_path / "missing") in capsys.readouterr().err


@pytest.mark.server
def test_prometheus_scrapes_it_and_the_alerts_see_the_loop(
    environment: dict[str, str], world: Monitored, history: History, tmp_path: Path
) -> None:
    """The shipped configuration and rules, with other addresses and a token file of its own."""
    everything(world, history)
    exporter, server = free_port(), free_port()
    _write_configuration(tmp_path, exporter)
    settings = {
        "PERENNIAL_METRICS_PORT": str(exporter),
        "PERENNIAL_METRICS_TOKEN_FILE": str(tmp_path / "metrics_token"),
    }
    prometheus = [
        *(program("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address=127.0.0.1:{server}"),
    ]
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-m", "include.perennial.cli", "metrics", "--serve"]
        processes = [
            subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment | settings, stdout=log, stderr=log),
            subprocess.Popen(prometheus, cwd=tmp_path, stdout=log, stderr=log),
        ]
        try:
            until(lambda: _asked(server, 'perennial_champion_info{version="1"}'), "the champion is scraped")
            until(lambda: _asked(server, 'ALERTS{alertname="DataLate", alertstate="firing"}'), "data of 2013 are late")
            [champion] = _asked(server, "perennial_champion_info")
            assert champion["metric"]["cutoff"] == WEEKS[7]
            assert _asked(server, 'ALERTS{alertname="LedgerTampered"}') == []
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=30)


def _write_configuration(folder: Path, exporter: int) -> None:
    shipped = PROJECT_ROOT / "monitoring" / "prometheus"
    text = (shipped / "prometheus.yml").read_text()
    for old, new in {
        "exporter:9109": f"127.0.0.1:{exporter}",
        "/run/secrets": str(folder),
        "interval: 30s": "interval: 1s",
        "scrape_interval: 15s": "scrape_interval: 1s",
        "scrape_timeout: 20s": "scrape_timeout: 1s",
        "scrape_timeout: 10s": "scrape_timeout: 1s",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "prometheus.yml").write_text(text)
    (folder / "alerts.yml").write_text((shipped / "alerts.yml").read_text())
    (folder / "metrics_token").write_text(TOKEN)


def _asked(port: int, query: str) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])
    except (ConnectionError, urllib.error.URLError):
        return []
