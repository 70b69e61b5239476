"""`ecard demo`: go on by hand where the story ended, with the phone and the till that it left behind.

`headers` prints the signed headers of one request, so that curl can send it.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from cli import Failed, NotAvailable
from cli.partner import refused
from cli.phone import Phone, encode_base64url
from cli.till import Till
from sm.der import import_pkcs8, read_pem
from sm.providers import open_provider

_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default="var",
    show_default=True,
    help="As of the story.",
)


@click.group()
def demo() -> None:
    """Try the running development city by hand (while `make run` is up)."""


@demo.command()
@click.option("--class", "use", default="medical", show_default=True, help="identity, medical, merchant, gate or test.")
@click.option("--kind", type=click.Choice(["signed", "counter"]), default="signed", show_default=True)
@_HOME
def code(use: str, kind: str, home: Path) -> None:
    """Ask for a fresh code as the phone, and print its digits."""
    phone = _phone(_kept(home))
    click.echo(_good(phone.code(use, kind))["code"])


@demo.command()
@click.argument("scanned")
@click.option("--purpose", default="medical", show_default=True)
@click.option("--key", help="Idempotency key; the same one again repeats the request.")
@_HOME
def redeem(scanned: str, purpose: str, key: str | None, home: Path) -> None:
    """Redeem a code as the pharmacy's till; prints the answer and exits with 1 where it was refused."""
    answer = _sent(lambda: _till(_kept(home)).redeem(scanned, purpose, key))
    click.echo(json.dumps(answer.json(), ensure_ascii=False, indent=2))
    if not answer.is_success:
        raise Failed(f"{answer.status_code} {answer.json().get('code', '')}")


@demo.command()
@click.argument("who", type=click.Choice(["phone", "till"]))
@click.argument("method", type=click.Choice(["GET", "POST"]))
@click.argument("path")
@click.argument("body", default="")
@_HOME
def headers(who: str, method: str, path: str, body: str, home: Path) -> None:
    """Print the headers with which WHO may send this request once, for `curl -H @-` or `curl -H @file`.

    BODY must be, byte for byte, what curl sends. `{card}` in PATH stands for the phone's card.
    """
    kept = _kept(home)
    content = body.encode()
    path = path.replace("{card}", kept["phone"]["card"])
    lines = {"Content-Type": "application/json"} if content else {}
    if who == "till":
        lines["Authorization"] = _till(kept).sign(method, path, content)
    else:
        phone = _phone(kept)
        hashes = {"ath": phone.token.encode(), "digest": content}
        claims = {name: encode_base64url(sha256(hashed).digest()) for name, hashed in hashes.items()}
        lines |= {"Authorization": f"DPoP {phone.token}", "DPoP": phone.proof(method, path, **claims)}
    click.echo("\n".join(f"{name}: {value}" for name, value in lines.items()))


@demo.command()
@click.argument("code")
@click.option("--yes", is_flag=True, help="Approve without asking.")
@_HOME
def login(code: str, home: Path, *, yes: bool) -> None:
    """Log a browser in as the phone: CODE is what the login page shows; prints the number to type into that page.

    Open the address that `ecard demo show` prints, with /account behind it, to see such a page.
    """
    phone = _phone(_kept(home))
    asked = _good(phone.scan_login(code))
    click.echo(f"{asked['client']['name_zh']} · {asked['client']['name_en']} {asked['client']['host'] or ''}".strip())
    for scope in asked["scopes"]:
        click.echo(f"  {scope['zh']} · {scope['en']}")
    if not yes and not click.confirm("Was it you who opened that page?"):
        _good(phone.deny_login(asked["id"]))
        click.echo("refused")
        return
    click.echo(f"number {_good(phone.approve_login(asked['id']))['number']}")


@demo.command()
@_HOME
def show(home: Path) -> None:
    """Print the address, the card, the device and the till, for use in paths."""
    kept = _kept(home)
    click.echo(f"ADDRESS={kept['address']}\nCARD={kept['phone']['card']}\nDEVICE={kept['phone']['device']}")
    click.echo(f"TERMINAL={kept['till']['id']}\nSERIAL={kept['till']['serial']}")


def _kept(home: Path) -> dict[str, Any]:
    file = home / "demo.json"
    if not file.exists():
        raise NotAvailable("there is nothing to go on with: start `make run` first")
    kept: dict[str, Any] = json.loads(file.read_text(encoding="ascii"))
    return kept


def _phone(kept: dict[str, Any]) -> Phone:
    phone = Phone(_http(kept), kept["address"], _now)
    phone.key = ec.derive_private_key(int(kept["phone"]["scalar"], 16), ec.SECP256R1())
    phone.card, phone.device = kept["phone"]["card"], kept["phone"]["device"]
    _good(_sent(phone.sign_in))
    return phone


def _till(kept: dict[str, Any]) -> Till:
    key = import_pkcs8(read_pem("PRIVATE KEY", Path(kept["till"]["key"]).read_text(encoding="ascii")))
    return Till(_http(kept), kept["till"]["id"], kept["till"]["serial"], open_provider().signer(key), _now)


def _http(kept: dict[str, Any]) -> httpx.Client:
    return httpx.Client(base_url=kept["address"], timeout=10, trust_env=False)


def _sent(send: Any) -> httpx.Response:
    try:
        answer: httpx.Response = send()
    except httpx.TransportError as error:
        raise NotAvailable("the service does not answer: start `make run` first") from error
    return answer


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise Failed(refused(answer))
    given: dict[str, Any] = answer.json()
    return given


def _now() -> datetime:
    return datetime.now(UTC)
