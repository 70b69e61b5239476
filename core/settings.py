import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import UnsafeSettings

_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::\d{1,5})?")


class Environment(Enum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """What a deployment may choose; read from ``ECARD_…`` variables once, at the top. Secrets hide in repr."""

    model_config = SettingsConfigDict(env_prefix="ECARD_", extra="forbid", frozen=True, hide_input_in_errors=True)

    environment: Environment = Environment.DEVELOPMENT
    home: Path = Path("var")
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    issuer: str = "http://127.0.0.1:8460"
    """The service's own address as others see it: issuer of tokens, audience of proofs."""
    region: Annotated[str, Field(pattern=r"^\d{6}$")] = "990100"
    """GB/T 2260 code of the issuing city; the default exists nowhere."""
    listen_host: str = "127.0.0.1"
    listen_port: Annotated[int, Field(ge=0, le=65535)] = 8460
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    threads: Annotated[int, Field(ge=1, le=64)] = 2

    keystore_secret: SecretStr | None = None
    keystore_path: Path | None = None
    sm2_provider: str = "openssl"
    card_hsm: str | None = None
    """host:port of the card HSM."""
    card_hsm_link_key: SecretStr | None = None

    code_life_seconds: Annotated[int, Field(ge=5, le=300, multiple_of=5)] = 60
    address_requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1200
    phone_requests_per_minute: Annotated[int, Field(ge=1, le=6000)] = 120
    codes_per_minute: Annotated[int, Field(ge=1, le=600)] = 20
    client_requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 6000
    client_failures_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    holder_tokens_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    holder_grants_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    device_authorizations_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    examinations_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    terminals_per_institution_day: Annotated[int, Field(ge=1, le=10_000)] = 100
    terminal_requests_per_minute: Annotated[int, Field(ge=1, le=60000)] = 3000
    enrollment_seconds: Annotated[int, Field(ge=30, le=600)] = 120
    enrollments_per_terminal_day: Annotated[int, Field(ge=1)] = 500
    enrollments_per_card_day: Annotated[int, Field(ge=1)] = 5
    pin_failures_per_terminal_day: Annotated[int, Field(ge=1)] = 20
    round_trip_ceiling_ms: Annotated[int, Field(ge=1)] = 1000
    max_devices: Annotated[int, Field(ge=1, le=5)] = 1
    logins_per_holder_hour: Annotated[int, Field(ge=1, le=1000)] = 20
    wrong_login_codes_per_phone_hour: Annotated[int, Field(ge=1, le=1000)] = 20
    wrong_login_codes_per_address_hour: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    delivery_threads: Annotated[int, Field(ge=1, le=16)] = 4
    issuance_threads: Annotated[int, Field(ge=1, le=16)] = 2
    delivery_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (443,)
    visit_minutes: Annotated[int, Field(ge=1, le=240)] = 30
    offline_upload_days: Annotated[int, Field(ge=1, le=30)] = 7
    token_seconds: Annotated[int, Field(ge=60, le=600)] = 300
    token_algorithm: Literal["ES256", "SGD_SM3_SM2"] = "ES256"  # noqa: S105 - the name of an algorithm
    """What signs the tokens of clients and phones; SGD_SM3_SM2 where SM algorithms alone are used (GB/T 39786)."""
    trusted_proxy: str | None = None
    """Address of the one proxy whose headers ClientCert (of the form of RFC 9440) and ClientAddress are believed."""
    body_limit: Annotated[int, Field(ge=1024)] = 1024 * 1024
    log_json: bool = True

    @field_validator("issuer")
    @classmethod
    def _issuer_is_an_origin(cls, value: str) -> str:
        if not _ORIGIN.fullmatch(value):
            raise ValueError("issuer must be http(s)://host[:port], in small letters and without a path")
        return value

    @model_validator(mode="after")
    def _production_is_strict(self) -> "Settings":
        if self.environment is Environment.PRODUCTION:
            require_production_settings(self)
        return self

    @property
    def database(self) -> str:
        """Where the data lives; without a setting, one SQLite file below ``home``."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.home / 'ecard.sqlite3').resolve()}"

    @property
    def keystore(self) -> Path:
        return self.keystore_path or self.home / "keys"


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """List ``ECARD_…`` variables that mean nothing: a misspelt setting must not pass for a set one."""
    known = {f"ECARD_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith("ECARD_") and name not in known)


def require_known_environment() -> None:
    """Refuse to start with a misspelt ``ECARD_…`` variable; raises ``UnsafeSettings``."""
    unknown = unknown_names(os.environ)
    if unknown:
        raise UnsafeSettings(f"no such setting: {', '.join(unknown)}")


def require_production_settings(settings: Settings) -> None:
    """Refuse to start a city on a developer's settings (trust.md, figure 36)."""
    lacking = [
        text
        for text, fine in (
            ("ECARD_DATABASE_URL must name a PostgreSQL database", settings.database.startswith("postgresql")),
            ("ECARD_ISSUER must be https", settings.issuer.startswith("https://")),
            ("ECARD_KEYSTORE_SECRET must be set", settings.keystore_secret is not None),
            ("ECARD_CARD_HSM must be set", settings.card_hsm is not None),
            ("ECARD_CARD_HSM_LINK_KEY must be set", settings.card_hsm_link_key is not None),
            ("ECARD_REGION must be a real region", not settings.region.startswith("99")),
            ("ECARD_SM2_PROVIDER must be openssl or sdf", settings.sm2_provider != "gmssl"),
        )
        if not fine
    ]
    if lacking:
        raise UnsafeSettings("; ".join(lacking))
