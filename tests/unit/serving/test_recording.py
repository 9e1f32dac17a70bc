"""What was answered stands in the prediction log: all of it, in whole files and bounded memory, whatever fails."""

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from include.perennial.errors import Unavailable
from include.perennial.partitions import UTC, Period
from include.perennial.serving import recorder as recorder_module
from include.perennial.serving.recorder import Answered, Recorder
from include.perennial.spec import PREDICTION_COLUMNS
from include.perennial.stores.objects import LocalObjects
from include.perennial.stores.prediction_folder import online_predictions_of, predictions_of
from include.perennial.stores.prediction_log import PredictionLog
from tests.closed_loop import WEEK, Loop
from tests.model_server import ModelServer, model_server, rows_of, until
from tests.training_runs import toy_frame
from tests.unit.serving.challenging import challenge

AT = dt.datetime(2013, 2, 18, 4, 0, 1, tzinfo=UTC)


@dataclass
class Store(LocalObjects):
    """Objects in a folder that may be down."""

    folder: Path
    is_down: bool = False
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def put_file(self, key: str, path: Path):  # type: ignore[no-untyped-def]
        if self.is_down:
            raise Unavailable("The store does not answer.")
        self.names.append(key)
        return super().put_file(key, path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def recorder(store: Store, max_rows: int = 100) -> Recorder:
    return Recorder(PredictionLog(store), flush_s=0.02, max_rows=max_rows)


def answered(*ids: str, at: str = "2013-02-18T00:00:00Z", text: str = "") -> Answered:
    moments = pa.array(pd.to_datetime([at] * len(ids)).as_unit("ns"))
    rows = pa.table({"at": moments, "id": [one + text for one in ids]})
    return Answered("toy", Period.WEEK, "at", rows, np.full(len(ids), 0.5), np.full(len(ids), "3"), AT)


@pytest.mark.parametrize(
    ("period", "keys"),
    [
        (Period.HOUR, ["2013-02-28T22", "2013-02-28T23", "2013-03-01T00"]),
        (Period.DAY, ["2013-02-28", "2013-03-01"]),
        (Period.MONTH, ["2013-02-01", "2013-03-01"]),
    ],
)
def test_answers_are_kept_by_the_partition_of_their_row(period: Period, keys: list[str]) -> None:
    moments = ["2013-02-28T22:59:59", "2013-02-28T23:00:00", "2013-02-28T23:59:59.999999999", "2013-03-01T00:00:00"]
    rows = pa.table({"at": pa.array(pd.to_datetime(moments, utc=True, format="ISO8601")), "id": list("abcd")})
    one = Answered("toy", period, "at", rows, np.full(4, 0.5), np.full(4, "3"), AT)

    found = dict(one.by_partition())

    assert list(found) == keys
    assert [name for part in found.values() for name in part.rows["id"].to_pylist()] == list("abcd")


def test_one_flush_makes_one_file_per_partition_with_the_columns_of_the_log(store: Store) -> None:
    recording = recorder(store)
    for n in range(10):
        recording.add(answered(f"a{n}", f"b{n}"))
    recording.add(answered("c", at="2013-02-24T23:59:59.999999999Z"))
    recording.add(answered("d", at="2013-02-25T00:00:00Z"))

    recording.flush()
    recording.flush()

    assert [name.rpartition("/")[0] for name in store.names] == [
        f"predictions-log/toy/online/{key}" for key in ("2013-02-18", "2013-02-25")
    ]
    first = PredictionLog(store).read_online("toy", "2013-02-18")
    assert list(first.columns) == ["at", "id", *PREDICTION_COLUMNS]
    assert len(first) == 21
    assert set(first["scored_at"]) == {pd.Timestamp(AT)}
    assert set(first["dataset_sha256"]) == {""}
    assert PredictionLog(store).read_online("toy", "2013-02-25")["id"].tolist() == ["d"]


def test_answers_do_not_make_a_partition_look_scored(store: Store) -> None:
    recording = recorder(store)
    recording.add(answered("a"))
    recording.flush()

    log = PredictionLog(store)
    assert store.list(predictions_of("toy", "2013-02-18")) == []
    assert log.read("toy", "2013-02-18").empty
    assert log.partitions_of("toy", "3") == []
    assert log.names("toy") == store.names == store.list(online_predictions_of("toy", "2013-02-18"))


def test_answers_wait_while_the_store_is_down_and_are_written_once(store: Store) -> None:
    recording, store.is_down = recorder(store), True
    recording.add(answered("a", "b"))
    recording.flush()
    assert (recording.buffered_rows, recording.problem) == (2, "The store does not answer.")
    recording.add(answered("c"))

    store.is_down = False
    recording.flush()

    assert (recording.buffered_rows, recording.written_rows, recording.dropped_rows, recording.problem) == (0, 3, 0, "")
    assert sorted(PredictionLog(store).read_online("toy", "2013-02-18")["id"]) == ["a", "b", "c"]


def test_the_buffer_is_bounded_in_rows_and_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, store.is_down = recorder(store, max_rows=10), True
    for n in range(100):
        recording.add(answered(str(n)))
        recording.flush()
    assert (recording.buffered_rows, recording.dropped_rows) == (10, 90)

    monkeypatch.setattr(recorder_module, "MAX_BUFFERED_BYTES", 100_000)
    # Long keys count as they are, and many small requests by what each takes beside its values.
    for text, most in (("x" * 30_000, 2), ("", 24)):
        recording = recorder(store, max_rows=1000)
        for n in range(50):
            recording.add(answered(str(n), text=text))
        assert (recording.buffered_rows, recording.dropped_rows) == (most, 50 - most)


def test_nothing_is_lost_or_doubled_when_many_add_while_it_flushes_and_stops(store: Store) -> None:
    recording = recorder(store, max_rows=100_000)
    recording.start()
    clients = [
        threading.Thread(target=lambda c=c: [recording.add(answered(f"{c}-{n}")) for n in range(200)]) for c in range(4)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    recording.stop()

    found = PredictionLog(store).read_online("toy", "2013-02-18")["id"]
    assert sorted(found) == sorted(f"{c}-{n}" for c in range(4) for n in range(200))
    assert (recording.written_rows, recording.buffered_rows, recording.dropped_rows) == (800, 0, 0)


@pytest.fixture
def canary(loop: Loop) -> Iterator[ModelServer]:
    """A server whose challenger, version 4, answers a fifth of the keys; champion is version 3."""
    challenge(loop)
    with model_server(loop.settings, canary_pct=20) as server:
        until(lambda: server.get("/v1/models").json()["toy"]["challenger"], "there is a challenger")
        yield server


def test_a_canary_has_its_share_is_sticky_and_is_recorded(canary: ModelServer, loop: Loop) -> None:
    frame = toy_frame(6)
    first = canary.versions(frame)
    backwards = canary.versions(frame.iloc[::-1])[::-1]
    one_by_one = [canary.versions(frame.iloc[[n]])[0] for n in range(40)]

    interval = binomtest(first.count("4"), len(first)).proportion_ci(0.99)
    assert interval.low <= 0.2 <= interval.high
    assert first == backwards
    assert first[:40] == one_by_one
    assert canary.metric("perennial_serve_canary_rows_total", pipeline="toy") == 2 * first.count(
        "4"
    ) + one_by_one.count("4")
    recorded = 2 * len(frame) + 40
    until(lambda: canary.metric("perennial_serve_logged_rows_total") == recorded, "all is written")
    found = PredictionLog(loop.objects).read_online("toy", WEEK[6])
    assert not found["shadow"].any()
    version_of = found.groupby("id")["model_version"].agg(set)
    assert version_of[frame["id"]].tolist() == [{version} for version in first]


def test_a_challenger_that_fails_fails_nobodys_request(canary: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    challenger = canary.parts.services["toy"].follower.roster.challenger
    monkeypatch.setattr(challenger.model, "predict_proba", lambda x: 1 / 0)

    assert set(canary.versions(toy_frame(6).head(100))) == {"3"}
    assert canary.metric("perennial_serve_canary_fallbacks_total", pipeline="toy") == 1
    assert canary.metric("perennial_serve_canary_rows_total", pipeline="toy") == 0


def test_rows_that_the_features_refuse_are_the_clients_affair(
    canary: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(x: pd.DataFrame) -> None:
        raise ValueError("date 'a' is none\nand more")

    champion = canary.parts.services["toy"].follower.roster.champion
    monkeypatch.setattr(champion.model, "predict_proba", refuses)

    answer = canary.post({"rows": rows_of(toy_frame(6).head(100))})

    assert answer.status_code == 422
    assert answer.json()["error"] == "Version 3 cannot score these rows: ValueError: date 'a' is none."


def test_a_champion_that_fails_is_said(canary: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    champion = canary.parts.services["toy"].follower.roster.champion
    monkeypatch.setattr(champion.model, "predict_proba", lambda x: np.full((len(x), 2), np.nan))

    answer = canary.post({"rows": rows_of(toy_frame(6).head(100))})

    assert (answer.status_code, answer.json()["error"]) == (
        500,
        "Version 3 gives no probabilities for some of these rows.",
    )


def test_in_shadow_the_challenger_predicts_what_nobody_is_told(loop: Loop) -> None:
    challenge(loop)
    path = loop.settings.pipelines / "toy" / "pipeline.yaml"
    path.write_text(path.read_text() + "score: {shadow: true}\n")
    frame = toy_frame(6).head(200)
    with model_server(loop.settings) as server:
        until(lambda: server.get("/v1/models").json()["toy"]["shadow"], "there is a shadow")

        assert set(server.versions(frame)) == {"3"}

        until(lambda: server.metric("perennial_serve_shadow_rows_total") == 200, "the challenger was asked")
        until(lambda: server.metric("perennial_serve_logged_rows_total") == 400, "all is written")
    found = PredictionLog(loop.objects).read_online("toy", WEEK[6])
    by = found.groupby(["model_version", "shadow"]).size()
    assert by.to_dict() == {("3", False): 200, ("4", True): 200}
