"""`ecard sign explain`: why a signed request is refused, found without the service."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from auth.signed_forms.envelope import EnvelopeSecret
from auth.signed_forms.received import Received
from channels.doctor.claimed import claimed_request
from channels.doctor.examination import Doctor, Examined, KnownApp, KnownKey, examine
from channels.doctor.known_apps import published_key
from channels.doctor.told import told
from cli import Failed
from cli.key_store_options import FILE, read_file, surroundings
from cli.terminals import PublicKey
from sm.canonical import read_time
from sm.certificates import MAX_CERTIFICATE_SIZE, read_certificate
from sm.providers import open_provider

_MAX_FILE = 1024 * 1024
_ANY_SERIAL = ""


class Header(click.ParamType[tuple[str, str]]):
    """A header as it stands in a request."""

    name = "'NAME: VALUE'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first colon."""
        name, colon, content = value.partition(":")
        if not colon or not name.strip():
            self.fail("a header is 'NAME: VALUE' · 请求头格式为 'NAME: VALUE'", param, ctx)
        return name, content


@click.command()
@click.argument("method")
@click.argument("target", metavar="PATH[?QUERY]")
@click.option("--header", "headers", type=Header(), multiple=True, help="As it was sent; may be given more than once.")
@click.option("--headers", "headers_file", type=FILE, help="Or a file with one header a line.")
@click.option("--body", type=FILE, help="File with the body, byte for byte as it was sent.")
@click.option("--base-string", type=FILE, help="File with the bytes that your program signed.")
@click.option("--certificate", "certificates", type=FILE, multiple=True, help="Yours, PEM; all that may have signed.")
@click.option("--public-key", type=PublicKey(), help="Or the public key alone, in hex, whatever its serial number.")
@click.option("--envelope-secret", "secret", type=FILE, help="File with your certificate's, for what is encrypted.")
@click.option("--at", metavar="TIME", help="When it arrived, such as 2026-03-02T08:00:00Z.  [default: now]")
@click.option("--origin", default="http://127.0.0.1:8460", show_default=True, help="The service's address.")
@click.option("--json", "as_json", is_flag=True, help="All that was found, as JSON.")
@click.pass_context
def explain(
    context: click.Context,
    /,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    headers_file: Path | None,
    body: Path | None,
    base_string: Path | None,
    certificates: Sequence[Path],
    public_key: bytes | None,
    secret: Path | None,
    at: str | None,
    origin: str,
    *,
    as_json: bool,
) -> None:
    """Explain why a signed request is refused; works without the service and sends nothing.

    Shows the base string that the service computes, the first byte in which yours differs, the key, the clock, and
    which of the typical mistakes it is. Exit code 0 where the request is right, 1 where something was found.
    """
    sent = [*headers, *_read_headers(headers_file)]
    claimed = claimed_request(method, target, sent, _read(body) or b"", origin)
    now = surroundings(context).clock() if at is None else read_time(at)
    keys = [*(_key_of(path) for path in certificates), published_key(counts=True)]
    doctor = Doctor(open_provider("openssl"), now, lambda _app: KnownApp(keys), _secret_of(_read(secret)), deep=True)
    examined = _examine(doctor, claimed, keys, public_key, _read(base_string))
    shown = told(examined, now)
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2) if as_json else "\n".join(_lines(shown)))
    if examined.findings:
        raise Failed(" ".join(finding.code for finding in examined.findings))


def _examine(
    doctor: Doctor, claimed: Received, keys: Sequence[KnownKey], public_key: bytes | None, theirs: bytes | None
) -> Examined:
    """Examine as the service would, with the keys that were given; without any, all but the signature is looked at."""
    named = examine(doctor, claimed, theirs)
    if public_key is None:
        return named
    alone = KnownKey(named.serial or _ANY_SERIAL, public_key)
    return examine(replace(doctor, find_app=lambda _app: KnownApp([alone, *keys])), claimed, theirs)


def _secret_of(given: bytes | None) -> EnvelopeSecret:
    """Open what is encrypted with the one secret that was given: it is the developer's own."""

    def secret_of(_app: str, _serial: str) -> str:
        if given is None:
            raise Failed("give --envelope-secret, or send the envelope with encType NONE · 请提供 --envelope-secret")
        return given.decode("ascii", "replace").strip()

    return secret_of


def _key_of(path: Path) -> KnownKey:
    certificate = read_certificate(read_file(path, 2 * MAX_CERTIFICATE_SIZE).decode("ascii", "replace"))
    serial = f"{certificate.serial:x}"
    return KnownKey(serial, certificate.public_key, certificate.not_before, certificate.not_after)


def _read(path: Path | None) -> bytes | None:
    return None if path is None else read_file(path, _MAX_FILE)


def _read_headers(path: Path | None) -> Iterator[tuple[str, str]]:
    """Read headers as curl and browsers show them; the request line and whatever else is no header is passed over."""
    for line in (_read(path) or b"").decode("utf-8", "replace").splitlines():
        name, colon, value = line.removeprefix("> ").partition(":")
        if colon and " " not in name:
            yield name, value


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    if shown["base_string"] is not None:
        base = shown["base_string"]
        yield f"base string   {base['escaped']}"
        yield f"              {base['bytes']} bytes, SM3 {base['sm3']}"
    if shown["difference"] is not None:
        found = shown["difference"]
        yield f"differs       at byte {found['offset']}, in {found['line']}"
        yield f"  ours        {found['ours']}"
        yield f"  yours       {found['theirs']}"
    key, clock = shown["key"], shown["clock"]
    published = " (the published test key: in the sandbox alone · 公开测试密钥，仅限沙箱)" if key["published"] else ""
    yield f"certificate   {key['serial_no'] or '-'} {key['state'] or 'not given'}{published}"
    yield f"clock         {'-' if clock['skew'] is None else format(clock['skew'], '+d')} seconds of {clock['allowed']}"
    yield f"signature     {shown['signature']}"
    for one in shown["diagnosis"]:
        yield f"{one['code']}{': ' if one['detail'] else ''}{one['detail']}\n  {one['zh']}\n  {one['en']}"
    if not shown["diagnosis"]:
        yield "nothing is wrong · 未发现问题"
