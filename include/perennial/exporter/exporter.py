"""One scrape: the ledger's news, then every metric as text."""

import logging
import threading

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from include.perennial.errors import PerennialError, Unavailable
from include.perennial.exporter.catalogue import Sheet
from include.perennial.exporter.history import History
from include.perennial.exporter.pipeline import samples
from include.perennial.exporter.reader import Reader
from include.perennial.pipeline_folder import discover, load_pipeline
from include.perennial.settings import Settings
from include.perennial.spec import PipelineSpec
from include.perennial.stores.ledger import Ledger

log = logging.getLogger(__name__)


class Exporter(Collector):
    """The loop's metrics as they are when asked. The ledger need not answer at the start, nor at every scrape."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: Reader | None = None
        self._lock = threading.Lock()
        # Registering must not ask the ledger: it need not answer yet.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics in the format of Prometheus."""
        return generate_latest(self._registry)

    def collect(self) -> list[Metric]:
        """All metrics that have a sample now."""
        sheet = Sheet()
        with self._lock:
            try:
                for name, spec, history in self._pipelines():
                    sheet.add(samples(name, spec, history))
            except Unavailable as error:
                log.warning("%s", error)
                sheet = Sheet()
                sheet.add([("perennial_ledger_up", (), 0)])
            else:
                sheet.add([("perennial_ledger_up", (), 1)])
        return sheet.metrics()

    def _pipelines(self) -> list[tuple[str, PipelineSpec | None, History]]:
        if self._reader is None:
            self._reader = Reader(Ledger.open(self._settings.ledger_url))
        histories = self._reader.read()
        names = sorted({*discover(self._settings.pipelines), *histories})
        return [(name, self._spec(name), histories.get(name, History())) for name in names]

    def _spec(self, name: str) -> PipelineSpec | None:
        try:
            return load_pipeline(name, self._settings.pipelines).spec
        except PerennialError as error:
            log.warning("%s", error)
            return None
