"""The data card of a partition: where it comes from, what it holds, what was set aside, and what has changed."""

from collections.abc import Sequence
from statistics import median

from include.perennial.cards.page import Card
from include.perennial.cards.profile import ColumnProfile, Profile
from include.perennial.contracts import PartitionVersion, Validated
from include.perennial.gate.wording import percent
from include.perennial.markdown import NONE, table, text
from include.perennial.quality.sieve import told
from include.perennial.spec import FilesSource, PipelineSpec, SqlSource

# A null rate that moved by more than this says that a source changed; less is the ordinary difference of weeks.
_NOTABLE_NULLS = 0.05
# A partition with half as many rows as usual, or twice as many, is another delivery than the ones before.
_NOTABLE_ROWS = 2.0


def data_card(
    spec: PipelineSpec, validated: Validated, version: PartitionVersion, profile: Profile, before: Sequence[Profile]
) -> Card:
    """The card of ``version``; ``before`` are the profiles of the newest partitions before it, oldest first."""
    title = f"{spec.title}, data of {version.key}"
    sections = {
        "Source": _facts(spec, validated, version),
        "Rows set aside": _quarantine(validated),
        "What has changed": [f"- {text(change)}" for change in _changes(profile, before)] or ["Nothing notable."],
        "Columns": _columns(profile, before, spec),
        "Beside the partitions before it": _quality([*before, profile]),
    }
    lines = [f"# {text(title)}", "", text(_sentence(spec, profile))]
    for name, content in sections.items():
        lines += ["", f"## {name}", "", *content]
    return Card(title, "\n".join([*lines, ""]))


def _sentence(spec: PipelineSpec, profile: Profile) -> str:
    quota = percent(spec.data.quarantine_quota)
    return (
        f"{profile.rows:,} valid rows; {profile.rows_quarantined:,} were set aside "
        f"({percent(_quarantined(profile))} of the delivery, {quota} are allowed)."
    )


def _facts(spec: PipelineSpec, validated: Validated, version: PartitionVersion) -> list[str]:
    facts = {
        "kind": spec.source.kind,
        "from": _origin(spec),
        "period": f"one {spec.period} from {version.key}, UTC, by {spec.data.time}",
        "one row is": ", ".join(spec.data.key),
        "label": spec.data.target,
        "rows": f"{version.rows:,}",
        **_labelled(version),
        "file": f"{version.n_bytes:,} bytes, sha256 {version.sha256}",
        "data version": version.commit,
        "snapshot": version.snapshot_digest,
        "expectations": version.suite_digest,
        "quarantine": validated.quarantine_key or "none",
        "owner": spec.owner,
    }
    return table(["", ""], [[name, text(value)] for name, value in facts.items()])


def _labelled(version: PartitionVersion) -> dict[str, str]:
    if version.rows_labelled is None:
        return {}
    missing = version.rows - version.rows_labelled
    return {"rows with a label": f"{version.rows_labelled:,}; the labels of {missing:,} have not come"}


def _origin(spec: PipelineSpec) -> str:
    """Where the rows are fetched; options of a Python source stay out, since they may hold a secret."""
    source = spec.source
    if isinstance(source, FilesSource):
        return f"{source.path} ({source.format})"
    return f"connection {source.connection}: {source.query}" if isinstance(source, SqlSource) else "source.py"


def _quarantine(validated: Validated) -> list[str]:
    reasons = sorted(validated.quarantine_reasons.items(), key=lambda one: (-one[1], one[0]))
    lines = table(["reason", "rows"], [[text(reason), f"{rows:,}"] for reason, rows in reasons])
    lines += ["", "A row with two reasons counts for both."] if len(reasons) > 1 else []
    return [*lines, "", text(told(validated.rows_elsewhere))] if validated.rows_elsewhere else lines


def _changes(profile: Profile, before: Sequence[Profile]) -> list[str]:
    if not before:
        return ["It is the first partition on record: there is nothing to compare it with."]
    usual = median(one.rows for one in before)
    changes = []
    if not usual / _NOTABLE_ROWS <= profile.rows <= usual * _NOTABLE_ROWS:
        changes.append(f"{profile.rows:,} rows, where {usual:,.0f} are usual.")
    for column in profile.columns:
        then = _usual_nulls(column, before)
        if then is None:
            changes.append(f"Column {column.name} is new.")
        elif abs(column.null_share - then) > _NOTABLE_NULLS:
            changes.append(f"Column {column.name}: {percent(column.null_share)} missing, {percent(then)} are usual.")
    gone = {one.name for one in before[-1].columns} - {one.name for one in profile.columns}
    return changes + [f"Column {name} is gone." for name in sorted(gone)]


def _columns(profile: Profile, before: Sequence[Profile], spec: PipelineSpec) -> list[str]:
    rows = []
    for column in profile.columns:
        then = _usual_nulls(column, before)
        usual = NONE if then is None else percent(then)
        role = "label" if column.name == spec.data.target else "key" if column.name in spec.data.key else ""
        rows.append([text(column.name), column.kind, role, percent(column.null_share), usual, text(column.holds)])
    return table(["column", "type", "", "missing", "usually", "values"], rows)


def _usual_nulls(column: ColumnProfile, before: Sequence[Profile]) -> float | None:
    shares = [one.null_share for profile in before for one in profile.columns if one.name == column.name]
    return median(shares) if shares else None


def _quality(profiles: Sequence[Profile]) -> list[str]:
    rows = []
    for profile in profiles:
        shares = [column.null_share for column in profile.columns]
        mean = percent(sum(shares) / len(shares)) if shares else NONE
        rows.append([text(profile.key), f"{profile.rows:,}", percent(_quarantined(profile)), mean])
    return table(["partition", "rows", "set aside", "values missing"], rows)


def _quarantined(profile: Profile) -> float:
    total = profile.rows + profile.rows_quarantined
    return profile.rows_quarantined / total if total else 0.0
