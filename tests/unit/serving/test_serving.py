"""What a client of the model server gets, while the ledger changes and stores go down."""

import numpy as np

from include.perennial.models.behaviour import positive_probability
from tests.closed_loop import Loop
from tests.model_server import ModelServer, rows_of
from tests.training_runs import toy_frame


def test_it_answers_what_the_champion_predicts(steady: ModelServer, closed: Loop) -> None:
    frame = toy_frame(6).head(50)
    model = closed.cache.load(closed.ledger.champion("toy").model)

    answer = steady.post({"rows": rows_of(frame)})

    assert answer.status_code == 200
    assert answer.json()["pipeline"] == "toy"
    found = answer.json()["predictions"]
    expected = positive_probability(model, frame.drop(columns="label"))
    assert np.array_equal([one["p"] for one in found], expected)
    assert [one["class"] for one in found] == (expected >= 0.5).astype(int).tolist()
    assert {one["model_version"] for one in found} == {"3"}
