"""What is asked of Great Expectations, and what its answers are taken for."""

import logging
import socket
import tempfile
from pathlib import Path
from types import ModuleType

import great_expectations.expectations as gxe
import pandas as pd
import pytest
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from include.perennial.quality.suite import Group, Suite, SuiteReport

FRAME = pd.DataFrame({"a": range(50), "b": [*range(49), -1], "c": ["x"] * 48 + ["y", None], "d": 0})


def suite_of(batch: list[Expectation], rows: list[Expectation]) -> Suite:
    module = ModuleType("expectations")
    module.BATCH, module.ROWS = batch, rows
    return Suite.load(module)


def run(batch: list[Expectation], rows: list[Expectation], frame: pd.DataFrame = FRAME) -> SuiteReport:
    return suite_of(batch, rows).run(frame)


@pytest.mark.parametrize(
    ("expectation", "label", "bad"),
    [
        (gxe.ExpectColumnValuesToBeBetween(column="a", max_value=9), "(a)", list(range(10, 50))),
        (gxe.ExpectColumnValuesToNotBeNull(column="c"), "(c)", [49]),
        (gxe.ExpectColumnValuesToBeInSet(column="c", value_set=["x"]), "(c)", [48]),
        (gxe.ExpectColumnPairValuesToBeEqual(column_A="a", column_B="b"), "(a, b)", [49]),
        (gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="b", column_B="a", or_equal=True), "(b, a)", [49]),
        (gxe.ExpectSelectColumnValuesToBeUniqueWithinRecord(column_list=["a", "b"]), "(a, b)", list(range(49))),
        (gxe.ExpectCompoundColumnsToBeUnique(column_list=["c", "d"]), "(c, d)", list(range(48))),
    ],
    ids=lambda value: getattr(value, "expectation_type", None),
)
def test_rows_that_fail_are_found_by_position(expectation: Expectation, label: str, bad: list[int]) -> None:
    report = run([], [expectation])
    assert {key: rows.tolist() for key, rows in report.bad_rows.items()} == {expectation.expectation_type + label: bad}
    assert report.fatal == []


def test_findings_stand_in_the_order_of_the_lists_whatever_gx_returns() -> None:
    rows = [gxe.ExpectColumnValuesToBeBetween(column=c, min_value=0) for c in ("b", "a", "b", "a")]
    batch = [gxe.ExpectColumnMaxToBeBetween(column="a", max_value=m) for m in (60, 40)]

    report = run(batch, rows)

    assert [(finding.label.removeprefix("expect_column_"), finding.success) for finding in report.findings] == [
        ("max_to_be_between(a)", True),
        ("max_to_be_between(a)#2", False),
        ("values_to_be_between(b)", False),
        ("values_to_be_between(a)", True),
        ("values_to_be_between(b)#2", False),
        ("values_to_be_between(a)#2", True),
    ]
    assert [finding.group for finding in report.findings] == [Group.BATCH] * 2 + [Group.ROWS] * 4
    assert [finding.label for finding in report.fatal] == ["expect_column_max_to_be_between(a)#2"]


def test_mostly_leaves_a_tolerated_share_in_place() -> None:
    tolerant = gxe.ExpectColumnValuesToNotBeNull(column="c", mostly=0.9)
    strict = gxe.ExpectColumnValuesToNotBeNull(column="c", mostly=0.99)
    assert run([], [tolerant]).bad_rows == {}
    assert run([], [strict]).bad_rows["expect_column_values_to_not_be_null(c)"].tolist() == [49]


@pytest.mark.parametrize(
    "broken",
    [
        gxe.ExpectColumnMeanToBeBetween(column="nope", min_value=0),
        gxe.ExpectColumnMeanToBeBetween(column="c", min_value=0),
        gxe.ExpectColumnValuesToBeBetween(column="c", min_value=0),
        gxe.ExpectColumnValuesToMatchRegex(column="c", regex="("),
    ],
    ids=["no column", "mean of text", "order of text and numbers", "no regex"],
)
def test_an_expectation_that_crashes_is_told_from_one_that_fails(broken: Expectation) -> None:
    good = gxe.ExpectColumnMaxToBeBetween(column="a", max_value=60)

    report = run([broken, good], [])

    assert [finding.error is not None for finding in report.findings] == [True, False]
    assert [finding.is_fatal for finding in report.findings] == [True, False]
    assert "Traceback" not in str(report.findings[0].error)


def test_a_row_expectation_that_crashes_is_fatal_and_sets_nothing_aside() -> None:
    report = run([], [gxe.ExpectColumnValuesToBeBetween(column="nope", min_value=0)])
    assert report.bad_rows == {}
    assert len(report.fatal) == 1


def test_a_severity_below_critical_is_not_fatal() -> None:
    for severity, fatal in (("info", 0), ("warning", 0), ("critical", 1)):
        expectation = gxe.ExpectColumnMaxToBeBetween(column="a", max_value=1, severity=severity)
        assert len(run([expectation], []).fatal) == fatal


def test_observed_and_expected_are_said_in_plain_values() -> None:
    batch = [
        gxe.ExpectColumnMeanToBeBetween(column="a", max_value=1),
        gxe.ExpectColumnValuesToBeBetween(column="a", max_value=46),
        gxe.ExpectColumnToExist(column="z"),
    ]
    findings = run(batch, []).findings
    assert [(finding.observed, finding.expected) for finding in findings] == [
        ("24.5", "max_value=1.0"),
        ("3 of 50 rows, such as 47, 48, 49", "max_value=46.0"),
        ("not so", "so in every case"),
    ]


def test_the_lists_may_be_used_again_and_keep_their_digest() -> None:
    suite = suite_of([gxe.ExpectColumnMaxToBeBetween(column="a", max_value=60)], [])
    before = suite.digest
    assert suite.run(FRAME) == suite.run(FRAME)
    assert suite_of([suite.expectations[0][2]], []).digest == before


def test_an_empty_suite_finds_nothing() -> None:
    assert run([], []) == SuiteReport(())


def test_a_run_is_silent_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def no_network(*_args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        run([gxe.ExpectColumnMaxToBeBetween(column="a", max_value=1)], [gxe.ExpectColumnValuesToNotBeNull(column="c")])

    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]
    assert [r.getMessage() for r in caplog.records] == []
    assert capfd.readouterr() == ("", "")


def test_without_a_column_only_expectations_that_need_it_are_left_out() -> None:
    kept = [
        gxe.ExpectColumnValuesToBeInSet(column="c", value_set=["a", "x", "y"]),
        gxe.ExpectColumnValuesToBeBetween(column="b", max_value=9, row_condition=Column("c") == "x"),
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
    ]
    left_out = [
        gxe.ExpectColumnMeanToBeBetween(column="a", max_value=9),
        gxe.ExpectColumnPairValuesToBeEqual(column_A="b", column_B="a"),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["c", "a"]),
        gxe.ExpectColumnValuesToNotBeNull(column="b", row_condition=(Column("a") == 1) & (Column("d") == 0)),
        gxe.ExpectTableColumnCountToEqual(value=4),
    ]
    suite = suite_of([*left_out, *kept], [])

    fewer = suite.without("a")

    assert [item for _, _, item in fewer.expectations] == kept
    assert fewer.digest == suite.digest
