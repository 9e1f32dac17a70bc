"""What all of them are: frozen, without unknown fields, JSON in and out."""

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """Base of everything that crosses a boundary."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(Contract):
    """One stored file: ``name`` relative to its folder, ``sha256`` of its bytes."""

    name: str
    sha256: str
    n_bytes: int
