"""``ecard verify``: judge codes at a desk or on an offline terminal, from a scanner, a file or a picture."""

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console

from cli import REFUSED, UNAVAILABLE
from core.clock import Clock, SteppingClock, system_clock, to_text
from core.errors import Kind, Refusal
from qr.acceptance_journal import FileJournal, Journal, MemoryJournal
from qr.code import read_code
from qr.code_class import CodeClass
from qr.errors import CannotTell
from qr.offline import KEY_LIST_LIFE, OfflineVerifier
from qr.scanning import scan_picture
from qr.signed_code import Flag, SignedCode
from qr.verification_keys import Authority, KeyList, PinnedKey, TrustedChain, read_key_list, verify_key_list
from sm.canonical import read_hex
from sm.certificates import Trust, read_certificate
from sm.errors import SmError
from sm.providers import open_provider
from sm.sm2 import Provider, read_public_key

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LABELS = [code_class.label for code_class in CodeClass]
_CLASS_ZH = {
    CodeClass.IDENTITY: "身份核验",
    CodeClass.MEDICAL: "就医购药",
    CodeClass.MERCHANT: "特约商户",
    CodeClass.GATE: "门禁乘车",
    CodeClass.TEST: "测试",
}

Judge = Callable[[str], SignedCode]
Show = Callable[[SignedCode | Refusal], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the options say about the place at which codes are judged."""

    keys: Path | None
    issuer_key: bytes | None
    trust: Path | None
    classes: frozenset[CodeClass]
    audiences: frozenset[int]
    journal: Path | None
    key_list_life: timedelta
    clock: Clock


class Moment(click.ParamType[datetime]):
    """A time with its zone, as RFC 3339 writes it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the time, or fail as click wants it."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("not a time such as 2026-01-31T08:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail("the time needs its zone: end it with Z", param, ctx)
        return moment


class PublicKey(click.ParamType[bytes]):
    """An SM2 public key in hexadecimal: 64 bytes x, y, with or without 04 before them."""

    name = "HEX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Read the key, or fail as click wants it."""
        try:
            return read_public_key(read_hex(value.lower()))
        except SmError as refused:
            self.fail(str(refused), param, ctx)


@click.command()
@click.argument("code", required=False)
@click.option("--keys", type=_FILE, help="Key list as the service publishes it.")
@click.option("--issuer-key", type=PublicKey(), help="Public key (x, y) that signs the key list.")
@click.option("--trust", type=_FILE, help="Root certificate (PEM) above the one that signs the key list.")
@click.option("--class", "classes", multiple=True, type=click.Choice(_LABELS), help="Class taken here; repeatable.")
@click.option("--audience", "audiences", multiple=True, type=click.IntRange(1, 0xFFFF), help="Group of this terminal.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="File that remembers what was taken.")
@click.option("--at", "moment", type=Moment(), help="Judge as of this time instead of now.")
@click.option("--max-list-age", type=click.IntRange(1, 366), default=KEY_LIST_LIFE.days, help="Days; 7 unless told.")
@click.option("--image", type=_FILE, help="Read the code from a PNG.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each code.")
def verify(
    code: str | None,
    keys: Path | None,
    issuer_key: bytes | None,
    trust: Path | None,
    classes: tuple[str, ...],
    audiences: tuple[int, ...],
    journal: Path | None,
    moment: datetime | None,
    max_list_age: int,
    image: Path | None,
    *,
    as_json: bool,
) -> None:
    """Judge codes without the service (脱机验码).

    CODE is the digits, - for lines on standard input, @FILE for lines of a file; without it a scanner types them.

    Exit status: 0 every code accepted, 1 a code refused, 2 wrong usage, 3 no verdict possible.
    """
    if code is not None and image is not None:
        raise click.UsageError("give CODE or --image, not both")
    if keys is not None and (issuer_key is None) == (trust is None):
        raise click.UsageError("--keys needs either --issuer-key or --trust")
    desk = Desk(
        keys=keys,
        issuer_key=issuer_key,
        trust=trust,
        classes=_classes(classes),
        audiences=frozenset(audiences),
        journal=journal,
        key_list_life=timedelta(days=max_list_age),
        clock=_clock(moment),
    )
    show = _show_json if as_json else _show_text
    with ExitStack() as opened:
        verdicts = list(_judge_all(_scans(code, image), _open_judge(desk, opened), show))
    if not verdicts:
        raise click.UsageError("nothing was scanned")
    sys.exit(_exit_status(verdicts))


def _clock(moment: datetime | None) -> Clock:
    return system_clock if moment is None else SteppingClock(moment)


def _classes(labels: Iterable[str]) -> frozenset[CodeClass]:
    chosen = frozenset(CodeClass[label.upper()] for label in labels)
    return chosen or frozenset(CodeClass) - {CodeClass.TEST}


def _open_judge(desk: Desk, opened: ExitStack) -> Judge:
    """Prepare to judge; what is missing becomes the answer to every code that is one."""
    try:
        verifier = _open_verifier(desk, opened)
    except (Refusal, SmError) as error:
        missing = str(error)
        return lambda scanned: _judge_without_keys(scanned, missing)
    return lambda scanned: verifier.accept(scanned, desk.clock())


def _open_verifier(desk: Desk, opened: ExitStack) -> OfflineVerifier:
    provider = open_provider()
    return OfflineVerifier(
        _open_key_list(desk, provider),
        provider,
        _open_journal(desk.journal, opened),
        classes=desk.classes,
        audiences=desk.audiences,
        key_list_life=desk.key_list_life,
    )


def _open_key_list(desk: Desk, provider: Provider) -> KeyList:
    if desk.keys is None:
        raise CannotTell("without --keys only the form of a code can be checked")
    authority = _open_authority(desk, provider)
    return verify_key_list(read_key_list(desk.keys.read_bytes()), authority, desk.clock())


def _open_authority(desk: Desk, provider: Provider) -> Authority:
    if desk.issuer_key is not None:
        return PinnedKey(provider, desk.issuer_key)
    if desk.trust is not None:
        root = read_certificate(desk.trust.read_text("ascii", errors="replace"))
        return TrustedChain(provider, Trust([root], provider))
    raise CannotTell("nothing says whose key list is good")


def _open_journal(path: Path | None, opened: ExitStack) -> Journal:
    return MemoryJournal() if path is None else opened.enter_context(FileJournal(path))


def _judge_without_keys(scanned: str, missing: str) -> SignedCode:
    read_code(scanned)  # what is no code at all can be told without a key
    raise CannotTell(missing)


def _scans(code: str | None, image: Path | None) -> Iterator[str]:
    """Give what was scanned, one code after the other, without its line end."""
    if image is not None:
        yield from _scan_image(image)
    elif code is None and sys.stdin.isatty():
        yield from _type_scans()
    elif code is None or code == "-":
        yield from _lines(sys.stdin.buffer)
    elif code.startswith("@"):
        yield from _lines(_open_lines(code[1:]))
    else:
        yield code


def _scan_image(image: Path) -> list[str]:
    try:
        return scan_picture(image.read_bytes())
    except Refusal as refused:
        raise click.BadParameter(str(refused), param_hint="--image") from None


def _open_lines(path: str) -> BinaryIO:
    try:
        return io.BytesIO(Path(path).read_bytes())
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="CODE") from None


def _lines(lines: BinaryIO) -> Iterator[str]:
    return (line.rstrip(b"\r\n").decode("ascii", "replace") for line in lines if line.strip())


def _type_scans() -> Iterator[str]:
    # Hidden: digits on a screen get read aloud (qr-code.md, A).
    while scanned := click.prompt("扫码 · scan", default="", show_default=False, hide_input=True, err=True):
        yield scanned


def _judge_all(scans: Iterable[str], judge: Judge, show: Show) -> Iterator[SignedCode | Refusal]:
    for scanned in scans:
        verdict = _verdict(scanned, judge)
        show(verdict)
        yield verdict


def _verdict(scanned: str, judge: Judge) -> SignedCode | Refusal:
    try:
        return judge(scanned)
    except Refusal as refused:
        return refused


def _exit_status(verdicts: Iterable[SignedCode | Refusal]) -> int:
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    if any(refused.kind is not Kind.UNAVAILABLE for refused in refusals):
        return REFUSED
    return UNAVAILABLE if refusals else 0


def _show_json(verdict: SignedCode | Refusal) -> None:
    fields = _refusal_fields(verdict) if isinstance(verdict, Refusal) else _code_fields(verdict)
    click.echo(json.dumps(fields, ensure_ascii=False))


def _code_fields(code: SignedCode) -> dict[str, Any]:
    return {
        "result": "accepted",
        "class": code.code_class.label,
        "audience": code.audience,
        "flags": [flag.name.lower() for flag in Flag if flag in code.flags and flag.name],
        "issued_at": to_text(code.issued_at),
        "expires_at": to_text(code.expires_at),
    }


def _refusal_fields(refused: Refusal) -> dict[str, Any]:
    return {
        "result": refused.code,
        "title_zh": refused.title_zh,
        "title_en": refused.title_en,
        "next_zh": refused.next_zh,
        "next_en": refused.next_en,
        "detail": refused.detail,
        **refused.extra,
    }


def _show_text(verdict: SignedCode | Refusal) -> None:
    console = Console(highlight=False)
    if isinstance(verdict, SignedCode):
        label = verdict.code_class.label
        console.print(f"[bold green]✔ 可以受理 · accepted[/]  {_CLASS_ZH[verdict.code_class]} · {label}")
        return
    colour = "yellow" if verdict.kind is Kind.UNAVAILABLE else "red"
    console.print(f"[bold {colour}]✘ {verdict.title_zh}[/] {verdict.title_en}")
    console.print(f"  {verdict.next_zh} {verdict.next_en}")
    if verdict.detail:
        console.print(f"  ({verdict.detail})", style="dim", markup=False)
