"""Puts the parts together and runs them: ``build`` for tests and for other servers, ``serve`` for the command."""

import gc
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from include.perennial.errors import BadInput
from include.perennial.gate.tasks import task_of
from include.perennial.models.model_cache import ModelCache
from include.perennial.pipeline_folder import Pipeline, discover, load_pipeline
from include.perennial.serving.answer import answer_type
from include.perennial.serving.app import Parts, make_app
from include.perennial.serving.follower import Follower
from include.perennial.serving.metrics import Metrics
from include.perennial.serving.options import ServeOptions
from include.perennial.serving.recorder import Recorder
from include.perennial.serving.request import RequestRows
from include.perennial.serving.service import Service
from include.perennial.serving.shadow import Shadow
from include.perennial.settings import Settings
from include.perennial.stores.objects import ObjectStore
from include.perennial.stores.prediction_log import PredictionLog
from include.perennial.stores.tracking.runs import Tracking

_STOPPING_S = 20


def build(names: Sequence[str], settings: Settings, options: ServeOptions) -> FastAPI:
    """The application that serves the pipelines ``names``, all of them if none is named.

    Neither the ledger nor MLflow nor the object store has to answer yet.

    Raises:
        BadInput: there is no pipeline.
        SpecError: a pipeline is unknown, or its folder is broken.
    """
    names = list(names) or discover(settings.pipelines)
    if not names:
        raise BadInput(f"There is no pipeline in {settings.pipelines}: nothing to serve.")
    pipelines = [load_pipeline(name, settings.pipelines) for name in dict.fromkeys(names)]
    models = ModelCache.open(settings, Tracking.open(settings).download)
    recorder = Recorder(PredictionLog(ObjectStore.open(settings)), options.flush_s, max_rows=options.max_buffered_rows)
    shadow = Shadow(recorder)
    services = {
        pipeline.spec.name: _service(pipeline, settings, options, models, recorder, shadow) for pipeline in pipelines
    }
    followers = {name: service.follower for name, service in services.items()}
    workers = (*followers.values(), shadow, recorder)
    return make_app(Parts(services, workers, Metrics(followers, recorder, shadow), options))


def serve(names: Sequence[str], settings: Settings, options: ServeOptions) -> None:
    """Run until a signal ends it: requests under way are answered, what waits for the prediction log is written.

    Raises:
        BadInput, SpecError: as ``build``.
    """
    app = build(names, settings, options)
    # What is imported stays: a full collection that walks it stops every request for a third of a second.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOPPING_S,
    )


def _service(
    pipeline: Pipeline,
    settings: Settings,
    options: ServeOptions,
    models: ModelCache,
    recorder: Recorder,
    shadow: Shadow,
) -> Service:
    spec = pipeline.spec
    rows, task = RequestRows(spec.data, options.max_rows), task_of(spec)
    follower = Follower(spec.name, settings.ledger_url, models, rows.columns, options.poll_s, spec.trusted_types, task)
    return Service(spec, task, answer_type(spec), rows, follower, recorder, shadow, options.canary_pct)
