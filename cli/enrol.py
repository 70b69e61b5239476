"""`ecard enrol`: make this machine a terminal of an institution, with the permission of its operator."""

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx

from cli import Failed, NotAvailable
from cli.terminal_software import Asked, NotEnrolled, TerminalSoftware
from qr.image import draw_terminal
from sm.der import export_pkcs8, import_pkcs8, read_pem, write_pem
from sm.errors import SmError
from sm.providers import open_provider
from sm.sm2 import Provider, Signer

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LABEL = "PRIVATE KEY"
_OTHERS_MAY = 0o077
_SECONDS = 10.0
_SAID = {
    "zh": "请经办人打开 {address}，输入代码 {code}，或用手机扫描：",
    "en": "The operator opens {address} and types {code}, or scans:",
}
_CARE = {
    "zh": "代码 {minutes} 分钟内有效，等待经办人允许……",
    "en": "The code is good for {minutes} minutes; waiting for the operator …",
}


@click.command()
@click.option("--issuer", required=True, metavar="https://…", help="The service's address.")
@click.option("--client", required=True, metavar="cli_...", help="Id of the software's registered client.")
@click.option(
    "--key",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the terminal's SM2 key; it is made where there is none.",
)
@click.option("--provider", envvar="ECARD_SM2_PROVIDER", default="openssl", show_default=True, help="Does SM2.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Certificates to trust for TLS.")
@click.option("--language", type=click.Choice(list(_SAID)), default="zh", show_default=True)
def enrol(issuer: str, client: str, key: Path, provider: str, ca_file: str | None, language: str) -> None:
    """Show a code for the operator, wait, register this terminal and print its id and its key's serial number."""
    address = _require_safe(issuer)
    signer = _open_key(open_provider(provider), key)
    with closing(_open_http(address, ca_file)) as http:
        software = TerminalSoftware(http, address, client, now=lambda: datetime.now(UTC), pause=time.sleep)
        made = enrol_with(software, signer, language)
    click.echo(f"terminal {made['terminal']}\nserial   {made['serial']}\nuntil    {made['not_after']}\nkey      {key}")


def enrol_with(software: TerminalSoftware, signer: Signer, language: str) -> dict[str, Any]:
    """Go through the whole enrolment; what is to be shown goes to the standard error stream."""
    try:
        asked = software.ask()
        _show(asked, language)
        return software.register(software.wait(asked), signer)
    except NotEnrolled as error:
        raise Failed(str(error)) from error
    except httpx.TransportError as error:
        raise NotAvailable(f"the service does not answer: {type(error).__name__}") from error


def _show(asked: Asked, language: str) -> None:
    click.echo(_SAID[language].format(address=asked.address, code=asked.user_code), err=True)
    click.echo(draw_terminal(asked.complete_address), err=True)
    click.echo(_CARE[language].format(minutes=asked.expires_in // 60), err=True)


def _require_safe(given: str) -> str:
    parts = urlsplit(given.rstrip("/"))
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return given.rstrip("/")
    raise click.BadParameter("an https address is needed, or http on this machine", param_hint="--issuer")


def _open_key(provider: Provider, file: Path) -> Signer:
    """Read the key, or make one in a file that nobody else may read: it is kept before anybody hears of it."""
    if not file.exists():
        private_key = provider.generate()
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(write_pem(_LABEL, export_pkcs8(private_key)))
            opened.flush()
            os.fsync(opened.fileno())
        return provider.signer(private_key)
    if file.stat().st_mode & _OTHERS_MAY:
        raise click.BadParameter(f"others may read it: chmod 600 {file}", param_hint="--key")
    try:
        return provider.signer(import_pkcs8(read_pem(_LABEL, file.read_text(encoding="ascii"))))
    except (SmError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"no SM2 key: {error}", param_hint="--key") from error


def _open_http(address: str, ca_file: str | None) -> httpx.Client:
    tls = httpx.create_ssl_context(verify=ca_file) if ca_file else True
    headers = {"Accept": "application/json, application/problem+json", "User-Agent": "ecard-terminal"}
    return httpx.Client(base_url=address, timeout=_SECONDS, trust_env=False, verify=tls, headers=headers)
