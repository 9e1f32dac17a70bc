"""A thread that works until it is told to stop, and whose end is noticed."""

import logging
import threading
from abc import ABC, abstractmethod

log = logging.getLogger(__name__)


class Worker(ABC):
    """A thread of its own around ``work``. An error ends it, and ``is_well`` says so: a supervisor starts anew."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the thread to end and wait for it, at most ``timeout_s``."""
        self._stopping.set()
        self._thread.join(timeout_s)

    @property
    def is_well(self) -> bool:
        """Whether the thread runs, or ended because it was told to."""
        return self._thread.is_alive() or self._stopping.is_set()

    @abstractmethod
    def work(self) -> None:
        """Return once ``self._stopping`` is set."""

    def _run(self) -> None:
        try:
            self.work()
        except BaseException:
            log.exception("Thread %s ended", self._thread.name)
            raise
