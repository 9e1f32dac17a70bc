"""The page inside Airflow's own API server, asked as browsers ask, in a process of its own.

``python -m tests.dags.page_scenes`` writes a history, asks every route, and prints what came back as one line of JSON.
"""

import json
from typing import Any
from unittest.mock import patch

from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from starlette.testclient import TestClient

from include.perennial.contracts import CandidateFit, Trigger, Verdict
from include.perennial.settings import Settings
from include.perennial.stores.ledger import EventKind, Ledger
from include.perennial.stores.objects import ObjectStore
from tests.histories import History, checked

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'-alert(3)-'",
    "</script><script>alert(4)</script>",
    "{{ 7 * 7 }}",
    "javascript:alert(5)",
    "=cmd|' /C calc'!A0",
    "\u202e<svg/onload=alert(6)>",
]
PAGE = "/continuous-training"
ROUTES = [
    "/",
    "/pipelines/toy",
    "/decisions/toy/hostile",
    "/decisions/toy/1",
    "/decisions/toy/dry/d1",
    "/static/page.css",
    "/static/page.js",
    "/static/icon.svg",
    "/static/plotly.min.js",
    "/no/such/page",
]
DOCUMENTS = ["/perennial/documents/toy.ingest/2013-03-04/a.html", "/perennial/reports/toy.monitor/1/2013-03-04"]
MISSING = [
    "/pipelines/nobody",
    "/pipelines/..%2Ftoy",
    "/decisions/nobody/1",
    "/decisions/toy/unknown",
    "/static/..%2Fapp.py",
    "/static/app.py",
    "/elsewhere",
]


def _write_history() -> None:
    settings = Settings.from_env()
    history = History("toy", Ledger.open(settings.ledger_url))
    history.publish("2013-03-04")
    history.win("1", "2013-03-04")
    text = " ".join(HOSTILE)
    found = history.judge("draft", "2013-03-11", verdict=Verdict.REJECTED)
    checks = tuple(checked(f"slice.origin={value}", value) for value in HOSTILE)
    judgement = found.judgement.model_copy(update={"checks": (checked(text, text), *checks), "sentence": text})
    fits = (CandidateFit(candidate=text, metrics={"roc_auc": 0.7}, fit_seconds=1.0, mlflow_run_id="a"),)
    history.judge(
        "hostile",
        "2013-03-18",
        trigger=Trigger.MANUAL,
        reason=text,
        verdict=Verdict.REJECTED,
        judgement=judgement,
        fits=fits,
        winner=text,
    )
    history.judge("dry", "2013-03-18", dry_run=True)
    history.ledger.append("toy", EventKind.FROZEN, "f", {"reason": text}, "ana")
    store = ObjectStore.open(settings)
    store.put_bytes("docs/toy/2013-03-04/a.html", b"<p>docs</p>")
    store.put_bytes("monitor/toy/v1/2013-03-04.html", b"<p>report</p>")


def _write_airflow() -> None:
    with create_session() as session:
        session.add(DagBundleModel(name="b"))
        session.flush()
        session.add(DagModel(dag_id="toy.train", bundle_name="b", is_paused=True, fileloc="f"))


def _fail_a_run() -> None:
    with create_session() as session:
        run = DagRun(
            dag_id="toy.train",
            run_id="failed+one",
            run_type=DagRunType.MANUAL,
            state=DagRunState.FAILED,
            triggered_by=DagRunTriggeredByType.TEST,
        )
        session.add(run)


def _asked(client: TestClient, path: str, **options: Any) -> dict[str, Any]:
    answer = client.get(path, **options)
    return {"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text[:200_000]}


def main() -> dict[str, Any]:
    """Every answer, by path."""
    initdb()
    _write_history()
    paths = [*(PAGE + route for route in ROUTES), *DOCUMENTS]
    app = create_app()
    # As behind a real server: an error of the page is an answer, not an exception of the test.
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        anonymous = {path: _asked(client, path)["status"] for path in paths}
        unknown_method = {path: client.post(path).status_code for path in paths}
        user = get_auth_manager().deserialize_user({"sub": "admin", "role": "admin"})
        client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        not_in_airflow = _asked(client, f"{PAGE}/")["text"]
        _write_airflow()
        pages = {path: _asked(client, path) for path in paths}
        _fail_a_run()
        failed = _asked(client, f"{PAGE}/")["text"]
        missing = {path: _asked(client, PAGE + path)["status"] for path in MISSING}
        with patch.object(type(get_auth_manager()), "is_authorized_dag", return_value=False):
            hidden = {route: _asked(client, PAGE + route) for route in ("/", "/pipelines/toy", "/decisions/toy/1")}
        plugins = client.get("/api/v2/plugins").json()
    views = [view for plugin in plugins["plugins"] for view in plugin["external_views"]]
    return {
        "anonymous": anonymous,
        "posts": unknown_method,
        "pages": pages,
        "missing": missing,
        "hidden": hidden,
        "not_in_airflow": not_in_airflow,
        "failed": failed,
        "views": views,
    }


if __name__ == "__main__":
    print("RESULT" + json.dumps(main()))
