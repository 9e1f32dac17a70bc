"""Answers scrapes over HTTP: ``/metrics`` for Prometheus, ``/health`` for a supervisor."""

import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from include.perennial.exporter.exporter import Exporter
from include.perennial.exporter.options import ExporterOptions
from include.perennial.serving.access import Access
from include.perennial.settings import Settings


def build(settings: Settings, options: ExporterOptions) -> Starlette:
    """The application. The ledger need not answer yet."""
    exporter = Exporter(settings)

    # Not async: a scrape reads a database, and is run in a thread.
    def metrics(_: Request) -> Response:
        return Response(exporter.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    routes = [Route("/metrics", metrics), Route("/health", health)]
    return Starlette(routes=routes, middleware=[Middleware(Access, tokens=options.tokens)])


def serve(settings: Settings, options: ExporterOptions) -> None:
    """Run until a signal ends it."""
    uvicorn.run(
        build(settings, options),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
