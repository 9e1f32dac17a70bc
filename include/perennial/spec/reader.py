"""Reads ``pipeline.yaml``: one message per broken file, with file, line, what was found and what is allowed.

``strict_yaml`` gives values and lines, ``spec`` says what is valid, ``problems`` words
what pydantic found; here they meet. Nothing heavy is imported: Airflow reads specs at parse time.
"""

import json
from pathlib import Path

from pydantic import ValidationError

from include.perennial.errors import SpecError
from include.perennial.messages import shown
from include.perennial.spec import FilesSource, PipelineSpec
from include.perennial.spec.problems import problems
from include.perennial.spec.words import spec_error
from include.perennial.strict_yaml import Document, read_document

SPEC_FILE = "pipeline.yaml"


def read_spec(path: Path) -> PipelineSpec:
    """The valid spec at ``path``, which stands in a folder of the pipeline's name.

    Raises:
        SpecError: ``file:line:`` of the first problem, what was found, what is allowed, the nearest
            known name, and how many more problems there are.
    """
    document = read_document(path)
    try:
        # JSON mode keeps strict types, and still reads lists as tuples and text as dates and enums.
        spec = PipelineSpec.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        raise _first_problem(document, error) from None
    _require_folder_name(document, spec)
    if isinstance(spec.source, FilesSource):
        _require_inside(document, spec.source.path)
    return spec


def spec_problems(path: Path) -> list[SpecError]:
    """Every problem of the spec at ``path``, by line; none if it is valid.

    What is wrong with the file as YAML, or with its place, hides the rest: then there is one.
    """
    try:
        read_spec(path)
    except SpecError as first:
        try:
            document = read_document(path)
            PipelineSpec.model_validate_json(json.dumps(document.data))
        except ValidationError as error:
            return [spec_error(path, line, text) for line, _, text in _by_line(document, error)]
        except SpecError:
            return [first]
        return [first]
    return []


def _by_line(document: Document, error: ValidationError) -> list[tuple[int, int, str]]:
    return sorted((document.line(where), n, text) for n, (where, text) in enumerate(problems(error)))


def _first_problem(document: Document, error: ValidationError) -> SpecError:
    found = _by_line(document, error)
    line, _, text = found[0]
    more = len(found) - 1
    rest = f" (and {more} more {'problem' if more == 1 else 'problems'} in this file)" if more else ""
    return spec_error(document.path, line, text + rest)


def _require_folder_name(document: Document, spec: PipelineSpec) -> None:
    folder = document.path.absolute().parent
    if spec.name == folder.name:
        return
    taken = (folder.parent / spec.name / SPEC_FILE).exists()
    text = f"name is {spec.name!r}, but the folder is {shown(folder.name)}: expected the folder's name"
    if taken:
        text = f"duplicate pipeline name {spec.name!r}: the folder {spec.name} has it. Expected {shown(folder.name)}"
    raise spec_error(document.path, document.line(("name",)), f"{text}, so that no two pipelines share one.")


def _require_inside(document: Document, source_path: str) -> None:
    """A relative path must not leave the folder through a symbolic link; only explicit paths may point elsewhere."""
    if source_path.startswith(("/", "s3://")):
        return
    folder = document.path.parent.resolve()
    target = (folder / source_path.partition("{")[0]).resolve()
    if not target.is_relative_to(folder):
        text = f"source.path {shown(source_path)} leaves the pipeline folder through a symbolic link to {target}"
        raise spec_error(document.path, document.line(("source", "path")), f"{text}: give that path itself.")
