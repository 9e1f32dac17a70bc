"""Waits in the triggerer until a partition can be measured."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.perennial.errors import PerennialError, Unavailable


class PartitionReadyTrigger(BaseTrigger):
    """Fires once: with the readiness of a partition, or with the error that waiting cannot mend.

    The first look comes after a pause, since the task has looked just before it deferred and Airflow 3.3 loses tasks
    that resume within seconds. Stores are asked in a thread; the loop of the triggerer never blocks.
    """

    def __init__(self, *, pipeline: str, key: str, waiting_since_utc: str, poke_interval_s: float) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.key = key
        self.waiting_since_utc = waiting_since_utc
        self.poke_interval_s = poke_interval_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, from which any triggerer can make it anew."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "pipeline": self.pipeline,
                "key": self.key,
                "waiting_since_utc": self.waiting_since_utc,
                "poke_interval_s": self.poke_interval_s,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again after every pause; an outage is no reason to give up."""
        while True:
            await asyncio.sleep(self.poke_interval_s)
            try:
                readiness = await asyncio.to_thread(self._look)
            except Unavailable as error:
                self.log.warning("%s", error)
                continue
            except PerennialError as error:
                yield TriggerEvent({"error": str(error)})
                return
            if readiness["is_ready"]:
                yield TriggerEvent(readiness)
                return

    def _look(self) -> dict[str, Any]:
        from include.perennial.pipeline_folder import load_pipeline
        from include.perennial.settings import Settings
        from include.perennial.steps.readiness import readiness
        from include.perennial.stores.ledger import Ledger
        from include.perennial.stores.objects import ObjectStore

        settings = Settings.from_env()
        found = readiness(
            load_pipeline(self.pipeline, settings.pipelines),
            self.key,
            Ledger.open(settings.ledger_url),
            ObjectStore.open(settings),
            waiting_since_utc=dt.datetime.fromisoformat(self.waiting_since_utc),
        )
        self.log.info("%s", found.sentence)
        return found.model_dump(mode="json")
