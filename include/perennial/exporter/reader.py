"""Keeps the histories of all pipelines up to date: one look at the heads of the chains, then only what is new."""

from include.perennial.errors import IntegrityError
from include.perennial.exporter.history import History
from include.perennial.stores.ledger import Anchor, Ledger
from include.perennial.stores.ledger.chain import GENESIS


class Reader:
    """The histories of one ledger by pipeline. Not for several threads at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._histories: dict[str, History] = {}

    def read(self) -> dict[str, History]:
        """The histories of all pipelines as they are now.

        Raises:
            Unavailable: the ledger does not answer.
        """
        heads = {head.pipeline: head for head in self._ledger.heads()}
        # A pipeline whose events are all gone is told as well.
        for name in {*heads, *self._histories}:
            head = heads.get(name, Anchor(name, 0, GENESIS))
            self._histories[name] = self._caught_up(self._histories.get(name, History()), head)
        return self._histories

    def _caught_up(self, history: History, head: Anchor) -> History:
        is_rewritten = head.seq < history.seq or (head.seq == history.seq and head.hash != history.hash)
        if is_rewritten:
            history = History(is_intact=False)
        if head.seq == history.seq:
            return history
        try:
            history.add(self._ledger.events(head.pipeline, after_seq=history.seq))
        except IntegrityError:
            return self._what_is_left(head)
        return history

    def _what_is_left(self, head: Anchor) -> History:
        """The history without the events that were edited: the loop goes on, and so do its metrics."""
        history = History(is_intact=False)
        history.add(self._ledger.intact_events(head.pipeline))
        history.seq, history.hash = head.seq, head.hash
        return history
