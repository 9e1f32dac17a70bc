"""The routes. Predictions are made in threads; the event loop only reads and writes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from include.perennial.serving.access import Access, refusal
from include.perennial.serving.answer import ErrorAnswer, PipelineAnswer, PredictionsAnswer, ReadyAnswer
from include.perennial.serving.metrics import Metrics
from include.perennial.serving.options import ServeOptions
from include.perennial.serving.predict import Answers
from include.perennial.serving.request import Refusal
from include.perennial.serving.service import Service
from include.perennial.serving.worker import Worker

_JSON = "application/json"
ERRORS = {
    400: "the body is not JSON",
    401: "no token, or a wrong one",
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is not application/json",
    422: "the rows are not what pipeline.yaml declares, or the champion's features refuse them",
    500: "the champion gives no predictions",
    503: "no champion, or too many requests at once",
}


@dataclass(frozen=True)
class Parts:
    """What the routes use: a service per pipeline, and the threads that must run while the server does."""

    services: Mapping[str, Service]
    workers: tuple[Worker, ...]
    metrics: Metrics
    options: ServeOptions


def make_app(parts: Parts) -> FastAPI:
    """The application; its threads start and stop with it."""
    app = FastAPI(
        title="Perennial model server",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=_lifespan(parts.workers),
    )
    app.state.parts = parts
    app.add_middleware(Access, tokens=parts.options.tokens)
    _add_state_routes(app, parts)
    desk = _Desk(parts)
    for name, service in parts.services.items():
        app.add_api_route(
            f"/v1/predict/{name}",
            desk.route(name, service),
            methods=["POST"],
            summary=service.spec.title,
            description=service.spec.description,
            responses={
                200: {"model": service.answer_type},
                **{code: {"model": ErrorAnswer, "description": why} for code, why in ERRORS.items()},
            },
            openapi_extra={"requestBody": {"required": True, "content": {_JSON: {"schema": service.rows.schema()}}}},
        )
    return app


def _lifespan(workers: tuple[Worker, ...]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            # The recorder comes last: those before it may still have something to write.
            for worker in workers:
                await asyncio.to_thread(worker.stop)

    return run


def _add_state_routes(app: FastAPI, parts: Parts) -> None:
    @app.get("/health", summary="Whether the process works; start it anew if not")
    def health(response: Response) -> dict[str, bool]:
        is_well = all(worker.is_well for worker in parts.workers)
        response.status_code = 200 if is_well else 500
        return {"healthy": is_well}

    @app.get("/ready", summary="Whether every pipeline has a champion that serves")
    def ready(response: Response) -> ReadyAnswer:
        champions = {name: service.follower.roster.champion for name, service in parts.services.items()}
        response.status_code = 200 if all(champions.values()) else 503
        states = {name: f"version {found.version}" if found else "no champion" for name, found in champions.items()}
        return ReadyAnswer(ready=all(champions.values()), pipelines=states)

    @app.get("/v1/models", summary="Who serves each pipeline, and what its requests hold")
    def models() -> dict[str, PipelineAnswer]:
        return {name: service.describe() for name, service in parts.services.items()}

    @app.get("/metrics", summary="For Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(parts.metrics.text(), media_type="text/plain; version=1.0.0; charset=utf-8")


class _Desk:
    """Takes requests in, as many at a time as the options allow."""

    def __init__(self, parts: Parts) -> None:
        self._options, self._metrics = parts.options, parts.metrics
        self._threads = ThreadPoolExecutor(parts.options.threads, "predict")
        self._inside = 0

    def route(self, name: str, service: Service) -> Callable[[Request], Awaitable[Response]]:
        async def predict(request: Request) -> Response:
            start = time.perf_counter()
            try:
                answer, answers = await self._admitted(request, service)
            except Refusal as refused:
                self._metrics.refused(name, refused.status)
                return _refused(refused)
            except ClientDisconnect:
                self._metrics.refused(name, 499)
                return Response(status_code=499)
            except Exception:
                self._metrics.refused(name, 500)
                raise
            self._metrics.answered(name, answers, time.perf_counter() - start)
            return Response(answer.model_dump_json(by_alias=True), media_type=_JSON)

        return predict

    async def _admitted(self, request: Request, service: Service) -> tuple[PredictionsAnswer, Answers]:
        if self._inside >= self._options.max_waiting:
            raise Refusal(503, f"{self._inside} requests are being answered already: come again in a second.")
        self._inside += 1
        try:
            body = await self._body(request)
            return await asyncio.get_running_loop().run_in_executor(self._threads, service.predict, body)
        finally:
            self._inside -= 1

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _JSON:
            raise Refusal(415, f"The body must be {_JSON}, by its content-type.")
        largest, body = self._options.max_body_bytes, bytearray()
        too_large = Refusal(413, f"The body is larger than {largest:,} bytes: send fewer rows at a time.")
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > largest:
            raise too_large
        try:
            async with asyncio.timeout(self._options.body_timeout_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > largest:
                        raise too_large
        except TimeoutError:
            raise Refusal(408, f"The body took longer than {self._options.body_timeout_s:g} seconds.") from None
        return bytes(body)


def _refused(refused: Refusal) -> Response:
    if not refused.problems:
        # What was not read of a body that is too large, or too slow, must not be taken for the next request.
        headers = {"Connection": "close"} if refused.status in (408, 413, 415) else None
        headers = {"Retry-After": "1"} if refused.status == 503 else headers
        return refusal(refused.status, str(refused), headers)
    answer = ErrorAnswer(error=str(refused), problems=list(refused.problems))
    return Response(json.dumps(answer.model_dump()), refused.status, media_type=_JSON)
