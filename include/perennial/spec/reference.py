"""The reference of ``pipeline.yaml`` as Markdown, from the spec's own schema.

python -m include.perennial.spec.reference > docs/reference/pipeline-yaml.md
"""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from include.perennial.markdown import text
from include.perennial.spec import PipelineSpec
from include.perennial.spec.problems import Schema, allowed, resolved

_HEAD = """\
# Every key of pipeline.yaml

Made from the model that reads the file: `make reference` makes it anew, and a test fails if it is stale. Unknown keys,
repeated keys, YAML tags, anchors and aliases are refused, with file, line and the nearest known name. `perennial check`
tells all problems of a file at once. A threshold belongs into the file with its reason beside it as a comment.
"""
_ALLOWS_NONE = {"type": "null"}


def page() -> str:
    """The whole page."""
    root = PipelineSpec.model_json_schema()
    lines = [_HEAD]
    for path, schema in _sections(root, "", root):
        title = f"`{path}`" if path else "At the top"
        lines += [f"## {title}", "", _description(schema), ""]
        lines += ["| key | allowed | default | meaning |", "|---|---|---|---|"]
        lines += [_row(root, schema, name, entry) for name, entry in schema["properties"].items()]
        lines.append("")
    return "\n".join(lines)


def _sections(root: Schema, path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every mapping with keys of its own, in the order in which the file has them; ``path`` is dotted."""
    yield path, schema
    for name, entry in schema["properties"].items():
        inner = f"{path}.{name}" if path else name
        for shape, suffix in _shapes(root, entry):
            if "properties" in shape:
                yield from _sections(root, inner + suffix, shape)


def _shapes(root: Schema, entry: Schema) -> Iterator[tuple[Schema, str]]:
    """What may stand at a key, and how its kind is told apart: one of several, each entry of a mapping, or itself."""
    if "discriminator" in entry:
        for kind, reference in entry["discriminator"]["mapping"].items():
            yield resolved(root, {"$ref": reference}), f" (kind: {kind})"
        return
    schema = resolved(root, entry)
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict) and "$ref" in inner:
        yield resolved(root, inner), ".<name>"
        return
    inner = next(iter(schema.get("patternProperties", {}).values()), {})
    yield (resolved(root, inner), ".<name>") if "$ref" in inner else (schema, "")


def _row(root: Schema, section: Schema, name: str, entry: Schema) -> str:
    described = resolved(root, entry)
    meaning = entry.get("description", "") or described.get("description", "") if _is_plain(described) else ""
    default = "required" if name in section.get("required", ()) else _default(entry)
    return f"| `{name}` | {text(_allowed(root, entry))} | {default} | {text(_flat(meaning).replace('`', ''))} |"


def _is_plain(schema: Schema) -> bool:
    return "properties" not in schema


def _allowed(root: Schema, entry: Schema) -> str:
    if "const" in entry:
        return f"{entry['const']}"
    if "discriminator" in entry:
        return "a mapping, by kind: " + ", ".join(entry["discriminator"]["mapping"])
    schema = resolved(root, entry)
    if "properties" in schema:
        return "a mapping, below"
    words = allowed(root, {key: value for key, value in schema.items() if key != "description"})
    if items := schema.get("items"):
        words += " of " + allowed(root, {k: v for k, v in resolved(root, items).items() if k != "description"})
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict) and "enum" in (kinds := resolved(root, inner)):
        words += ", each " + allowed(root, {"enum": kinds["enum"]})
    names = schema.get("propertyNames")
    if names and "enum" in (keys := resolved(root, names)):
        words += " with keys " + ", ".join(keys["enum"])
    if _ALLOWS_NONE in entry.get("anyOf", ()):
        words += ", or nothing"
    return words


def _default(entry: Schema) -> str:
    value: Any = entry.get("default")
    if value is None:
        return "empty" if entry.get("type") == "object" else "none"
    return "as below" if isinstance(value, dict) and value else f"`{json.dumps(value)}`"


def _description(schema: Schema) -> str:
    return _flat(inspect.cleandoc(schema.get("description", "")))


def _flat(words: str) -> str:
    """One line, with Markdown's own marks for code."""
    return re.sub(r"\s+", " ", words.replace("``", "`"))


if __name__ == "__main__":
    print(page(), end="")
