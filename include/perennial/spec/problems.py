"""Words for what pydantic found wrong with a spec, taken from the spec's own JSON schema."""

import itertools
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from include.perennial.messages import clipped, shown
from include.perennial.spec import PipelineSpec
from include.perennial.spec.words import found, suggestion
from include.perennial.strict_yaml import Where

Schema = dict[str, Any]

_DICT_KEY = "[key]"  # pydantic's mark for "the key, not the value, is wrong"
_TYPES = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minItems": "{} or more entries",
    "minProperties": "{} or more entries",
    "pattern": "matching {}",
}
_UNKNOWN_KEYS_LOOKED_AT = 20


def problems(error: ValidationError) -> list[tuple[Where, str]]:
    """Each problem as the path of the value and one sentence; a misspelt key is one problem, not two."""
    root = PipelineSpec.model_json_schema()
    details = error.errors(include_url=False)
    misspelt = set(_misspelt(details))
    return [_problem(root, d) for d in details if d["type"] != "missing" or d["loc"] not in misspelt]


def _misspelt(details: list[ErrorDetails]) -> Iterator[Where]:
    """Missing keys that an unknown key of the same section was probably meant to be."""
    missing = [d["loc"] for d in details if d["type"] == "missing"]
    unknown = [d["loc"] for d in details if d["type"] == "extra_forbidden"][:_UNKNOWN_KEYS_LOOKED_AT]
    for loc, other in itertools.product(missing, unknown):
        if loc[:-1] == other[:-1] and suggestion(str(other[-1]), [str(loc[-1])]):
            yield loc


def _problem(root: Schema, detail: ErrorDetails) -> tuple[Where, str]:
    where, schema = _locate(root, detail["loc"])
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "refused":
        where += context["at"]
        return where, f"{_dotted(where)} {context['text']}.{suggestion(context['got'], context['known'])}"
    if kind == "extra_forbidden":
        return where, _unknown_key(root, detail["loc"])
    if kind.startswith("union_tag"):
        where = (*where, schema["discriminator"]["propertyName"])
        schema, value = {"enum": list(schema["discriminator"]["mapping"])}, context.get("tag")
    if kind in {"missing", "union_tag_not_found"}:
        return where, f"{_dotted(where)} is missing: expected {allowed(root, schema)}."
    meant = suggestion(value, schema.get("enum", ())) if isinstance(value, str) else ""
    subject = f"key {shown(value)} in {_dotted(where[:-1])}" if detail["loc"][-1:] == (_DICT_KEY,) else ""
    subject = subject or f"{_dotted(where)} is {found(value)}"
    return where, f"{subject}: expected {allowed(root, schema)}.{meant}"


def _unknown_key(root: Schema, loc: Where) -> str:
    where, schema = _locate(root, loc[:-1])
    key, known = str(loc[-1]), list(schema.get("properties", ()))
    section = f" in {_dotted(where)}" if where else ""
    return f"unknown key {shown(key)}{section}: allowed are {', '.join(known)}.{suggestion(key, known)}"


def _locate(root: Schema, loc: Where) -> tuple[Where, Schema]:
    """The path in the file, without pydantic's marks, and the schema of what should stand there."""
    where: Where = ()
    schema = root
    for step, following in itertools.zip_longest(loc, loc[1:]):
        if "discriminator" in schema:
            schema = resolved(root, {"$ref": schema["discriminator"]["mapping"][step]})
        elif step != _DICT_KEY:
            where += (step,)
            schema = resolved(root, _child(schema, step, following == _DICT_KEY))
    return where, schema


def _child(schema: Schema, step: str | int, is_key: bool) -> Schema:
    if is_key:
        return {"type": "string"} | schema.get("propertyNames", {})
    if isinstance(step, int):
        return schema.get("items", {})
    named = schema.get("properties", {}).get(step)
    return named or schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), {})


def resolved(root: Schema, schema: Schema) -> Schema:
    """``schema`` with its reference followed; of "something or null" the something."""
    schema = schema | schema.get("anyOf", [{}])[0]
    if reference := schema.get("$ref"):
        schema = root["$defs"][reference.rpartition("/")[2]] | schema
    return schema


def allowed(root: Schema, schema: Schema) -> str:
    """What may stand where ``schema`` says, in words, and what it means if that is described."""
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    kind = "a date as YYYY-MM-DD" if schema.get("format") == "date" else _TYPES[schema.get("type", "object")]
    if keys := schema.get("required"):
        return f"{kind} with {', '.join(keys)}"
    described = "description" in schema
    names = [name for name in _BOUNDS if name in schema and not (described and name == "pattern")]
    text = ", ".join([kind, *(_BOUNDS[name].format(schema[name]) for name in names)])
    return f"{text} ({clipped(schema['description'], 120)})" if described else text


def _dotted(where: Where) -> str:
    """``("a", "b", 0)`` as ``a.b[0]``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{clipped(step, 60)}" for step in where)
    return text.removeprefix(".")
