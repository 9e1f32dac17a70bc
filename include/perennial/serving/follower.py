"""Follows the ledger of one pipeline and swaps models when it names others.

A model is loaded and tried beside the one that serves; only then the roster is replaced, in one assignment. Requests
under way keep the roster that they took, so that none is dropped. What cannot be read or loaded leaves in place what
serves already, and is tried again.
"""

import datetime as dt
import logging
import time
from collections.abc import Collection, Mapping

from include.perennial.errors import PerennialError
from include.perennial.gate.tasks import BINARY, Task
from include.perennial.models.model_cache import ModelCache
from include.perennial.partitions import UTC
from include.perennial.serving.roster import FOLLOWED_KINDS, Cast, Roster, Serving, Wanted
from include.perennial.serving.trial import try_out
from include.perennial.serving.worker import Worker
from include.perennial.spec import ColumnType
from include.perennial.stores.ledger import Anchor, Ledger

log = logging.getLogger(__name__)

_RETRY_S = 10.0


class Follower(Worker):
    """``roster`` is who serves ``pipeline`` now."""

    def __init__(
        self,
        pipeline: str,
        ledger_url: str,
        models: ModelCache,
        columns: Mapping[str, ColumnType],
        poll_s: float,
        also_trusted: Collection[str] = (),
        task: Task = BINARY,
    ) -> None:
        """``columns`` are those of a request; ``also_trusted`` are types that the pipeline's spec trusts."""
        super().__init__(f"follow-{pipeline}")
        self.pipeline = pipeline
        self.roster = Roster()
        self._url, self._models, self._columns, self._poll_s = ledger_url, models, columns, poll_s
        self._also_trusted, self._task = also_trusted, task
        self._ledger: Ledger | None = None
        self._head: Anchor | None = None
        self._cast: Cast | None = None
        self._retry_at = 0.0

    def work(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(self._poll_s)

    def look(self) -> None:
        """Read the ledger once and serve what it names."""
        try:
            changed = self._read()
        except PerennialError as error:
            self._keep_serving(f"The ledger is not followed: {error}")
            return
        if self._cast is None or not (changed or self._is_due()):
            self.roster = self._looked()
            return
        self._swap(self._cast)

    def _read(self) -> bool:
        """Whether the ledger names others than at the last look."""
        self._ledger = self._ledger or Ledger.open(self._url)
        head = self._ledger.head(self.pipeline)
        if head == self._head:
            return False
        cast, before = Cast.of(self._ledger.events(self.pipeline, FOLLOWED_KINDS)), self._cast
        self._head, self._cast = head, cast
        return cast != before

    def _is_due(self) -> bool:
        return bool(self.roster.problems) and time.monotonic() >= self._retry_at

    def _looked(self) -> Roster:
        now, known = dt.datetime.now(UTC), self.roster
        return Roster(known.champion, known.challenger, known.is_frozen, known.problems, now)

    def _keep_serving(self, problem: str) -> None:
        known = self.roster
        if problem not in known.problems:
            log.warning("%s: %s", self.pipeline, problem)
        self._retry_at = 0.0
        self.roster = Roster(known.champion, known.challenger, known.is_frozen, (problem,), known.looked_utc)

    def _swap(self, cast: Cast) -> None:
        """Serve ``cast``. The champion first: a challenger that does not load must not hold it back."""
        before = self.roster
        champion, problem = self._loaded(before, "champion", cast.champion)
        problems: tuple[str, ...] = (problem,) if problem else ()
        champion = before.champion if problem else champion
        # What challenged until now may be the champion by now.
        still = before.challenger if before.challenger and before.challenger.wanted == cast.challenger else None
        self.roster = Roster(champion, still, cast.is_frozen, problems, dt.datetime.now(UTC))
        challenger, problem = self._loaded(before, "challenger", cast.challenger)
        problems += (problem,) if problem else ()
        self._retry_at = time.monotonic() + _RETRY_S
        self.roster = Roster(champion, challenger, cast.is_frozen, problems, dt.datetime.now(UTC))
        self._say(before)

    def _loaded(self, before: Roster, role: str, wanted: Wanted | None) -> tuple[Serving | None, str]:
        """``wanted`` ready to serve, or why it is not."""
        if wanted is None:
            return None, ""
        for known in (before.champion, before.challenger):
            if known is not None and known.wanted.model == wanted.model:
                return Serving(wanted, known.model), ""
        try:
            serving = Serving(wanted, self._models.load(wanted.model, self._also_trusted))
            try_out(serving, self._models.copy_of(wanted.model), self._columns, self._task)
        except PerennialError as error:
            problem = f"Version {wanted.version}, {role} by the ledger, is not loaded: {error}"
            if problem not in before.problems:
                log.error("%s: %s", self.pipeline, problem)
            return None, problem
        return serving, ""

    def _say(self, before: Roster) -> None:
        for role, was, now in (
            ("champion", before.champion, self.roster.champion),
            ("challenger", before.challenger, self.roster.challenger),
        ):
            if (was and was.version) != (now and now.version):
                log.info("%s: %s serves as %s", self.pipeline, f"version {now.version}" if now else "nobody", role)
