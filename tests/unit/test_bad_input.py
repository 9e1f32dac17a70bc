"""What becomes of bad deliveries: refused with a message a person can act on, set aside, or taken for what they are.

Whatever is refused publishes nothing, and what came stays in the snapshot for a person to look at.
"""

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.perennial.contracts import Validated
from include.perennial.digests import bytes_sha256
from include.perennial.errors import DataError
from include.perennial.messages import MESSAGE_LIMIT
from include.perennial.stores.objects import ObjectStore
from include.perennial.tables import write_parquet
from tests.bad_deliveries import ACCEPTED, CRASHES, GOOD, HOSTILE, REFUSED, SET_ASIDE, Case, frame, one, parquet
from tests.deliveries import COLUMNS, csv, files, ingest, jsonl, make_pipeline, put, row, settings


def deliver(tmp_path: Path, case: Case) -> tuple[Validated, ObjectStore]:
    source = files("delivery/{key}.data", case.kind)
    pipeline = make_pipeline(tmp_path, source, **case.pipeline)
    if case.content is not None:
        put(pipeline, "2013-06-03.data", case.content)
    return ingest(pipeline, tmp_path)


def ids(cases: list[Case]) -> list[str]:
    return [case.id for case in cases]


@pytest.mark.parametrize("case", REFUSED, ids=ids(REFUSED))
def test_it_is_refused_and_nothing_is_published(tmp_path: Path, case: Case) -> None:
    with pytest.raises(DataError) as caught:
        deliver(tmp_path, case)

    message = str(caught.value)
    assert case.told in message
    assert "Traceback" not in message
    assert "To fix" in message
    assert len(message) <= MESSAGE_LIMIT
    assert message.replace("\n", "").isprintable()
    store = ObjectStore.open(settings(tmp_path))
    assert store.list("partitions/") == []
    assert case.content is None or len(store.list("snapshots/")) == 2


@pytest.mark.parametrize("case", SET_ASIDE, ids=ids(SET_ASIDE))
def test_the_bad_row_is_set_aside_with_its_reason_and_the_others_are_kept(tmp_path: Path, case: Case) -> None:
    validated, store = deliver(tmp_path, case)

    assert validated.quarantine_reasons == {case.told: 1}
    assert validated.rows_quarantined == 1
    quarantine = pq.read_table(io.BytesIO(store.get_bytes(validated.quarantine_key or "")))
    # Of a row of another partition the reason goes on with the key of that one.
    assert [reason.partition(",")[0] for reason in quarantine["_reason"].to_pylist()] == [case.told.partition(",")[0]]
    kept = pq.read_table(io.BytesIO(store.get_bytes(validated.object_key, validated.sha256)))
    assert kept.num_rows == validated.rows >= 19


@pytest.mark.parametrize("case", ACCEPTED, ids=ids(ACCEPTED))
def test_the_same_rows_in_another_dress_are_the_same_partition(tmp_path: Path, case: Case) -> None:
    plain, _ = deliver(tmp_path / "plain", Case("plain", csv(GOOD), ""))
    dressed, _ = deliver(tmp_path / "dressed", case)

    assert dressed.rows_quarantined == 0
    assert dressed.sha256 == plain.sha256


def test_a_tail_cut_at_a_line_end_is_seen_by_its_sidecar_only(tmp_path: Path) -> None:
    whole, cut = csv(GOOD), csv(GOOD[:-5])

    validated, _ = deliver(tmp_path / "without", Case("cut", cut, ""))
    assert validated.rows == 15

    put(make_pipeline(tmp_path / "with", files("delivery/{key}.data")), "2013-06-03.data.sha256", sha256sum(whole))
    with pytest.raises(DataError, match=r"(?s)'2013-06-03.data': sha256 .*cut off or changed on its way"):
        deliver(tmp_path / "with", Case("cut", cut, ""))


def sha256sum(content: str | bytes) -> str:
    return bytes_sha256(content.encode() if isinstance(content, str) else content) + "  file\n"


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_in_parquet_never_passes_its_sidecar(tmp_path: Path, seed: int) -> None:
    whole = parquet(frame())
    pipeline = make_pipeline(tmp_path, files("delivery/{key}.data", "parquet"))
    put(pipeline, "2013-06-03.data.sha256", sha256sum(whole))
    for flipped in flips(whole, seed, 10):
        put(pipeline, "2013-06-03.data", flipped)
        with pytest.raises(DataError, match="cut off or changed"):
            ingest(pipeline, tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_a_flipped_bit_in_parquet_with_page_checksums_is_refused_or_harmless(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "whole.parquet"
    write_parquet(pa.Table.from_pandas(frame([row(n) for n in range(400)]), preserve_index=False), path)
    whole = path.read_bytes()
    expectations = "BATCH, ROWS = [], []"
    verdicts = [outcome(tmp_path, flipped, expectations) for flipped in flips(whole, seed, 20)]

    correct = outcome(tmp_path, whole, expectations)
    assert verdicts.count("refused") >= 10
    assert set(verdicts) <= {"refused", correct}


def outcome(tmp_path: Path, content: bytes, expectations: str) -> str:
    try:
        return deliver(tmp_path, Case("", content, "", "parquet", {"expectations": expectations}))[0].sha256
    except DataError:
        return "refused"


def flips(whole: bytes, seed: int, n: int) -> list[bytes]:
    rng = random.Random(seed)
    return [flip(whole, rng.randrange(len(whole) * 8)) for _ in range(n)]


def flip(whole: bytes, bit: int) -> bytes:
    out = bytearray(whole)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_are_data_and_shown_escaped(tmp_path: Path, text: str) -> None:
    suite = CRASHES.format(batch="", rows="gxe.ExpectColumnValuesToMatchRegex(column='id', regex='^r')")
    validated, store = deliver(tmp_path, Case("", jsonl(one(id=text)), "", "jsonl", {"expectations": suite}))

    quarantine = pq.read_table(io.BytesIO(store.get_bytes(validated.quarantine_key or "")))
    assert quarantine["id"].to_pylist() == [text]
    assert_harmless(store.get_bytes(validated.docs_key or "").decode())


@pytest.mark.parametrize("name", [*HOSTILE[:6], "a" * 128], ids=range(7))
def test_hostile_column_names_are_shown_escaped(tmp_path: Path, name: str) -> None:
    columns = COLUMNS | {name: "float"}
    suite = CRASHES.format(batch=f"gxe.ExpectColumnMeanToBeBetween(column={name!r}, min_value=9)", rows="")
    case = Case("", jsonl([r | {name: 1.5} for r in GOOD]), "", "jsonl", {"columns": columns, "expectations": suite})

    with pytest.raises(DataError, match=r"observed 1\.5; expected min_value=9") as caught:
        deliver(tmp_path, case)

    assert len(str(caught.value)) <= MESSAGE_LIMIT
    store = ObjectStore.open(settings(tmp_path))
    (page,) = [key for key in store.list("docs/") if key.endswith(".html")]
    assert_harmless(store.get_bytes(page).decode())


def assert_harmless(page: str) -> None:
    assert "<script" not in page
    assert "<img" not in page
    assert "src=" not in page.replace("src=x", "")
    assert "default-src 'none'" in page
    assert "\x1b" not in page
