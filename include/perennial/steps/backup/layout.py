"""Where a stack of one machine keeps what is worth a backup."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from include.perennial.errors import BadInput
from include.perennial.settings import Settings

_SQLITE = "sqlite:///"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LEDGER, MLFLOW, REGISTRY = "ledger.db", "mlflow.db", "data-registry.bundle"
ARTIFACTS, DVC, STORE = "mlflow-artifacts", "dvc-remote", "store"
FOLDERS = (DVC, ARTIFACTS, STORE)
PARTS = (LEDGER, MLFLOW, REGISTRY, *FOLDERS)


@dataclass(frozen=True)
class Layout:
    """Path of each part on this machine, by its name in a backup."""

    paths: dict[str, Path]

    @classmethod
    def of(cls, settings: Settings) -> "Layout":
        """The parts of ``settings``.

        Raises:
            BadInput: one of them is not on this machine.
        """
        mlflow = _local(settings.tracking_uri, "MLFLOW_TRACKING_URI", settings.home / MLFLOW)
        return cls(
            {
                LEDGER: _local(settings.ledger_url, "PERENNIAL_LEDGER"),
                MLFLOW: mlflow,
                REGISTRY: _local(settings.data_registry, "PERENNIAL_DATA_REGISTRY"),
                DVC: _local(settings.dvc_remote, "PERENNIAL_DVC_REMOTE"),
                ARTIFACTS: mlflow.with_name(ARTIFACTS),
                STORE: _local(settings.store_url, "PERENNIAL_STORE"),
            }
        )


def _local(address: str, setting: str, served: Path | None = None) -> Path:
    """The path that ``address`` names; ``served`` is that behind a server on this machine."""
    if address.startswith(_SQLITE):
        return Path(address.removeprefix(_SQLITE).partition("?")[0]).resolve()
    parts = urlsplit(address)
    if served and parts.hostname in _LOOPBACK:
        return served
    if parts.scheme:
        where = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise BadInput(
            f"{setting} names {where}, which is not in a folder of this machine: `perennial backup` and `restore` are "
            "for a stack of one machine. docs/backup.md has the commands for PostgreSQL, Git and S3."
        )
    return Path(address).resolve()
