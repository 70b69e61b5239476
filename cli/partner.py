"""Who a partner's developer is to the service: app, certificate and key, from options or from the environment."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

from cli import Failed, NotAvailable
from cli.key_store_options import FILE, read_file
from core.clock import Clock
from sm.der import import_pkcs8, read_pem
from sm.providers import open_provider
from sm.signed_request import sign_request
from sm.sm2 import Signer

Command = TypeVar("Command", bound=Callable[..., Any])

_MAX_KEY_FILE = 4096
_TIMEOUT_SECONDS = 30
ADDRESS = click.option(
    "--address",
    envvar="PARTNER_ADDRESS",
    default="http://127.0.0.1:8460",
    show_default=True,
    show_envvar=True,
    help="The service's.",
)


def by_partner(command: Command) -> Command:
    """Give a command the options by which a partner signs."""
    for option in (
        click.option(
            "--key",
            type=FILE,
            envvar="PARTNER_KEY",
            show_envvar=True,
            required=True,
            help="Your private key, PEM (`ecard keys new`).",
        ),
        click.option("--serial", envvar="PARTNER_SERIAL", show_envvar=True, required=True, help="Of your certificate."),
        click.option("--app-id", envvar="PARTNER_APP_ID", show_envvar=True, required=True, help="chn_..."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class PartnerIdentity:
    """A channel with one of its keys."""

    app_id: str
    serial: str
    signer: Signer

    def sign(self, method: str, target: str, body: bytes, *, at: int, nonce: str | None = None) -> str:
        """Make the Authorization header of one request."""
        return sign_request(
            self.signer,
            app_id=self.app_id,
            serial_no=self.serial,
            method=method,
            target=target,
            body=body,
            timestamp=at,
            nonce=nonce or secrets.token_hex(16),
        )


def read_identity(app_id: str, serial: str, key: Path) -> PartnerIdentity:
    """Open the private key; raises ``SmError`` for a file that holds none."""
    private_key = import_pkcs8(read_pem("PRIVATE KEY", read_file(key, _MAX_KEY_FILE).decode("ascii", "replace")))
    return PartnerIdentity(app_id, serial, open_provider("openssl").signer(private_key))


@contextmanager
def opened_http(address: str) -> Iterator[httpx.Client]:
    """Open the way to the service; a service that does not answer ends the command in one line."""
    try:
        with httpx.Client(base_url=address, timeout=_TIMEOUT_SECONDS, trust_env=False) as http:
            yield http
    except httpx.UnsupportedProtocol as error:
        raise Failed(f"{address} has to begin with http:// or https:// · 须以 http:// 或 https:// 开头") from error
    except httpx.TransportError as error:
        raise NotAvailable(f"{address} does not answer · 服务无响应: {type(error).__name__}") from error


def send_signed(
    http: httpx.Client, partner: PartnerIdentity, method: str, target: str, body: bytes, clock: Clock
) -> httpx.Response:
    """Send a request as the partner; raises Failed with what the service said, in both languages where it can."""
    headers = {"Authorization": partner.sign(method, target, body, at=int(clock().timestamp()))}
    if body:
        headers["Content-Type"] = "application/json"
    answer = http.request(method, target, content=body, headers=headers)
    if not answer.is_success:
        raise Failed(refused(answer))
    return answer


def refused(answer: httpx.Response) -> str:
    """Write a refusal in one line: status, code, what to do, and the request's id to ask about it."""
    try:
        given = answer.json()
    except ValueError:
        given = {}
    said = " ".join(str(given[name]) for name in ("code", "title", "next_step", "detail") if given.get(name))
    return f"{answer.status_code} {said} ({answer.headers.get('X-Request-Id', 'no request id')})"
