"""Whatever order connections append, crown, freeze and die in, the ledger keeps its promises."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from include.perennial.stores.ledger import ChampionChanged, EventKind, Ledger, PipelineFrozen
from include.perennial.stores.ledger.rows import add
from tests.promotions import registration

PIPELINES = st.sampled_from(["flights", "taxis"])
CONNECTIONS = st.integers(0, 2)
KEYS = st.sampled_from("abcde")


class LedgerMachine(RuleBasedStateMachine):
    """Three connections to one ledger, and a plain model of what it must hold."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'ledger.db'}"
        self.ledgers = [Ledger.open(url) for _ in range(3)]
        self.keys: dict[str, list[tuple[EventKind, str]]] = {"flights": [], "taxis": []}
        self.champions: dict[str, tuple[int, str] | None] = {"flights": None, "taxis": None}
        self.frozen: dict[str, bool] = {"flights": False, "taxis": False}
        self.versions = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    def seen(self, pipeline: str, kind: EventKind, key: str) -> int:
        """The seq at which (kind, key) must stand."""
        keys = self.keys[pipeline]
        if (kind, key) not in keys:
            keys.append((kind, key))
        return keys.index((kind, key)) + 1

    @rule(pipeline=PIPELINES, n=CONNECTIONS, key=KEYS)
    def append(self, pipeline: str, n: int, key: str) -> None:
        event = self.ledgers[n].append(pipeline, EventKind.JUDGED, key, {"by": n}, "tester")
        assert event.seq == self.seen(pipeline, EventKind.JUDGED, key)

    @rule(pipeline=PIPELINES, n=CONNECTIONS, frozen=st.booleans())
    def freeze(self, pipeline: str, n: int, frozen: bool) -> None:
        kind = EventKind.FROZEN if frozen else EventKind.UNFROZEN
        key = str(len(self.keys[pipeline]))
        assert self.ledgers[n].append(pipeline, kind, key, {}, "tester").seq == self.seen(pipeline, kind, key)
        self.frozen[pipeline] = frozen

    @rule(pipeline=PIPELINES, n=CONNECTIONS, stale=st.none() | st.integers(-3, 3))
    def promote(self, pipeline: str, n: int, stale: int | None) -> None:
        self.versions += 1
        current = self.champions[pipeline]
        current_seq = current[0] if current else None
        # Half of the promotions know the champion, the others are off by ``stale``.
        expected = current_seq if stale is None else (current_seq or 0) + stale
        given, key = registration(pipeline, str(self.versions)), f"{self.versions}"
        how = {"reason": "", "actor": "tester", "key": key, "evidence": {}}
        try:
            event = self.ledgers[n].promote(given, "digest", expected, **how)
        except ChampionChanged:
            assert expected != current_seq
        except PipelineFrozen:
            assert self.frozen[pipeline]
        else:
            assert expected == current_seq
            assert not self.frozen[pipeline]
            assert event.seq == self.seen(pipeline, EventKind.PROMOTED, key)
            self.champions[pipeline] = (event.seq, given.version)

    @precondition(lambda self: any(self.champions.values()))
    @rule(n=CONNECTIONS)
    def repeat_the_last_promotion(self, n: int) -> None:
        for pipeline, current in self.champions.items():
            if current is not None:
                how = {"reason": "", "actor": "tester", "key": current[1], "evidence": {}}
                again = self.ledgers[n].promote(registration(pipeline, current[1]), "digest", None, **how)
                assert again.seq == current[0]

    @rule(pipeline=PIPELINES, n=CONNECTIONS)
    def die_before_the_commit(self, pipeline: str, n: int) -> None:
        row = {"pipeline": pipeline, "kind": "judged", "key": "lost", "actor": "tester", "payload": "{}"}

        def killed(connection: object) -> None:
            add(connection, row)  # type: ignore[arg-type]
            raise InterruptedError

        with pytest.raises(InterruptedError):
            self.ledgers[n]._database.write(killed)

    @invariant()
    def holds_what_was_committed_and_nothing_else(self) -> None:
        for pipeline, keys in getattr(self, "keys", {}).items():
            ledger = self.ledgers[len(keys) % len(self.ledgers)]
            events = ledger.events(pipeline)
            assert [(event.kind, event.key) for event in events] == keys
            assert [event.seq for event in events] == list(range(1, len(keys) + 1))
            champion = ledger.champion(pipeline)
            assert (champion and (champion.seq, champion.version)) == self.champions[pipeline]
            assert ledger.is_frozen(pipeline) == self.frozen[pipeline]
            assert ledger.verify(pipeline) == []


LedgerMachine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, database=None, derandomize=True
)
test_any_order_of_writers_keeps_the_promises = LedgerMachine.TestCase
