"""Stored models without MLflow: a folder that may be down, for tests of loading and scoring."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sklearn.pipeline import Pipeline as SklearnPipeline

from include.perennial.contracts import ModelFile
from include.perennial.errors import Unavailable
from include.perennial.folder_records import folder_records
from include.perennial.models import model_file
from include.perennial.pipeline_folder import Pipeline


@dataclass
class Shelf:
    """Where models are stored: a folder per address; it may be down, and counts who asks."""

    folder: Path
    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def download(self, model: ModelFile, target: Path) -> Path:
        self.asked.append(model.model_uri)
        if self.is_down:
            raise Unavailable("The shelf does not answer.")
        return Path(shutil.copytree(self.folder / model.model_uri, target / "files"))

    def put(self, name: str, model: SklearnPipeline, pipeline: Pipeline, note: str = "") -> ModelFile:
        saved = model_file.save(model, pipeline.model_sources(), self.folder / name)
        (self.folder / name / "note.txt").write_text(note)
        files = folder_records(self.folder / name)
        return ModelFile(model_uri=name, files=files, model_digest=saved.digest, trusted_types=saved.trusted_types)
