"""Where the outside systems are: everything below one home, unless the environment says otherwise."""

from pathlib import Path

import pytest

from include.perennial.settings import PROJECT_ROOT, S3Access, Settings


def test_the_project_root_holds_the_project() -> None:
    assert (PROJECT_ROOT / "include" / "perennial" / "settings.py").is_file()


def test_without_any_variable_all_state_is_in_one_ignored_folder() -> None:
    settings = Settings.from_env({})

    home = PROJECT_ROOT / ".state"
    assert settings.home == home
    places = [
        settings.store_url,
        settings.ledger_url,
        settings.tracking_uri,
        settings.data_registry,
        settings.dvc_remote,
    ]
    assert [str(home) in place for place in places] == [True] * 5
    assert settings.pipelines == PROJECT_ROOT / "include" / "pipelines"
    assert "/.state/" in (PROJECT_ROOT / ".gitignore").read_text().splitlines()


def test_moving_home_moves_every_default(tmp_path: Path) -> None:
    settings = Settings.from_env({"PERENNIAL_HOME": str(tmp_path)})

    assert settings.store_url == str(tmp_path / "store")
    assert settings.ledger_url == f"sqlite:///{tmp_path / 'ledger.db'}"
    assert settings.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.mark.parametrize(
    ("variable", "attribute", "value"),
    [
        ("PERENNIAL_STORE", "store_url", "s3://bucket/prefix"),
        ("PERENNIAL_LEDGER", "ledger_url", "postgresql://host/ledger"),
        ("MLFLOW_TRACKING_URI", "tracking_uri", "http://127.0.0.1:5000"),
        ("PERENNIAL_DATA_REGISTRY", "data_registry", "/srv/registry.git"),
        ("PERENNIAL_DVC_REMOTE", "dvc_remote", "s3://bucket/dvc"),
    ],
)
def test_each_address_has_its_variable(variable: str, attribute: str, value: str) -> None:
    assert getattr(Settings.from_env({variable: value}), attribute) == value


def test_s3_credentials_come_from_the_usual_variables() -> None:
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word"}

    assert Settings.from_env(environ).s3 == S3Access("http://127.0.0.1:9000", "key", "word")
    assert Settings.from_env({}).s3 == S3Access()


def test_a_secret_never_shows_in_a_log() -> None:
    settings = Settings.from_env({"AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"})

    for text in (repr(settings), str(settings), f"{settings.s3}"):
        assert "the-key" not in text
        assert "the-secret" not in text


def test_the_process_s_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_STORE", "s3://from-the-environment")

    assert Settings.from_env().store_url == "s3://from-the-environment"
