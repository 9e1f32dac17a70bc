"""Cards say what a person asks first, and whatever text the data and people have put into them stays text."""

import dataclasses
import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.perennial.cards.data_card import data_card
from include.perennial.cards.model_card import model_card
from include.perennial.cards.page import Card
from include.perennial.cards.profile import ColumnProfile, Profile, profile_of
from include.perennial.contracts import (
    Check,
    CheckStatus,
    Decision,
    PartitionVersion,
    Promotion,
    PromotionStatus,
    Validated,
    Verdict,
)
from include.perennial.spec import ColumnType, PipelineSpec, PythonSource
from include.perennial.spec.approval import Approval
from include.perennial.stores.ledger import Event, EventKind, Refused, Registered
from include.perennial.stores.ledger.events import Answered, Crowning
from tests.promotions import decide, judgement_of, model_file, registration
from tests.training_runs import make_toy
from tests.unit.cards.hostile import FORMULA, HOSTILE, Structure, widths

AT = dt.datetime(2013, 3, 12, 12, 30, tzinfo=dt.UTC)
VERSION = registration("toy")
BEFORE = Profile(
    key="2013-02-25",
    sha256="a" * 64,
    rows=600,
    rows_quarantined=6,
    columns=(ColumnProfile(name="noise", kind="integer", null_share=0.1, holds="0 to 8"),),
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> PipelineSpec:
    return make_toy(tmp_path_factory.mktemp("toy")).spec


def decision(said: str = "said") -> Decision:
    """A decision whose every free text is ``said``."""
    found = decide("toy", "run-1", None)
    checks = (
        Check(name=f"slice.group={said}", status=CheckStatus.PASSED, value=0.1, interval=(-0.1, 0.2), message=said),
        Check(name=said, status=CheckStatus.INFO, message=said),
    )
    judgement = found.judgement.model_copy(
        update={
            "checks": checks,
            "sentence": said,
            "delta": 0.01,
            "delta_interval": (-0.005, 0.02),
            "champion_version": said,
        }
    )
    request = found.plan.request.model_copy(update={"reason": said, "requested_by": said, "run_url": said})
    plan = found.plan.model_copy(update={"request": request})
    return found.model_copy(update={"judgement": judgement, "plan": plan, "champion_metrics": {"roc_auc": 0.6}})


def event(seq: int, kind: EventKind, payload: Any, actor: str = "ada") -> Event:
    given = payload if isinstance(payload, dict) else payload.model_dump(mode="json")
    return Event("toy", seq, kind, str(seq), AT, actor, given, "", "")


def answer(kind: EventKind, by: str | None, seq: int = 3) -> Event:
    sentence = f"Version 1 was {kind} by {by or 'nobody'}."
    return event(seq, kind, Answered(run_key="run-1", version="1", by=by, at_utc=AT, asked_in="r", sentence=sentence))


def registered(said: str = "said") -> Event:
    given = {**VERSION.model_dump(), "verdict": Verdict.PASSED, "sentence": said, "forced": False}
    return event(2, EventKind.REGISTERED, Registered.model_validate(given))


def crowned(reason: str = "", seq: int = 5) -> Event:
    facts = {"prediction_digest": "p", "expected_champion_seq": None, "reason": reason, "evidence": {}}
    return event(seq, EventKind.PROMOTED, Crowning.model_validate(VERSION.model_dump() | facts), actor="airflow")


def refused(said: str) -> Event:
    promotion = Promotion(
        status=PromotionStatus.KEPT_CHAMPION, champion_version="0", champion_seq=1, sentence=said
    ).model_dump()
    given = {**VERSION.model_dump(), "promotion": promotion, "forced": False, "reason": ""}
    return event(5, EventKind.PROMOTION_REFUSED, Refused.model_validate(given))


def history(said: str) -> list[Event]:
    judgement = judgement_of(model_file(0.7, "run-1"), None).model_copy(update={"sentence": said})
    rejudged = {"version": "1", "judgement": judgement.model_dump(mode="json")}
    return [
        registered(said),
        answer(EventKind.APPROVED, said),
        event(4, EventKind.REJUDGED, rejudged, actor=said),
        crowned(said),
    ]


def hostile_spec(spec: PipelineSpec, said: str) -> PipelineSpec:
    columns = {"at": ColumnType.TIMESTAMP, said: ColumnType.STRING, "label": ColumnType.INTEGER}
    data = spec.data.model_copy(update={"columns": columns, "key": (said,)})
    source = spec.source.model_copy(update={"path": said})
    texts = {"title": said, "description": said, "owner": said}
    return spec.model_copy(update={**texts, "data": data, "source": source})


def of_model(spec: PipelineSpec, said: str) -> Card:
    return model_card(VERSION, decision(said), hostile_spec(spec, said), {"C": said}, history(said))


def of_data(spec: PipelineSpec, said: str) -> Card:
    hostile = hostile_spec(spec, said)
    table = pa.table({"at": [AT, AT], said: [said, None], "label": [0, 1]})
    profile = profile_of(table, hostile.data.columns, key="2013-03-04", sha256="b" * 64, rows_quarantined=1)
    return data_card(hostile, validated({said: 1}, said), version(), profile, [BEFORE])


def validated(reasons: dict[str, int], quarantine_key: str = "quarantine/toy/q.parquet") -> Validated:
    return Validated(
        pipeline="toy",
        key="2013-03-04",
        snapshot_digest="s" * 64,
        object_key="partitions/toy/p.parquet",
        sha256="b" * 64,
        n_bytes=1234,
        rows=2,
        rows_quarantined=1,
        quarantine_key=quarantine_key,
        quarantine_reasons=reasons,
        docs_key=None,
        suite_digest="e" * 64,
        columns={},
    )


def version() -> PartitionVersion:
    given = validated({}).model_dump(include=set(PartitionVersion.model_fields))
    return PartitionVersion(**given, md5="m" * 32, commit="c" * 40)


_tags: dict[str, list[str]] = {}


def benign_tags(card: Any, spec: PipelineSpec) -> list[str]:
    """The tags of a card that holds ordinary text, parsed once."""
    if card.__name__ not in _tags:
        _tags[card.__name__] = Structure(card(spec, "said").page).tags
    return _tags[card.__name__]


# --- hostile text ---------------------------------------------------------------------------


@pytest.mark.parametrize("card", [of_model, of_data], ids=["model", "data"])
@pytest.mark.parametrize("said", HOSTILE, ids=lambda said: repr(said[:24]))
def test_hostile_text_stays_text(spec: PipelineSpec, card: Any, said: str) -> None:
    benign, hostile = card(spec, "said"), card(spec, said)
    page = Structure(hostile.page)

    assert page.tags == benign_tags(card, spec), "the text has become markup"
    assert "<" not in hostile.markdown
    assert all(len(width) == 1 for width in widths(hostile.markdown)), "the text has split a cell"
    assert hostile.markdown.count("\n") == benign.markdown.count("\n")
    assert not {character for character in page.text if not character.isprintable()} - {"\n"}
    assert len(hostile.markdown) < 50_000


@pytest.mark.parametrize("said", [one for one in HOSTILE if FORMULA.match(one)])
def test_no_cell_is_a_formula(spec: PipelineSpec, said: str) -> None:
    cells = Structure(of_model(spec, said).page).cells + Structure(of_data(spec, said).page).cells

    told = [cell for cell in cells if said[:4] in cell]
    assert told
    assert not [cell for cell in told if FORMULA.match(cell)]


@settings(max_examples=40, deadline=None)
@given(said=st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and text not in ("at", "label")))
def test_any_text_stays_text(spec: PipelineSpec, said: str) -> None:
    for card in (of_model, of_data):
        assert Structure(card(spec, said).page).tags == benign_tags(card, spec)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(spec: PipelineSpec) -> None:
    tags = Structure(of_model(spec, "said").page).tags

    assert "meta http-equiv=Content-Security-Policy content=default-src 'none'; style-src 'unsafe-inline'" in tags
    assert not [tag for tag in tags if tag.split()[0] in ("script", "link", "img", "iframe", "a", "form")]


# --- the model card -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "standing"),
    [
        ([registered()], "nothing has been decided"),
        ([registered(), answer(EventKind.DECLINED, "ada")], "Version 1 was declined by ada."),
        ([registered(), answer(EventKind.APPROVED, "ada"), crowned()], "Crowned champion on 2013-03-12 12:30 UTC."),
        ([registered(), refused("It lost.")], "Not champion. It lost."),
    ],
    ids=["registered", "declined", "crowned", "refused"],
)
def test_the_first_sentence_says_what_became_of_the_version(
    spec: PipelineSpec, events: list[Event], standing: str
) -> None:
    assert standing in model_card(VERSION, decision(), spec, {}, events).markdown.splitlines()[2]


def test_events_of_other_versions_are_not_told(spec: PipelineSpec) -> None:
    other = dataclasses.replace(answer(EventKind.DECLINED, "eve"), payload={"version": "2", "sentence": "no"})
    assert "eve" not in model_card(VERSION, decision(), spec, {}, [registered(), other]).markdown


@pytest.mark.parametrize(
    "line",
    [
        "| ROC AUC | 0.7000 | 0.6000 | higher |",
        "Improvement over the champion: 0.0100, between -0.0050 and 0.0200.",
        "| judged on | 2013-03-04 to 2013-03-04, 1 partition, 10 rows, later than all it was trained on |",
        "| slice.group=said | 0.1000 | – | – | -0.1000 to 0.2000 | passed | said |",
        '| parameters | {"C":0.5} |',
        "| data version | data |",
        "| 3 | 2013-03-12 12:30 | approved | ada | Version 1 was approved by said. |",
    ],
)
def test_the_model_card_has_the_line(spec: PipelineSpec, line: str) -> None:
    assert line in model_card(VERSION, decision(), spec, {"C": 0.5}, history("said")).markdown.splitlines()


def test_a_new_judgement_is_shown_with_the_gate(spec: PipelineSpec) -> None:
    assert "Judged again against version –" in model_card(VERSION, decision(), spec, {}, history("x")).markdown


@pytest.mark.parametrize(
    ("approval", "events", "said"),
    [
        (None, [], "The spec asks for none."),
        (Approval(), [], "Nobody has answered."),
        (Approval(), [answer(EventKind.APPROVED, "ada")], "Version 1 was approved by ada."),
    ],
)
def test_the_card_says_who_approved(
    spec: PipelineSpec, approval: Approval | None, events: list[Event], said: str
) -> None:
    card = model_card(VERSION, decision(), spec.model_copy(update={"approval": approval}), {}, events)
    assert f"## Approval\n\n{said}\n" in card.markdown


def test_a_candidate_that_left_the_spec_still_has_a_card(spec: PipelineSpec) -> None:
    gone = spec.model_copy(update={"candidates": {"forest": spec.candidates["forest"]}})
    assert "| model | logistic |" in model_card(VERSION, decision(), gone, {}, []).markdown


# --- the data card --------------------------------------------------------------------------


def test_a_profile_counts_nulls_ranges_and_the_most_frequent_values() -> None:
    columns = {"n": ColumnType.INTEGER, "x": ColumnType.FLOAT, "s": ColumnType.STRING, "none": ColumnType.FLOAT}
    table = pa.table(
        {
            "n": [3, 1, None, 2],
            "x": [0.5, 1234.5, -1.0, 2.0],
            "s": ["b", "a", "b", None],
            "none": pa.array([None] * 4, pa.float64()),
        }
    )

    found = profile_of(table, columns, key="k", sha256="s", rows_quarantined=0)

    assert [(one.name, one.null_share, one.holds) for one in found.columns] == [
        ("n", 0.25, "1 to 3"),
        ("x", 0.0, "-1 to 1,234.5"),
        ("s", 0.25, "b (2), a (1)"),
        ("none", 1.0, "no values"),
    ]


def test_a_partition_without_rows_has_a_profile() -> None:
    table = pa.table({"s": pa.array([], pa.string())})
    [column] = profile_of(table, {"s": ColumnType.STRING}, key="k", sha256="s", rows_quarantined=0).columns

    assert (column.null_share, column.holds) == (0.0, "no values")


def test_the_data_card_tells_source_quarantine_and_columns(spec: PipelineSpec) -> None:
    lines = data_card(spec, validated({"late": 1, "twice": 3}), version(), BEFORE, [BEFORE]).markdown.splitlines()

    assert "600 valid rows; 6 were set aside (0.99 % of the delivery, 10 % are allowed)." in lines
    assert "| from | delivery/{key}.csv (csv) |" in lines
    assert lines.index("| twice | 3 |") < lines.index("| late | 1 |")
    assert "| noise | integer |  | 10 % | 10 % | 0 to 8 |" in lines
    assert "Nothing notable." in lines


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows": 100}, "100 rows, where 600 are usual."),
        ({"columns": ()}, "Column noise is gone."),
        (
            {"columns": (BEFORE.columns[0].model_copy(update={"null_share": 0.3}),)},
            "Column noise: 30 % missing, 10 % are usual.",
        ),
        (
            {"columns": (*BEFORE.columns, BEFORE.columns[0].model_copy(update={"name": "other"}))},
            "Column other is new.",
        ),
    ],
    ids=["rows", "gone", "nulls", "new"],
)
def test_what_has_changed_since_the_partitions_before_is_told(spec: PipelineSpec, changes: dict, told: str) -> None:
    now = BEFORE.model_copy(update={"key": "2013-03-04", **changes})

    assert f"- {told}" in data_card(spec, validated({}), version(), now, [BEFORE] * 3).markdown.splitlines()


def test_the_first_partition_is_compared_with_none(spec: PipelineSpec) -> None:
    assert "first partition on record" in data_card(spec, validated({}), version(), BEFORE, []).markdown


def test_options_of_a_python_source_stay_out(spec: PipelineSpec) -> None:
    secret = {"kind": "python", "options": {"password": "hunter2"}}
    python = spec.model_copy(update={"source": PythonSource.model_validate(secret)})
    assert "hunter2" not in data_card(python, validated({}), version(), BEFORE, []).markdown
