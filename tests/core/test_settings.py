from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import UnsafeSettings
from core.settings import Environment, Settings, require_known_environment, unknown_names

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql+psycopg://ecard:pg-pass-7@db.example/ecard",
    "issuer": "https://card.example",
    "keystore_secret": "keystore-pass-7",
    "card_hsm": "hsm.example:8461",
    "card_hsm_link_key": "link-pass-7",
    "region": "330200",
}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ECARD_{name.upper()}", raising=False)


def test_production_starts_with_everything_that_it_needs():
    assert Settings(**PRODUCTION).environment is Environment.PRODUCTION


@pytest.mark.parametrize(
    ("name", "unsafe", "told"),
    [
        ("database_url", None, "ECARD_DATABASE_URL"),
        ("database_url", "sqlite:///card.sqlite3", "ECARD_DATABASE_URL"),
        ("issuer", "http://card.example", "ECARD_ISSUER"),
        ("keystore_secret", None, "ECARD_KEYSTORE_SECRET"),
        ("card_hsm", None, "ECARD_CARD_HSM"),
        ("card_hsm_link_key", None, "ECARD_CARD_HSM_LINK_KEY"),
        ("region", "990100", "ECARD_REGION"),
        ("sm2_provider", "gmssl", "ECARD_SM2_PROVIDER"),
    ],
)
def test_production_refuses_each_setting_of_a_developer(name, unsafe, told):
    with pytest.raises(UnsafeSettings) as refused:
        Settings(**PRODUCTION | {name: unsafe})
    assert told in str(refused.value)


def test_production_names_everything_that_is_unsafe_at_once():
    with pytest.raises(UnsafeSettings) as refused:
        Settings(environment="production")
    for told in ("ECARD_DATABASE_URL", "ECARD_ISSUER", "ECARD_KEYSTORE_SECRET", "ECARD_CARD_HSM", "ECARD_REGION"):
        assert told in str(refused.value)


def test_secrets_never_stand_in_repr_or_str():
    settings = Settings(**PRODUCTION, redis_url="redis://:redis-pass-7@cache.example/0")
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "pass-7" not in shown


def test_a_refused_setting_is_named_without_its_value():
    for wrong in ({"databse_url": "postgresql://u:typo-pass@h/d"}, {"region": "typo-pass"}, {"workers": "typo-pass"}):
        with pytest.raises(ValidationError) as refused:
            Settings(**wrong)
        assert "typo-pass" not in str(refused.value) + repr(refused.value)


def test_the_unsafe_settings_of_production_are_told_without_their_values():
    with pytest.raises(UnsafeSettings) as refused:
        Settings(**PRODUCTION | {"database_url": "mysql://u:wrong-pass@h/d"})
    assert "wrong-pass" not in str(refused.value)


@pytest.mark.parametrize(
    "issuer",
    [
        "ftp://card.example",
        "https://card.example/",
        "https://card.example/path",
        "https://card.example?x=1",
        "https://user:pass@card.example",
        "https://Card.example",
        "https://",
        "https://card.example:port",
        "https://card.example\n",
        "",
    ],
)
def test_the_issuer_is_an_origin_and_nothing_more(issuer):
    with pytest.raises(ValidationError):
        Settings(issuer=issuer)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8460", "https://card.example", "http://[::1]:8460"])
def test_an_origin_may_have_a_port_and_any_kind_of_host(issuer):
    assert Settings(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    ("name", "just_outside"),
    [
        ("code_life_seconds", 4),
        ("code_life_seconds", 305),
        ("code_life_seconds", 61),
        ("token_seconds", 59),
        ("token_seconds", 601),
        ("workers", 0),
        ("max_devices", 6),
        ("body_limit", 1023),
        ("region", "99010"),
        ("region", "9901000"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name, just_outside):
    with pytest.raises(ValidationError):
        Settings(**{name: just_outside})


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ECARD_WORKERS", "3")
    monkeypatch.setenv("ECARD_KEYSTORE_SECRET", "from-outside")
    settings = Settings()
    assert settings.workers == 3
    assert settings.keystore_secret is not None
    assert settings.keystore_secret.get_secret_value() == "from-outside"


def test_a_misspelt_setting_does_not_pass_for_a_set_one(monkeypatch):
    assert unknown_names({"ECARD_WORKERS": "3", "PATH": "/bin", "ECARD_DATABSE_URL": "x"}) == ["ECARD_DATABSE_URL"]
    monkeypatch.setenv("ECARD_KEYSTORE_SECRT", "typo-pass")
    with pytest.raises(UnsafeSettings, match="ECARD_KEYSTORE_SECRT") as refused:
        require_known_environment()
    assert "typo-pass" not in str(refused.value)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError):
        Settings().workers = 9  # type: ignore[misc]


def test_without_a_setting_data_and_keys_lie_below_home(tmp_path: Path):
    settings = Settings(home=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path.resolve()}/ecard.sqlite3"
    assert settings.keystore == tmp_path / "keys"
