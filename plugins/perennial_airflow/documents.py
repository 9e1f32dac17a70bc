"""Serves stored reports to logged-in users.

Reports carry names and values from delivered data, so they are sandboxed: no requests to other hosts, never run as
part of Airflow's own origin. Data docs run no scripts; a drift report draws itself with its own, without an origin.
"""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Response

from include.perennial.errors import BadInput, PerennialError
from include.perennial.settings import Settings

_SHARED = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
HEADERS = _SHARED | {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
}
REPORT_HEADERS = _SHARED | {
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:"
    ),
}

documents_app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
_may_see_dag = Depends(requires_access_dag("GET"))


@documents_app.get("/documents/{dag_id}/{key}/{name}", dependencies=[_may_see_dag])
def document(dag_id: str, key: str, name: str) -> Response:
    """A data docs page of ``dag_id`` (``<pipeline>.ingest``), for those who may see that DAG."""
    return _served(f"docs/{dag_id.removesuffix('.ingest')}/{key}/{name}", HEADERS)


@documents_app.get("/reports/{dag_id}/{version}/{key}", dependencies=[_may_see_dag])
def report(dag_id: str, version: str, key: str) -> Response:
    """The drift report of partition ``key`` under champion ``version``; ``dag_id`` is ``<pipeline>.monitor``."""
    return _served(f"monitor/{dag_id.removesuffix('.monitor')}/v{version}/{key}.html", REPORT_HEADERS)


def _served(store_key: str, headers: dict[str, str]) -> Response:
    from include.perennial.stores.objects import ObjectStore

    if not store_key.endswith(".html") or ".." in store_key:
        raise HTTPException(404, "No such document.")
    try:
        store = ObjectStore.open(Settings.from_env())
        if not store.exists(store_key):
            raise HTTPException(404, "No such document: it was not made yet, or was removed by retention.")
        body = store.get_bytes(store_key)
    except BadInput:
        raise HTTPException(404, "No such document.") from None
    except PerennialError as error:
        raise HTTPException(503, str(error)) from None
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)
