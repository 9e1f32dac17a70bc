"""Where snapshots are in the object store, and when they came. Light: whoever waits for a partition asks this."""

import datetime as dt
import json

from include.perennial.stores.objects import ObjectStore

MANIFEST = "manifest.json"


def snapshot_prefix(name: str, key: str, sha256: str) -> str:
    """Where the snapshot with this digest is."""
    return f"snapshots/{name}/{key}/{sha256[:16]}"


def stored_at(name: str, key: str, store: ObjectStore) -> dict[str, dt.datetime]:
    """When each snapshot of partition ``key`` was first stored (UTC), by its prefix."""
    manifests = [one for one in store.list(f"snapshots/{name}/{key}/") if one.endswith(f"/{MANIFEST}")]
    contents = {one.removesuffix(f"/{MANIFEST}"): json.loads(store.get_bytes(one)) for one in manifests}
    return {prefix: dt.datetime.fromisoformat(one["delivered_at_utc"]) for prefix, one in contents.items()}
