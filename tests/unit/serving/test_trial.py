"""A new champion is tried on the example that is stored with it, by the columns of today."""

from tests.closed_loop import Loop
from tests.model_server import ModelServer, model_server, rows_of, until
from tests.training_runs import toy_frame


def declare(loop: Loop, old: str, new: str) -> None:
    """Other columns in pipeline.yaml from now on."""
    path = loop.settings.pipelines / "toy" / "pipeline.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_model_that_needs_a_column_that_is_gone_does_not_serve(loop: Loop) -> None:
    declare(loop, "    signal: float\n", "")

    with model_server(loop.settings) as server:
        until(server.problems, "the problem is said")

        [problem] = server.problems()
        assert "KeyError: 'signal'" in problem
        assert problem.endswith("Serve the pipeline folder that it was trained with.")
        assert server.champion() is None


def test_a_column_that_was_declared_later_does_not_matter(loop: Loop) -> None:
    declare(loop, "    signal: float\n", "    signal: float\n    day: date\n    late: boolean\n")

    with model_server(loop.settings) as server:
        until(lambda: server.champion() == "3", "version 3 serves")

        rows = [row | {"day": "2013-02-18", "late": None} for row in rows_of(toy_frame(6).head(3))]
        assert server.post({"rows": rows}).status_code == 200
        assert bad_column(server, rows[0] | {"day": "2013-02-18T00:00:00"}) == "day"
        assert bad_column(server, rows[0] | {"late": 1}) == "late"


def bad_column(server: ModelServer, row: dict[str, object]) -> str:
    answer = server.post({"rows": [row]})
    assert answer.status_code == 422
    return str(answer.json()["problems"][0]["column"])
