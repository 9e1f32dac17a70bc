"""Equal content has equal names, whatever its order or size."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.perennial.digests import bytes_sha256, canonical_json, digest, file_sha256

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(JSON)
def test_canonical_json_holds_the_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), SCALARS))
def test_the_order_of_keys_does_not_matter(mapping: dict[str, object]) -> None:
    assert digest(dict(reversed(mapping.items()))) == digest(mapping)


@settings(max_examples=50)
@given(JSON, JSON)
def test_values_of_different_json_have_different_digests(one: object, two: object) -> None:
    assert (digest(one) == digest(two)) == (canonical_json(one) == canonical_json(two))


def test_the_canonical_form_never_changes() -> None:
    value = {"b": [1, 2.5, None, True], "a": "ü"}

    assert canonical_json(value) == '{"a":"ü","b":[1,2.5,null,true]}'
    assert digest(value) == "5cffe7b2256261270211e66d136e0fc423a603024179f1fb99fe31e771368b2f"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_cannot_carry_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"metric": number})


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        digest({"path": Path("x")})


@pytest.mark.parametrize("n_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_has_the_digest_of_its_bytes(n_bytes: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * (n_bytes // 256) + b"x" * (n_bytes % 256)
    (tmp_path / "file").write_bytes(data)

    assert file_sha256(tmp_path / "file") == bytes_sha256(data) == hashlib.sha256(data).hexdigest()
