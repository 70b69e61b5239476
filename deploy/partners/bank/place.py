"""The bank's folder: its keys, its database, and what the card centre has told it (``partner.json``)."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ENVIRONMENTS = ("development", "sandbox")
"""This bank has no other: everybody in it is made up."""
_MEMBERS = ("environment", "issuer", "channel", "serial", "client", "kid")


class NotReady(Exception):
    """The bank cannot start like this; the text says what is missing, and never a secret."""


@dataclass(frozen=True, slots=True)
class Partner:
    """What the card centre told the bank.

    Attributes:
        environment: development or sandbox.
        issuer: the card service's address, as it calls itself.
        channel: the bank's channel (chn_...).
        serial: of the certificate for the bank's SM2 key.
        client: the bank's OAuth client (cli_...).
        kid: under which the client's ES256 key is registered.
    """

    environment: str
    issuer: str
    channel: str
    serial: str
    client: str
    kid: str

    @property
    def issuer_host(self) -> str:
        """The name under which the card service signs its own requests."""
        return urlsplit(self.issuer).hostname or ""


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything lies; made with 0700, files with 0600."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "bank.sqlite3"

    @property
    def customers(self) -> Path:
        return self.folder / "customers.json"

    @property
    def ministry(self) -> Path:
        return self.folder / "ministry.pem"

    @property
    def partner(self) -> Path:
        return self.folder / "partner.json"

    def statement(self, day: str) -> Path:
        """Tell where the card service's file of a day is kept; its signature stands beside it."""
        return self.folder / "statements" / f"{day}.csv"

    def key(self, name: str) -> Path:
        return self.folder / "keys" / name

    def write(self, file: Path, content: bytes) -> None:
        """Write a file that nobody else may read, whole or not at all."""
        for folder in (self.folder, file.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        unfinished.replace(file)


def read_partner(home: Home, environment: Mapping[str, str]) -> Partner:
    """Read ``partner.json``; raises ``NotReady``, also wherever something speaks of production."""
    try:
        given: Any = json.loads(home.partner.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.partner} is missing or no JSON: the card centre's answer belongs there") from error
    if not isinstance(given, dict) or given.keys() != set(_MEMBERS):
        raise NotReady(f"{home.partner} has the members {', '.join(_MEMBERS)}")
    if not all(isinstance(value, str) and value for value in given.values()):
        raise NotReady(f"{home.partner}: every member is a text")
    partner = Partner(**given)
    _require_no_production(partner, environment)
    return partner


def _require_no_production(partner: Partner, environment: Mapping[str, str]) -> None:
    named = {partner.environment, environment.get("BANK_ENVIRONMENT", partner.environment)}
    named.add(environment.get("ECARD_ENVIRONMENT", partner.environment))
    if not named <= set(ENVIRONMENTS):
        raise NotReady("this bank is a demonstration: it does not run in production")
    parts = urlsplit(partner.issuer)
    if partner.environment == "development" and not _is_this_machine(parts.hostname or ""):
        raise NotReady("keys and customers of a development environment are for a card service on this machine")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname or "")):
        raise NotReady(f"{partner.issuer} is not https")


def _is_this_machine(host: str) -> bool:
    """Tell this machine, and names that stand for nobody (RFC 2606)."""
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".example")


def process_environment() -> Mapping[str, str]:
    """Give the environment of this process: the one place that reads it."""
    return os.environ
