"""The same model always gives the same bytes, so that a file's SHA-256 names the model.

skops writes memory addresses as object ids and member names, random names for byte strings,
sets in hash order and the time of day into the zip. This rewrites all four; nothing else of the
format changes, and ``skops.io.load`` reads the result like any other file.
"""

import io
import json
import zipfile
from typing import Any

_SCHEMA = "schema.json"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_OWNER_READ_WRITE = 0o600 << 16


def canonical(skops_bytes: bytes) -> bytes:
    """Rewrite the bytes of a skops file so that equal models have equal bytes.

    Deflate is not used: its output depends on the zlib that the interpreter was built with.
    """
    with zipfile.ZipFile(io.BytesIO(skops_bytes)) as source:
        schema = json.loads(source.read(_SCHEMA))
        names = _Renaming()
        names.rewrite(schema)
        members = {new: source.read(old) for old, new in names.members.items()}
    members[_SCHEMA] = json.dumps(schema, separators=(",", ":")).encode()
    return _zip(members)


class _Renaming:
    """New ids and member names, numbered in the order in which a walk of the schema meets them."""

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self._ids: dict[Any, int] = {}

    def rewrite(self, value: Any) -> None:
        """Renumber ``value`` (a parsed schema) in place."""
        if isinstance(value, list):
            for item in value:
                self.rewrite(item)
        elif isinstance(value, dict):
            if isinstance(value.get("__loader__"), str):
                self._rewrite_node(value)
            for item in value.values():
                self.rewrite(item)

    def _rewrite_node(self, node: dict[str, Any]) -> None:
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=_without_ids)
        if "__id__" in node:
            # From 1: skops reads id 0 as "no id".
            node["__id__"] = self._ids.setdefault(_identity(node), len(self._ids) + 1)
        if "file" in node:
            name = f"{len(self.members)}.{node['file'].rpartition('.')[2]}"
            node["file"] = self.members.setdefault(node["file"], name)


def _identity(node: dict[str, Any]) -> Any:
    # Whether two equal numbers or texts are one object is the interpreter's choice, not the model's; and whether two
    # equal settings are one depends on whether the parts of the model were fitted in one process.
    if node["__loader__"] == "JsonNode":
        return "json", node["content"]
    return node["__id__"] if _holds_file(node) else ("settings", _without_ids(node))


def _holds_file(value: Any) -> bool:
    if isinstance(value, dict):
        return "file" in value or any(_holds_file(inner) for inner in value.values())
    return isinstance(value, list) and any(_holds_file(item) for item in value)


def _without_ids(value: Any) -> str:
    def strip(item: Any) -> Any:
        if isinstance(item, dict):
            bare = {key: strip(inner) for key, inner in item.items() if key not in ("__id__", "file")}
            if item.get("__loader__") == "SetNode":
                bare["content"].sort(key=lambda inner: json.dumps(inner, sort_keys=True))
            return bare
        return [strip(inner) for inner in item] if isinstance(item, list) else item

    return json.dumps(strip(value), sort_keys=True)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _ZIP_EPOCH)
            info.create_system, info.external_attr = _UNIX, _OWNER_READ_WRITE
            target.writestr(info, data)
    return buffer.getvalue()
