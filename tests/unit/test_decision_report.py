"""A decision as Markdown: everything a person asks first, and nothing that acts on the page."""

import pytest

from include.perennial.contracts import CandidateFit, Check, CheckStatus, Decision
from include.perennial.decision_report import decision_markdown
from tests.promotions import decide

HOSTILE = "<script>alert(1)</script> | [click](javascript:x) `code` *bold*\n# title"


def _decision(**changes: object) -> Decision:
    decision = decide("toy", "run-1", None)
    check = Check(
        name="comparison.roc_auc",
        status=CheckStatus.NOT_COMPARABLE,
        value=0.71234,
        champion=None,
        threshold=-0.03,
        interval=(-0.01, 0.02),
        message="it is so",
    )
    judgement = decision.judgement.model_copy(update={"checks": (check,), "sentence": "Passed: it is better."})
    fits = (
        CandidateFit(candidate="logistic", metrics={"roc_auc": 0.7}, fit_seconds=1.25, mlflow_run_id="a"),
        CandidateFit(candidate="forest", metrics={}, fit_seconds=2.0, mlflow_run_id="b"),
    )
    return decision.model_copy(update={"judgement": judgement, "fits": fits} | changes)


def _asked(**changes: object) -> Decision:
    plan = _decision().plan
    return _decision(plan=plan.model_copy(update={"request": plan.request.model_copy(update=changes)}))


def test_the_sentence_comes_right_after_the_verdict() -> None:
    assert decision_markdown(_decision()).splitlines()[:3] == [
        "# toy 2013-03-04: passed",
        "",
        "Passed: it is better.",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "| comparison.roc_auc | 0.7123 | – | -0.0300 | -0.0100 to 0.0200 | not comparable | it is so |",
        "| logistic | 0.7000 | 1.2 |",
        "| forest | – | 2.0 |",
        "| judged on | 2013-03-04 to 2013-03-04, 1 partition, 10 rows |",
        "| champion | none yet |",
        "| trigger | schedule |",
        "| model | not stored |",
    ],
)
def test_the_report_has_the_line(line: str) -> None:
    assert line in decision_markdown(_decision()).splitlines()


def test_every_line_of_a_table_has_the_same_number_of_cells() -> None:
    tables = decision_markdown(_asked(reason=HOSTILE)).replace("\\|", "").split("\n\n")
    widths = [{line.count("|") for line in table.splitlines()} for table in tables if table.startswith("|")]

    assert [len(width) for width in widths] == [1, 1, 1]


def test_text_of_users_and_data_is_escaped() -> None:
    report = decision_markdown(_asked(reason=HOSTILE, requested_by="<b>me</b>"))

    assert "<" not in report
    assert "\\[click\\](javascript:x)" in report
    assert "\n# title" not in report


def test_long_text_is_cut() -> None:
    assert len(decision_markdown(_asked(reason="x" * 100_000))) < 4000


def test_a_dry_run_says_so() -> None:
    assert "Dry run: nothing was registered." in decision_markdown(_asked(dry_run=True))
    assert "Dry run" not in decision_markdown(_decision())
