"""What a spec may say: every broken one gives one message with line, finding, remedy and what was meant."""

from pathlib import Path

import pytest

from include.perennial.spec.reader import read_spec
from tests.pipeline_folders import SPEC, Bad, bad, require_refusal, write_folder

FLOORS, COMPARE = "  floors: {roc_auc: 0.58}", "compare: {metric: log_loss,"

BAD = {
    # keys
    "unknown top key": bad("title: Demo", "titel: Demo", "unknown key 'titel'", "Did you mean 'title'?"),
    "unknown nested key": bad(
        "  min_rows:", "  min_row:", "unknown key 'min_row' in gate: allowed are min_rows", "Did you mean 'min_rows'?"
    ),
    "unknown key of a source": bad("  format: csv", "  fromat: csv", "'fromat' in source", "Did you mean 'format'?"),
    "unknown key without a neighbour": bad(
        "owner: team-a", "owner: team-a\nzzz: 1", "unknown key 'zzz': allowed are name, title,", at="zzz"
    ),
    "unknown key in a flow mapping": bad(
        "margin: 0.01, ", "margin: 0.01, resample: 500, ", "in gate.compare", "'resamples'", at="compare:"
    ),
    "missing top key": bad("owner: team-a\n", "", "owner is missing: expected text", at="name:"),
    "missing nested key": bad("  start: 2013-01-07\n", "", "schedule.start is missing", "YYYY-MM-DD", at="schedule:"),
    "missing section": bad(
        "  behaviour: {max_ms_per_1000_rows: 500, max_megabytes: 50}\n",
        "",
        "gate.behaviour is missing: expected a mapping with max_ms_per_1000_rows, max_megabytes",
        at="gate:",
    ),
    "missing source kind": bad("  kind: files\n", "", "source.kind is missing", "files, python, sql", at="source:"),
    "duplicate key": bad("title: Demo", "title: Demo\nowner: b", "duplicate key 'owner'", "line 4", at="owner: team"),
    "duplicate nested key": bad(
        "    late: boolean", "    late: boolean\n    id: integer", "duplicate key 'id'", at="    id: integer"
    ),
    "key that is a list": bad("owner: team-a", "[a, b]: team-a", "a key is a list or a mapping"),
    "merge key": bad("window:\n", "window:\n  <<: {holdout: 2}\n", "unknown key '<<' in window", at="  <<"),
    "unknown key of score": bad(
        "owner: team-a",
        "owner: team-a\nscore: {shadows: true}",
        "'shadows' in score",
        "Did you mean 'shadow'?",
        at="score:",
    ),
    "key named like a column of the prediction log": bad(
        "  key: [at, id]\n  target: late\n  quarantine_quota: 0.01\n  columns:\n    at: timestamp\n    id: string",
        "  key: [at, p]\n  target: late\n  quarantine_quota: 0.01\n  columns:\n    at: timestamp\n    p: string",
        "'p' is a column of the prediction log: expected another name",
        at="  columns:",
    ),
    # types
    "empty value": bad("title: Demo", "title:", "title is empty: expected text"),
    "number for text": bad("title: Demo", "title: 5", "title is 5: expected text"),
    "list for text": bad("title: Demo", "title: [Demo]", "title is a list: expected text"),
    "quoted number": bad("  min_rows: 100", '  min_rows: "100"', "gate.min_rows is '100': expected an integer"),
    "fraction for an integer": bad("  min_rows: 100", "  min_rows: 1.5", "is 1.5: expected an integer"),
    "percent sign": bad("quota: 0.01", "quota: 1%", "'1%': expected a number, at least 0, at most 1", at="quota"),
    "yes is not a boolean": bad(
        "owner: team-a", "owner: team-a\nrefit: yes", "'yes': expected true or false", at="refit"
    ),
    "text for a list": bad("  key: [at, id]", "  key: id", "data.key is 'id': expected a list"),
    "text for a mapping": bad(
        "    estimator: sklearn.linear_model.LogisticRegression\n    params: {C: 1e-2}\n",
        "    Logistic\n",
        "candidates.logistic is 'Logistic': expected a mapping with estimator",
        at="  logistic:",
    ),
    "number in a list of names": bad("[at, id]", "[at, 7]", "data.key[1] is 7: expected text", at="key:"),
    "octal integer stays text": bad("  min_rows: 100", "  min_rows: 0100", "gate.min_rows is '0100'"),
    "sexagesimal integer stays text": bad("  min_rows: 100", "  min_rows: 1:40", "gate.min_rows is '1:40'"),
    "not a number": bad("margin: 0.01", "margin: .nan", "gate.compare.margin is '.nan'", at="compare:"),
    "infinite number": bad("margin: 0.01", "margin: 1e999", "gate.compare.margin is '1e999'", at="compare:"),
    # ranges
    "quota above one": bad("quota: 0.01", "quota: 1.01", "is 1.01: expected a number", "at most 1", at="quota"),
    "window of one": bad("  partitions: 8", "  partitions: 1", "window.partitions is 1", "at least 2"),
    "no holdout": bad("  partitions: 8", "  partitions: 8\n  holdout: 0", "is 0", "at least 1", at="  holdout"),
    "holdout longer than the window": bad(
        "  partitions: 8", "  partitions: 8\n  holdout: 9", "window.holdout is 9: expected at most", at="  holdout"
    ),
    "empty list": bad("  key: [at, id]", "  key: []", "data.key is an empty list", "1 or more entries"),
    "seed too large": bad("owner: team-a", "owner: team-a\nseed: 4294967296", "below 4294967296", at="seed"),
    "few resamples": bad("margin: 0.01", "margin: 0.01, resamples: 10", "at least 200", at="compare:"),
    # metrics and the gate
    "unknown metric in floors": bad(FLOORS, "  floors: {roc_acu: 0.58}", "'roc_acu' in gate.floors", "'roc_auc'?"),
    "unknown metric compared": bad(
        COMPARE, "compare: {metric: LOG_LOSS,", "metric is 'LOG_LOSS': expected one of", "Did you mean 'log_loss'?"
    ),
    "metric that cannot be compared": bad(
        COMPARE, "compare: {metric: f1,", "is f1, which cannot be compared: expected one of brier, log_loss, roc_auc"
    ),
    "empty gate": bad(FLOORS, "  floors: {}", "gate.floors is an empty mapping", "1 or more entries"),
    "floor above the metric's range": bad(
        FLOORS, "  floors: {roc_auc: 1.3}", "gate.floors.roc_auc is 1.3: expected a number in [0, 1]"
    ),
    "first floor below the metric's range": bad(
        "first_floors: {roc_auc: 0.6}", "first_floors: {accuracy: -0.1}", "first_floors.accuracy is -0.1", "[0, 1]"
    ),
    "floor under a metric that should be low": bad(
        FLOORS, "  floors: {log_loss: 0.5}", "log_loss is better when lower", "under gate.ceilings"
    ),
    "ceiling over a metric that should be high": bad(
        FLOORS, f"{FLOORS}\n  ceilings: {{f1: 0.5}}", "f1 is better when higher", "gate.floors", at="  ceilings"
    ),
    "floor that plausibility forbids": bad(
        FLOORS, "  floors: {roc_auc: 0.96}", "not below gate.plausibility.max_roc_auc, 0.95: no model could pass"
    ),
    "unknown policy": bad(
        "metric: log_loss,",
        "metric: log_loss, policy: superiour,",
        "non_inferior, superior",
        "'superior'?",
        at="compare:",
    ),
    # columns
    "unknown column type": bad("    late: boolean", "    late: bool", "is 'bool'", "Did you mean 'boolean'?"),
    "undeclared cluster column": bad(
        "[origin]", "[orign]", "gate.compare.cluster", "Did you mean 'origin'?", at="compare:"
    ),
    "undeclared slice column": bad(
        FLOORS,
        f"{FLOORS}\n  slices: {{columns: [carrier], min_rows: 50, max_regression: 0.1}}",
        "gate.slices.columns names column 'carrier', which is not declared under data.columns",
        at="  slices",
    ),
    "undeclared target": bad("  target: late", "  target: lat", "data.target names column 'lat'", "'late'?"),
    "undeclared key column": bad("  key: [at, id]", "  key: [at, idd]", "data.key names column 'idd'", "'id'?"),
    "time column that is no timestamp": bad("  time: at", "  time: id", "declared as string: expected timestamp"),
    "target that is text": bad("  target: late", "  target: origin", "expected boolean or integer"),
    "target in the key": bad("  key: [at, id]", "  key: [at, late]", "data.key holds the target 'late'"),
    "column named twice": bad("[origin]", "[origin, origin]", "cluster[1] names 'origin' twice", at="compare:"),
    # source
    "unknown source kind": bad("  kind: files", "  kind: file", "expected one of files, python, sql", "'files'?"),
    "path that leaves the folder": bad(
        "  path: data/{key}.csv", "  path: ../other/{key}.csv", "leaves the pipeline folder", "without '..'"
    ),
    "absolute path with dots": bad("  path: data/{key}.csv", "  path: /data/../etc/{key}.csv", "without '..'"),
    "bucket path with dots": bad("  path: data/{key}.csv", "  path: s3://bucket/../{key}.csv", "without '..'"),
    "home folder": bad("  path: data/{key}.csv", "  path: ~/{key}.csv", "an absolute path, or s3://bucket/prefix"),
    "other scheme": bad("  path: data/{key}.csv", "  path: http://host/{key}.csv", "or s3://bucket/prefix"),
    "bucket without a name": bad("  path: data/{key}.csv", "  path: s3:///{key}.csv", "or s3://bucket/prefix"),
    "unknown placeholder": bad(
        "  path: data/{key}.csv", "  path: data/{key.start}.csv", "the only placeholder allowed"
    ),
    "query without the partition's bounds": bad(
        "  kind: files\n  path: data/{key}.csv\n  format: csv\n",
        "  kind: sql\n  connection: warehouse\n  query: SELECT * FROM t WHERE at >= :start\n",
        "source.query does not use :end",
        at="  query",
    ),
    # schedule
    "cron with four fields": bad('  train: "0 5 * * 1"', '  train: "0 5 * *"', "schedule.train is '0 5 * *'", "cron"),
    "cron with a bad minute": bad('  train: "0 5 * * 1"', '  train: "60 5 * * 1"', "minute (0-59)"),
    "cron preset": bad('  ingest: "0 4 * * 1"', '  ingest: "@weekly"', "such as '0 4 * * 1'"),
    "daily cron for weeks": bad('  ingest: "0 4 * * 1"', '  ingest: "0 4 * * *"', "fires once a week"),
    "cron on another day than Monday": bad(
        '  train: "0 5 * * 1"', '  train: "0 5 * * 2"', "on the Monday that starts it"
    ),
    "weekly cron for days": bad("period: week", "period: day", "fires once a day", at="ingest:"),
    "training before ingest": bad('  train: "0 5 * * 1"', '  train: "30 3 * * 1"', "later in the week", "'0 4 * * 1'"),
    "start that is no Monday": bad(
        "  start: 2013-01-07", "  start: 2013-01-09", "expected the first day of a week, such as 2013-01-07"
    ),
    "start in another notation": bad("  start: 2013-01-07", "  start: 07.01.2013", "'07.01.2013': expected a date"),
    "start that is no day": bad("  start: 2013-01-07", "  start: 2013-02-30", "'2013-02-30': expected a date"),
    "start with a time": bad("  start: 2013-01-07", "  start: 2013-01-07T00:00:00", "YYYY-MM-DD"),
    "start in another millennium": bad("  start: 2013-01-07", "  start: 3013-01-07", "from 1900-01-01 to 2199-12-31"),
    # approval
    "approval misspelt": bad(
        "owner: team-a",
        "owner: team-a\napproval: requird",
        "approval is 'requird': expected required, or a mapping of time_limit_hours, default",
        "Did you mean 'required'?",
        at="approval",
    ),
    "approval left empty": bad(
        "owner: team-a", "owner: team-a\napproval:", "approval is empty: expected required", at="approval"
    ),
    "approval as a boolean": bad("owner: team-a", "owner: team-a\napproval: true", "approval is true", at="approval"),
    "approval without time": bad(
        "owner: team-a",
        "owner: team-a\napproval: {time_limit_hours: 0}",
        "approval.time_limit_hours is 0: expected a number, above 0, at most 2160",
        at="approval",
    ),
    "unknown default of approval": bad(
        "owner: team-a",
        "owner: team-a\napproval: {default: aprove}",
        "approval.default is 'aprove': expected one of reject, approve",
        "Did you mean 'approve'?",
        at="approval",
    ),
    "unknown key of approval": bad(
        "owner: team-a", "owner: team-a\napproval: {hours: 3}", "unknown key 'hours' in approval", at="approval"
    ),
    # names
    "name of another folder": bad("name: demo", "name: other", "name is 'other', but the folder is 'demo'"),
    "name with a dash": bad("name: demo", "name: my-demo", "name is 'my-demo'", "a-z, 0-9 and _"),
    "candidate with a dash": bad("  logistic:", "  log-istic:", "key 'log-istic' in candidates", "a-z, 0-9 and _"),
    "estimator without a module": bad(
        "sklearn.linear_model.LogisticRegression", "LogisticRegression", "dotted path of a class", at="estimator:"
    ),
    "estimator with an empty part": bad(
        "sklearn.linear_model.", "sklearn..", "dotted path of a class", at="estimator:"
    ),
    "features elsewhere": bad(
        "owner: team-a", "owner: team-a\nfeatures: os.system", "features is 'os.system'", at="features"
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_broken_spec_gives_one_message_with_line_finding_and_remedy(case: Bad, tmp_path: Path) -> None:
    require_refusal(case, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("path: data/{key}.csv", "path: /var/deliveries/{key}.csv"),
        ("path: data/{key}.csv", "path: s3://deliveries/flights/{key}.csv"),
        (
            "kind: files\n  path: data/{key}.csv\n  format: csv",
            "kind: sql\n  connection: warehouse\n  query: SELECT * FROM t WHERE at >= :start AND at < :end",
        ),
        ("path: data/{key}.csv", "path: all.csv"),
        ("  start: 2013-01-07", '  start: "2013-01-07"'),
        ('train: "0 5 * * 1"', "train: 0 5 * * mon"),
        ("floors: {roc_auc: 0.58}", "floors: {roc_auc: 0.58, log_loss_skill: -0.15}"),
        ("first_floors: {roc_auc: 0.6}", "first_floors: {roc_auc: 0.6}\n  ceilings: {log_loss: 1.5, brier: 0.3}"),
        ("    late: boolean", "    late: integer"),
        ("name: demo\n", "---\nname: demo\n"),
        ("title: Demo", "title: Demo\nselection_metric: brier\nseed: 7\nrefit: false"),
    ],
    ids=lambda text: text.strip().splitlines()[-1],
)
def test_other_valid_ways_to_say_it_load(old: str, new: str, tmp_path: Path) -> None:
    spec = SPEC.replace(old, new, 1)

    assert spec != SPEC
    assert read_spec(write_folder(tmp_path, spec=spec) / "pipeline.yaml").name == "demo"


@pytest.mark.parametrize(
    ("written", "hours", "default"),
    [
        ("required", 72, "reject"),
        ("{}", 72, "reject"),
        ("{time_limit_hours: 1.5, default: approve}", 1.5, "approve"),
    ],
)
def test_an_approval_is_required_with_a_limit_and_a_default(
    written: str, hours: float, default: str, tmp_path: Path
) -> None:
    approval = read_spec(write_folder(tmp_path, spec=f"{SPEC}approval: {written}\n") / "pipeline.yaml").approval

    assert approval is not None
    assert (approval.time_limit_hours, approval.default) == (hours, default)


def test_nobody_is_asked_unless_the_spec_says_so(tmp_path: Path) -> None:
    assert read_spec(write_folder(tmp_path) / "pipeline.yaml").approval is None
