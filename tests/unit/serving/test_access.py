"""Who may ask: a token where there is one, loopback's own names where there is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from include.perennial.errors import BadInput
from include.perennial.serving.options import ServeOptions
from tests.closed_loop import Loop
from tests.model_server import ModelServer, model_server, rows_of, until
from tests.training_runs import toy_frame

TOKEN, OTHER = "t" * 40, "o" * 40


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_all_but_health_wants_one_of_the_tokens(loop: Loop) -> None:
    body = {"rows": rows_of(toy_frame(6).head(1))}
    with model_server(loop.settings, tokens=(TOKEN, OTHER)) as server:
        until(lambda: server.get("/ready").status_code == 200, "it is ready")

        assert server.get("/health").status_code == 200
        for path in ("/v1/models", "/metrics", "/v1/openapi.json", "/unknown"):
            assert server.get(path).status_code == 401
        for headers in ({}, bearer(TOKEN[:-1]), bearer("ü"), {"Authorization": f"Basic {TOKEN}"}):
            refused = server.post(body, headers={k: v.encode() for k, v in headers.items()})
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        for token in (TOKEN, OTHER):
            assert server.post(body, headers=bearer(token)).status_code == 200
            assert server.get("/metrics", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_without_a_token_other_names_of_this_machine_are_refused(host: str, steady: ModelServer) -> None:
    assert steady.get("/v1/models", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:1", "[::1]:8500"])
def test_loopbacks_own_names_are_not(host: str, steady: ModelServer) -> None:
    assert steady.get("/v1/models", headers={"Host": host}).status_code == 200


def options(**env: str) -> ServeOptions:
    return ServeOptions.from_env({f"PERENNIAL_SERVE_{name}": value for name, value in env.items()})


def test_by_default_it_listens_on_loopback_without_a_canary() -> None:
    chosen = ServeOptions.from_env({})

    assert (chosen.host, chosen.canary_pct, chosen.tokens) == ("127.0.0.1", 0.0, ())
    assert chosen == ServeOptions()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "serve.example", ""])
def test_beyond_loopback_it_wants_a_token(host: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="without a token"):
        options(HOST=host)

    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n{OTHER}\n")
    assert options(HOST=host, TOKEN_FILE=str(file)).tokens == (TOKEN, OTHER)


@pytest.mark.parametrize("text", ["", "short", f"{TOKEN}\nshort", "ü" * 40], ids=["empty", "short", "one short", "ü"])
def test_weak_tokens_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)

    with pytest.raises(BadInput, match="TOKEN_FILE"):
        options(TOKEN_FILE=str(file))
    with pytest.raises(BadInput, match="cannot be read"):
        options(TOKEN_FILE=str(tmp_path / "none"))


BAD: Mapping[str, str] = {"PORT": "65536", "CANARY_PCT": "nan", "MAX_ROWS": "0", "POLL_S": "soon", "THREADS": "1.5"}


@pytest.mark.parametrize("name", BAD)
def test_numbers_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"PERENNIAL_SERVE_{name} is '{BAD[name]}': expected a"):
        options(**{name: BAD[name]})
