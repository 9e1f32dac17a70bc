"""Routes of the page. Everything is a GET, needs a login, and shows a pipeline only to those who may see its DAG."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException as StarletteHTTPException

from include.perennial.contracts import Decision
from include.perennial.errors import BadInput, PerennialError
from include.perennial.settings import Settings
from include.perennial.stores.ledger import Ledger
from include.perennial.views.decision import decision_view
from include.perennial.views.overview import overview, pipeline_names
from include.perennial.views.timeline import timeline
from include.perennial.views.trials import TRIAL_KINDS, trials
from perennial_airflow.page import charts
from perennial_airflow.page.access import may_see
from perennial_airflow.page.facts import airflow_facts
from perennial_airflow.page.formats import FILTERS, run_link
from perennial_airflow.page.registry import mlflow_run_url, registry_status

PREFIX = "/continuous-training"
HEADERS = {
    # plotly.js writes styles of its own; nothing inline may run, and nothing may come from another host.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_HERE = Path(__file__).parent
_OWN_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_PLOTLY = "plotly.min.js"

page_app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(FILTERS)


@page_app.middleware("http")
async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response


@page_app.exception_handler(StarletteHTTPException)
def _refused(request: Request, error: StarletteHTTPException) -> Response:
    return _render(request, "error.html.j2", error.status_code, status=error.status_code, text=str(error.detail))


@page_app.exception_handler(PerennialError)
def _failed(request: Request, error: PerennialError) -> Response:
    """A store that is down or damaged: said, not hidden behind a page that looks empty."""
    return _render(request, "error.html.j2", 503, status=503, text=str(error))


@page_app.get("/")
def index(request: Request, user: GetUserDep, session: SessionDep) -> Response:
    """Every pipeline in one look."""
    settings, ledger = _stores()
    airflow = _airflow(request)
    seen = [name for name in pipeline_names(settings, ledger) if may_see(name, user)]
    found = [(overview(name, settings, ledger), airflow_facts(name, session, airflow)) for name in seen]
    return _render(request, "overview.html.j2", found=found, registry=registry_status(settings.tracking_uri))


@page_app.get("/pipelines/{name}")
def pipeline(name: str, request: Request, user: GetUserDep, session: SessionDep) -> Response:
    """One pipeline along its partitions, and every training run it ever had."""
    settings, ledger = _require_visible(name, user)
    line = timeline(name, ledger)
    return _render(
        request,
        "pipeline.html.j2",
        seen=overview(name, settings, ledger),
        facts=airflow_facts(name, session, _airflow(request)),
        line=line,
        figure=charts.timeline_figure(line) if line.points or line.marks else None,
        tried=trials(ledger.events(name, TRIAL_KINDS)),
    )


@page_app.get("/decisions/{name}/{key:path}")
def decision(name: str, key: str, request: Request, user: GetUserDep) -> Response:
    """One training run."""
    settings, ledger = _require_visible(name, user)
    try:
        view = decision_view(name, key, ledger)
    except BadInput as error:
        raise HTTPException(404, str(error)) from None
    return _render(
        request,
        "decision.html.j2",
        view=view,
        name=name,
        run_link=run_link(view.decision.plan.request.run_url, _airflow(request)),
        mlflow_url=mlflow_run_url(settings.tracking_uri, view.decision.mlflow_run_id),
        **_figures(view.decision, settings),
    )


@page_app.get("/static/{name}")
def static(name: str) -> Response:
    """The page's own files, and plotly.js as the installed plotly package ships it."""
    if name == _PLOTLY:
        path = distribution("plotly").locate_file(f"plotly/package_data/{_PLOTLY}")
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(Path(str(path)), media_type="text/javascript", headers=headers)
    if name not in _OWN_FILES:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(_HERE / "static" / name, media_type=_OWN_FILES[name])


@page_app.get("/{rest:path}")
def anything_else(rest: str) -> Response:
    """An address that is none: known only to those who have logged in."""
    raise HTTPException(404, "There is no such page.")


def _stores() -> tuple[Settings, Ledger]:
    settings = Settings.from_env()
    return settings, Ledger.open(settings.ledger_url)


def _require_visible(name: str, user: Any) -> tuple[Settings, Ledger]:
    """The stores, if ``name`` exists and ``user`` may see it; who may not is not told that it exists."""
    settings, ledger = _stores()
    if name not in pipeline_names(settings, ledger) or not may_see(name, user):
        raise HTTPException(404, "There is no such pipeline, or you may not see it.")
    return settings, ledger


def _figures(recorded: Decision, settings: Settings) -> dict[str, Any]:
    """Curves of the recorded predictions, or why there are none: a lost object must not take the page with it."""
    from include.perennial.stores.objects import ObjectStore
    from include.perennial.views.curves import curves

    try:
        drawn = curves(recorded, ObjectStore.open(settings))
    except PerennialError as error:
        return {"curves": None, "no_curves": str(error)}
    if drawn is None:
        return {"curves": None, "no_curves": "This decision keeps no predictions that a curve could be drawn of."}
    figures = {"roc": charts.roc_figure(drawn), "calibration": charts.calibration_figure(drawn)}
    return {"curves": drawn, "figures": figures, "no_curves": ""}


def _airflow(request: Request) -> str:
    """Path below which Airflow's own pages are."""
    return str(request.scope.get("root_path", "")).removesuffix(PREFIX)


def _render(request: Request, template: str, status_code: int = 200, **values: Any) -> Response:
    base = str(request.scope.get("root_path", ""))
    version = distribution("plotly").version
    text = _templates.get_template(template).render(
        base=base, airflow=_airflow(request), plotly_version=version, **values
    )
    return HTMLResponse(text, status_code)
