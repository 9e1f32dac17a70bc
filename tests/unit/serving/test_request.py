"""Malformed and hostile requests: each is refused with what is wrong and what is allowed; the next one is served."""

import http.client
import json
import socket
from typing import Any

import pytest

from tests.model_server import ModelServer, rows_of
from tests.training_runs import toy_frame

ROW = rows_of(toy_frame(6).head(1))[0]
JSON = {"Content-Type": "application/json"}


def row(**changes: Any) -> dict[str, Any]:
    return {"rows": [ROW | changes]}


def without(name: str) -> dict[str, Any]:
    return {"rows": [{key: value for key, value in ROW.items() if key != name}]}


def raw(column: str, text: str) -> bytes:
    """A row whose ``column`` is ``text`` as it stands, JSON or not."""
    return json.dumps(row(**{column: "HERE"})).replace('"HERE"', text).encode()


# id: (body, (row, column), part of got, part of allowed)
BAD_ROWS: dict[str, tuple[Any, tuple[int | None, str | None], str, str]] = {
    "a missing column": (without("signal"), (1, "signal"), "nothing", "float: a finite number, like 4.2, or null"),
    "a missing key": (without("id"), (1, "id"), "nothing", "string: text"),
    "a null key": (row(id=None), (1, "id"), "None", "string: text"),
    "a null time": (row(at=None), (1, "at"), "None", "timestamp: a moment"),
    "text for a number": (row(signal="1.5"), (1, "signal"), "'1.5'", "float"),
    "a number for text": (row(group=3), (1, "group"), "3", "string"),
    "a fraction for a whole number": (row(noise=1.5), (1, "noise"), "1.5", "integer"),
    "true for a whole number": (row(noise=True), (1, "noise"), "True", "integer"),
    "65 bits": (row(noise=2**63), (1, "noise"), "9223372036854775808", "64 bits"),
    "a number that no float holds": (raw("signal", "1" * 400), (1, "signal"), "1111", "finite"),
    "a number that becomes infinite": (raw("signal", "1e999"), (1, "signal"), "inf", "finite"),
    "a list for a value": (row(signal=[1]), (1, "signal"), "a list", "float"),
    "an object for text": (row(group={"$ne": ""}), (1, "group"), "an object", "string"),
    "no moment": (row(at="yesterday"), (1, "at"), "'yesterday'", "ISO 8601"),
    "a moment that is none": (row(at="2013-02-30T00:00:00Z"), (1, "at"), "2013-02-30", "ISO 8601"),
    "a moment before 1900": (row(at="1899-01-01T00:00:00Z"), (1, "at"), "1899", "from 1900 to 2199"),
    "seconds since 1970": (row(at=1370268000), (1, "at"), "1370268000", "ISO 8601"),
    "half a character": (raw("group", '"\\ud800"'), (1, "group"), "ud800", "text"),
    "an unknown column": (row(signall=1.0), (1, "'signall'"), "unknown column (did you mean 'signal'?)", "columns of"),
    "the target": (row(label=1), (1, "'label'"), "the target", "known before"),
    "a hostile name": (row(**{"<script>\n": 1}), (1, "'<script>\\n'"), "an unknown column", "columns of"),
    "the second row": ({"rows": [ROW, ROW | {"noise": "x"}]}, (2, "noise"), "'x'", "integer"),
    "a row that is a list": ({"rows": [[1, 2]]}, (1, None), "a list", "an object"),
    "no rows": ({"rows": []}, (None, None), "0 rows", "1 to 50 rows"),
    "too many rows": ({"rows": [ROW] * 51}, (None, None), "51 rows", "1 to 50 rows"),
    "rows as an object": ({"rows": {"0": ROW}}, (None, None), "an object with the name 'rows'", '{"rows": ['),
    "another name": ({"instances": [ROW]}, (None, None), "'instances'", '{"rows": ['),
    "more names": ({"rows": [ROW], "debug": True}, (None, None), "'debug'", '{"rows": ['),
    "a list": ([ROW], (None, None), "a list", '{"rows": ['),
    "a number": (7, (None, None), "a number", '{"rows": ['),
    "null": (None, (None, None), "null", '{"rows": ['),
}


@pytest.mark.parametrize("case", BAD_ROWS.values(), ids=BAD_ROWS)
def test_rows_that_are_not_as_declared(
    case: tuple[Any, tuple[int | None, str | None], str, str], steady: ModelServer
) -> None:
    body, place, got, allowed = case

    answer = steady.post(body)

    assert answer.status_code == 422
    first = answer.json()["problems"][0]
    assert (first["row"], first["column"]) == place
    assert got in first["got"]
    assert allowed in first["allowed"]
    assert first["got"] in answer.json()["error"]
    assert steady.post(row()).status_code == 200


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"rows=1",
    "half of it": json.dumps(row()).encode()[:-3],
    "more after it": json.dumps(row()).encode() + b"{}",
    "not UTF-8": raw("group", '"a"').replace(b'"a"', b'"\xff"'),
    "UTF-16": json.dumps(row()).encode("utf-16"),
    "NaN": raw("signal", "NaN"),
    "Infinity": raw("signal", "-Infinity"),
    "a name twice": raw("signal", '1, "signal": 2'),
    "nested too deeply": b'{"rows":' + b"[" * 9000,
    "a number of 5000 digits": raw("noise", "9" * 5000),
    "a pickle": b"\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*\xca/",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bodies_that_are_not_json(body: bytes, steady: ModelServer) -> None:
    answer = steady.post(body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The body is not JSON")
    assert len(answer.json()["error"]) < 400
    assert steady.post(row()).status_code == 200


def test_another_content_type_is_refused(steady: ModelServer) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert steady.post(row(), headers={"Content-Type": kind}).status_code == 415
    assert steady.post(row(), headers={"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(steady: ModelServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", steady.port, timeout=30)
    connection.putrequest("POST", "/v1/predict/toy")
    for name, value in (JSON | {"Content-Length": str(1 << 40)}).items():
        connection.putheader(name, value)
    connection.endheaders()

    answer = connection.getresponse()

    assert answer.status == 413
    assert "larger than 20,000 bytes" in json.loads(answer.read())["error"]
    connection.close()


def test_a_body_that_does_not_say_so_is_read_as_far_as_allowed(steady: ModelServer) -> None:
    head = b"POST /v1/predict/toy HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", steady.port), timeout=30) as endless:
        endless.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 21)

        assert endless.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_not_waited_for(steady: ModelServer) -> None:
    head = (
        b"POST /v1/predict/toy HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    )
    with socket.create_connection(("127.0.0.1", steady.port), timeout=30) as slow:
        slow.sendall(head + b'\r\n{"rows":')

        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_at_most_twenty_problems_are_listed(steady: ModelServer) -> None:
    answer = steady.post({"rows": [{"x": 1}] * 50})

    assert len(answer.json()["problems"]) == 20
    names = {f"column {n}": 1 for n in range(1000)}
    assert len(steady.post(row(**names)).json()["problems"]) == 20


def test_nulls_are_missing_values_and_whole_numbers_are_floats(steady: ModelServer) -> None:
    frame = toy_frame(6).head(1)
    frame["noise"] = None

    [missing] = steady.post(row(noise=None)).json()["predictions"]
    [zero] = steady.post(row(noise=0)).json()["predictions"]
    [whole] = steady.post(row(signal=1)).json()["predictions"]
    [point] = steady.post(row(signal=1.0)).json()["predictions"]

    assert missing == zero  # as the features of `toy` fill them
    assert whole == point


def test_one_moment_can_be_written_in_many_ways(steady: ModelServer) -> None:
    for moment in ("2013-02-18T04:00:00Z", "2013-02-18 04:00", "2013-02-18T05:00:00.000000001+01:00"):
        assert steady.post(row(at=moment)).status_code == 200


def test_paths_and_methods_that_do_not_exist(steady: ModelServer) -> None:
    assert steady.post(row(), pipeline="other").status_code == 404
    assert steady.post(row(), pipeline="../../metrics").status_code in (404, 405)
    assert steady.get("/v1/predict/toy").status_code == 405
    assert steady.get("/docs").status_code == 404


def test_the_openapi_document_has_the_columns_and_not_the_target(steady: ModelServer) -> None:
    document = steady.get("/v1/openapi.json").json()

    [content] = document["paths"]["/v1/predict/toy"]["post"]["requestBody"]["content"].values()
    one = content["schema"]["properties"]["rows"]["items"]
    assert list(one["properties"]) == ["at", "id", "group", "signal", "noise"]
    assert one["required"] == list(one["properties"])
    assert one["additionalProperties"] is False


def test_refusals_are_counted(steady: ModelServer) -> None:
    before = steady.metric("perennial_serve_requests_total", pipeline="toy", status="422")

    steady.post(row(noise="x"))

    assert steady.metric("perennial_serve_requests_total", pipeline="toy", status="422") == before + 1
    assert steady.metric("perennial_serve_request_seconds_count", pipeline="toy") > 0
