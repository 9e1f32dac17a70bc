"""Serves stored reports to logged-in users.

Reports carry names and values from delivered data, so they are sandboxed: no scripts,
no requests to other hosts, never run as part of Airflow's own origin.
"""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Response

from include.perennial.errors import PerennialError
from include.perennial.settings import Settings

HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}

documents_app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)


@documents_app.get("/documents/{dag_id}/{key}/{name}", dependencies=[Depends(requires_access_dag("GET"))])
def document(dag_id: str, key: str, name: str) -> Response:
    """A data docs page of ``dag_id`` (``<pipeline>.ingest``), for those who may see that DAG."""
    from include.perennial.stores.objects import ObjectStore

    store_key = f"docs/{dag_id.removesuffix('.ingest')}/{key}/{name}"
    if not name.endswith(".html") or ".." in store_key:
        raise HTTPException(404, "No such document.")
    store = ObjectStore.open(Settings.from_env())
    try:
        if not store.exists(store_key):
            raise HTTPException(404, "No such document: it may have been removed by retention.")
        body = store.get_bytes(store_key)
    except PerennialError as error:
        raise HTTPException(503, str(error)) from None
    return Response(body, media_type="text/html; charset=utf-8", headers=HEADERS)
