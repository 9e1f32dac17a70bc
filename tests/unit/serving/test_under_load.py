"""Under load over HTTP: champions come and go, the canary keeps to its share, and no request fails."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scipy.stats import binomtest

from include.perennial.steps.champion import ChampionStores, freeze, promote, rollback, unfreeze
from tests.closed_loop import Loop
from tests.model_server import ModelServer, model_server, rows_of, until
from tests.training_runs import toy_frame
from tests.unit.serving.challenging import challenge

CLIENTS = 4
KEYS, ROWS_PER_REQUEST = 3_000, 50
# One test in a thousand would miss it if the share were right, and the keys are the same in every run.
CONFIDENCE = 0.999


@contextmanager
def asked_all_the_time(server: ModelServer) -> Iterator[list[tuple[int | str, ...]]]:
    """Clients that ask again as soon as they are answered; status and versions of each answer are in the list."""
    body, done = {"rows": rows_of(toy_frame(6).head(3))}, threading.Event()
    answers: list[tuple[int | str, ...]] = []

    def ask() -> None:
        while not done.is_set():
            answer = server.post(body)
            versions = {one["model_version"] for one in answer.json().get("predictions", [])}
            answers.append((answer.status_code, *sorted(versions)))

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        done.set()
        for client in clients:
            client.join()


def serves(server: ModelServer, version: str, answers: list[tuple[int | str, ...]]) -> None:
    """Wait until ``version`` is champion, and has answered requests since."""
    until(lambda: server.champion() == version, f"version {version} serves")
    n = len(answers)
    until(lambda: len(answers) > n + 20, "requests are answered by it")


def test_a_promotion_and_roll_backs_fail_no_request(loop: Loop) -> None:
    # Version 4 passed the gate and waits, since the pipeline was frozen.
    freeze("toy", loop.ledger, reason="wait", actor="tests", dry_run=False)
    assert loop.train(6, "forest", force=True, reason="newer").status == "frozen"
    unfreeze("toy", loop.ledger, reason="over", actor="tests", dry_run=False)
    stores = ChampionStores.open(loop.settings)
    with model_server(loop.settings) as server:
        until(lambda: server.champion() == "3", "version 3 serves")
        with asked_all_the_time(server) as answers:
            promote(loop.pipeline, stores, version="4", reason="it did well", actor="tests", dry_run=False)
            serves(server, "4", answers)
            for version in ("2", "1", "3"):
                rollback(loop.pipeline, stores, version=version, reason="back", actor="tests", dry_run=False)
                serves(server, version, answers)

    counted = Counter(answers)
    assert set(counted) == {(200, "1"), (200, "2"), (200, "3"), (200, "4")}
    assert min(counted.values()) > 10


@pytest.mark.long
def test_the_canarys_share_of_sticky_keys_lies_in_its_binomial_interval(loop: Loop) -> None:
    challenge(loop)
    frame = toy_frame(6, KEYS)
    requests = [frame.iloc[at : at + ROWS_PER_REQUEST] for at in range(0, KEYS, ROWS_PER_REQUEST)]
    for percent in (10, 50):
        with model_server(loop.settings, canary_pct=percent) as server:
            until(lambda server=server: server.get("/v1/models").json()["toy"]["challenger"], "there is a challenger")
            with asked_all_the_time(server) as answers:
                first, again = ([v for rows in requests for v in server.versions(rows)] for _ in range(2))

            assert first == again
            assert set(first) == {"3", "4"}
            interval = binomtest(first.count("4"), KEYS).proportion_ci(CONFIDENCE)
            assert interval.low <= percent / 100 <= interval.high
            assert {status for status, *_ in answers} == {200}
            rows = server.metric("perennial_serve_canary_rows_total", pipeline="toy")
            assert rows >= 2 * first.count("4")
