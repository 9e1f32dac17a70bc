"""What Prometheus reads. Counts of requests are kept here; what the threads know is asked when Prometheus asks."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from include.perennial.serving.follower import Follower
from include.perennial.serving.predict import Answers
from include.perennial.serving.recorder import Recorder
from include.perennial.serving.shadow import Shadow

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self, followers: Mapping[str, Follower], recorder: Recorder, shadow: Shadow) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "perennial_serve_requests", "Requests, by HTTP status", ["pipeline", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "perennial_serve_request_seconds",
            "From the first byte of a request to its answer, of those that were answered",
            ["pipeline"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._rows = Counter(
            "perennial_serve_rows", "Rows answered, by model version", ["pipeline", "version"], registry=self._registry
        )
        self._canary = Counter(
            "perennial_serve_canary_rows", "Rows that the challenger answered", ["pipeline"], registry=self._registry
        )
        self._fallbacks = Counter(
            "perennial_serve_canary_fallbacks",
            "Requests that the champion answered because the challenger failed",
            ["pipeline"],
            registry=self._registry,
        )
        self._registry.register(_Threads(followers, recorder, shadow))
        for pipeline in followers:
            self._seconds.labels(pipeline)
            self._canary.labels(pipeline)
            self._fallbacks.labels(pipeline)

    def answered(self, pipeline: str, answers: Answers, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(pipeline, "200").inc()
        self._seconds.labels(pipeline).observe(seconds)
        for version in set(answers.versions.tolist()):
            self._rows.labels(pipeline, version).inc(int((answers.versions == version).sum()))
        self._canary.labels(pipeline).inc(int(answers.is_canary.sum()))
        self._fallbacks.labels(pipeline).inc(int(answers.fell_back))

    def refused(self, pipeline: str, status: int) -> None:
        """A request was refused, or could not be answered."""
        self._requests.labels(pipeline, str(status)).inc()

    def text(self) -> bytes:
        """In the format of Prometheus."""
        return generate_latest(self._registry)


class _Threads(Collector):
    """Who serves, and what waits, as it is when asked."""

    def __init__(self, followers: Mapping[str, Follower], recorder: Recorder, shadow: Shadow) -> None:
        self._followers, self._recorder, self._shadow = followers, recorder, shadow

    def collect(self) -> Iterator[Metric]:
        yield from self._rosters()
        counts = {
            "shadow_rows": ("Rows that the challenger predicted and nobody acted on", self._shadow.rows),
            "shadow_skipped_rows": (
                "Rows that were not given to the challenger, it being busy",
                self._shadow.skipped_rows,
            ),
            "shadow_failed_rows": ("Rows that the challenger could not predict", self._shadow.failed_rows),
            "logged_rows": ("Rows written to the prediction log", self._recorder.written_rows),
            "dropped_rows": ("Rows lost to the prediction log, the buffer being full", self._recorder.dropped_rows),
        }
        for name, (text, value) in counts.items():
            yield CounterMetricFamily(f"perennial_serve_{name}", text, value=value)
        text = "Rows that wait to be written to the prediction log"
        yield GaugeMetricFamily("perennial_serve_buffered_rows", text, value=self._recorder.buffered_rows)

    def _rosters(self) -> Iterator[Metric]:
        models = GaugeMetricFamily(
            "perennial_serve_model", "1 for each version that serves", labels=["pipeline", "role", "version"]
        )
        looked = GaugeMetricFamily(
            "perennial_serve_ledger_read_timestamp_seconds", "When the ledger was last read", labels=["pipeline"]
        )
        problems = GaugeMetricFamily(
            "perennial_serve_problems",
            "What keeps a pipeline from being served as the ledger says",
            labels=["pipeline"],
        )
        for name, follower in self._followers.items():
            roster = follower.roster
            for role, serving in (("champion", roster.champion), ("challenger", roster.challenger)):
                if serving is not None:
                    models.add_metric([name, role, serving.version], 1)
            if roster.looked_utc is not None:
                looked.add_metric([name], roster.looked_utc.timestamp())
            problems.add_metric([name], len(roster.problems))
        yield from (models, looked, problems)
