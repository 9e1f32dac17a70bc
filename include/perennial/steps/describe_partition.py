"""Describe: the data card of a partition's version, and the profile with which later cards compare.

For people: nothing is decided from a card, and writing it again from the same state gives the same.
"""

import tempfile
from pathlib import Path

from include.perennial.card_places import CardKeys, profile_key
from include.perennial.cards.data_card import data_card
from include.perennial.cards.profile import Profile, profile_of_file
from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.pipeline_folder import Pipeline
from include.perennial.steps.readiness import PUBLISHING_KINDS
from include.perennial.stores.ledger import Ledger
from include.perennial.stores.objects import ObjectStore

_COMPARED_WITH = 8  # partitions before, of which a card shows the quality


def describe_partition(
    pipeline: Pipeline, validated: Validated, version: PartitionVersion, *, ledger: Ledger, store: ObjectStore
) -> CardKeys:
    """Keep the card of ``version`` in the object store, and beside it the profile for the cards of later partitions.

    Raises:
        IntegrityError: the partition is not what was recorded.
        Unavailable: the object store or the ledger does not answer.
    """
    spec = pipeline.spec
    with tempfile.TemporaryDirectory(prefix="perennial-") as folder:
        profile = profile_of_file(
            store.get_file(validated.object_key, Path(folder, "partition.parquet"), version.sha256),
            spec.data.columns,
            key=version.key,
            sha256=version.sha256,
            rows_quarantined=version.rows_quarantined,
        )
    store.put_bytes(profile_key(spec.name, version.key, version.sha256), profile.model_dump_json().encode())
    card = data_card(spec, validated, version, profile, _profiles_before(spec.name, version.key, ledger, store))
    keys = CardKeys.data(spec.name, version.key, version.sha256)
    store.put_bytes(keys.markdown, card.markdown.encode())
    store.put_bytes(keys.html, card.page)
    return keys


def _profiles_before(name: str, key: str, ledger: Ledger, store: ObjectStore) -> list[Profile]:
    """Profiles of the newest partitions before ``key``; one from before there were cards is left out."""
    newest = {str(e.payload["key"]): str(e.payload["sha256"]) for e in ledger.events(name, PUBLISHING_KINDS)}
    found = [profile_key(name, one, newest[one]) for one in sorted(newest) if one < key]
    present = [one for one in found[-_COMPARED_WITH:] if store.exists(one)]
    return [Profile.model_validate_json(store.get_bytes(one)) for one in present]
