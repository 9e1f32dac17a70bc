"""What a champion is measured against, kept under the digest of all that it depends on.

Policies with the same champion share it, and so do later replays.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from include.perennial.contracts import Contract, PartitionRef
from include.perennial.digests import digest
from include.perennial.monitor.calibration import Calibration, calibrate, settings_digest
from include.perennial.monitor.reference import build_window
from include.perennial.pipeline_folder import Pipeline
from include.perennial.replay.service import Service
from include.perennial.stores.ledger import Champion
from include.perennial.stores.objects import LocalObjects


class Kept(Contract):
    """A calibration and the processor seconds that it took, whoever spent them."""

    calibration: Calibration
    cpu_s: float


class Calibrations:
    """Calibrations of the champions of one pipeline, below ``home``."""

    def __init__(self, pipeline: Pipeline, service: Service, home: Path) -> None:
        self._pipeline, self._service = pipeline, service
        self._store = LocalObjects(home)
        self._known: dict[str, Calibration] = {}

    def of(self, champion: Champion, window: Sequence[PartitionRef]) -> tuple[Calibration, float]:
        """The calibration of ``champion``, trained on ``window``, and the seconds it cost if this is the first use.

        Raises:
            BadInput: the window is too short, or the model cannot be fitted to a part of it.
        """
        if champion.version in self._known:
            return self._known[champion.version], 0.0
        refs = [[ref.key, ref.sha256] for ref in window]
        content = [settings_digest(self._pipeline.spec), champion.model.model_digest, refs]
        name = f"calibrations/{champion.version}-{digest(content)[:24]}.json"
        if self._store.exists(name):
            kept = Kept.model_validate_json(self._store.get_bytes(name))
        else:
            kept = self._make(champion, window)
            self._store.put_bytes(name, kept.model_dump_json().encode())
        self._known[champion.version] = kept.calibration
        return kept.calibration, kept.cpu_s

    def _make(self, champion: Champion, window: Sequence[PartitionRef]) -> Kept:
        started, spec = time.process_time(), self._pipeline.spec
        partitions = [self._service.window([ref]) for ref in window]
        model = self._service.model(champion.model)
        calibration = calibrate(
            spec, build_window(spec, model, [ref.key for ref in window], partitions), champion.version
        )
        return Kept(calibration=calibration, cpu_s=time.process_time() - started)
