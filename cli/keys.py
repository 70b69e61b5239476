"""`ecard keys`: make, show, rotate and withdraw the keys of a city."""

import os
import re
from pathlib import Path
from typing import Any

import click

from cli import Failed
from cli.answer_keys import rotate_answers, withdraw_answer
from cli.key_ceremony import Act, ceremony_options, conduct, given_approvals, open_log
from cli.key_creation import City, make_city
from cli.key_display import entry_lines, list_lines, record_lines, ring_lines
from cli.key_rings import LEAD, chosen_lead, told, whole_seconds
from cli.key_store_options import FILE, read_file, store_options, store_place, surroundings, warn
from cli.token_keys import rotate_tokens, withdraw_token
from sm.canonical import write_time
from sm.ceremony import APPROVAL_USER_ID, MAX_PLAN_SIZE, approve, read_plan, require_in_time, write_approval, write_plan
from sm.ceremony_log import Result
from sm.city_keys import code_ring, rotate_code_keys, withdraw_code_key
from sm.city_revocation import find_city_crl, refresh_city_crl, revoke_certificate
from sm.der import export_pkcs8, export_spki, import_pkcs8, read_pem, write_pem
from sm.errors import KeyNotFound, SmError
from sm.keyring import KeyState
from sm.keystore import ENVIRONMENTS, LEVELS
from sm.providers import open_provider
from sm.sm2 import read_public_key

MAX_KEY_FILE_SIZE = 4096
PRIVATE_KEY, PUBLIC_KEY = "PRIVATE KEY", "PUBLIC KEY"
DEFAULT_REGION = "990100"  # exists nowhere


class Operator(click.ParamType[tuple[str, bytes]]):
    """An operator of ceremonies: a name and the SM2 public key in hexadecimal."""

    name = "NAME=HEX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, bytes]:
        """Read name and key, or fail as click wants it."""
        name, _, given_key = value.partition("=")
        try:
            return name, read_public_key(bytes.fromhex(given_key))
        except (ValueError, SmError) as refused:
            self.fail(f"not a name and a public key: {refused}", param, ctx)


@click.group(short_help="Make, show and rotate keys.")
def keys() -> None:
    """Make, show, rotate and withdraw the keys of a city.

    The secret of the key store comes from ECARD_KEYSTORE_SECRET or --secret-file, never from an argument. In
    production whatever changes keys needs the approval of two operators: --dry-run writes the plan,
    `ecard keys approve` signs it, --plan and --approval (twice) carry it out.
    """


keys.add_command(rotate_tokens)
keys.add_command(withdraw_token)
keys.add_command(rotate_answers)
keys.add_command(withdraw_answer)


@keys.command()
@click.option(
    "--environment",
    envvar="ECARD_ENVIRONMENT",
    type=click.Choice(ENVIRONMENTS),
    default="development",
    show_default=True,
)
@click.option(
    "--region", envvar="ECARD_REGION", default=DEFAULT_REGION, show_default=True, help="Six digits, GB/T 2260."
)
@click.option("--organization", default="Nobody", show_default=True, help="Stands in the certificates.")
@click.option("--operator", "operators", type=Operator(), multiple=True, help="Who may approve; production needs two.")
@LEAD
@ceremony_options
@store_options
@click.pass_context
def init(context: click.Context, /, **options: Any) -> None:
    """Make the keys and certificates of ministry, province and city; what is there stays."""
    place, given = store_place(context, options), given_approvals(options)
    lead = chosen_lead(options.pop("lead"), options["environment"])
    city = City(**options | {"operators": _operators(options["operators"])}, lead=lead)
    made = make_city(place, city, given)
    if made is not None:
        click.echo("\n".join(f"made {name}" for name in made) or "nothing to do: all keys are there")


@keys.command("list")
@store_options
@click.pass_context
def list_entries(context: click.Context, /, **options: Any) -> None:
    """List all keys with level, kind and purpose, then the rings with their dates."""
    place = store_place(context, options)
    click.echo("\n".join(list_lines(place.open(), place.clock())))


@keys.command()
@click.argument("name")
@store_options
@click.pass_context
def show(context: click.Context, /, name: str, **options: Any) -> None:
    """Show the public part of NAME."""
    place = store_place(context, options)
    click.echo("\n".join(entry_lines(place.open(), place.provider, name)))


@keys.command()
@LEAD
@ceremony_options
@store_options
@click.pass_context
def rotate(context: click.Context, /, lead: int | None, **options: Any) -> None:
    """Retire the current code key; the next one signs, another is announced."""
    place, given = store_place(context, options), given_approvals(options)
    store = place.open()
    announced = chosen_lead(lead, store.environment)

    def effect() -> Result:
        return told(rotate_code_keys(store, place.provider, place.clock(), announced))

    act = Act("rotate", told(code_ring(store)) | {"lead_seconds": whole_seconds(announced)})
    if conduct(store, place, act, given, effect) is not None:
        click.echo("\n".join(ring_lines(code_ring(store))))


@keys.command()
@click.argument("kid", type=click.IntRange(1, 0xFFFF))
@LEAD
@ceremony_options
@store_options
@click.pass_context
def withdraw(context: click.Context, /, kid: int, lead: int | None, **options: Any) -> None:
    """Stop believing the code key KID at once and for ever."""
    place, given = store_place(context, options), given_approvals(options)
    store = place.open()
    announced = chosen_lead(lead, store.environment)
    if code_ring(store).find(kid) is None:
        raise KeyNotFound(f"there is no code key {kid}")

    def effect() -> Result:
        return told(withdraw_code_key(store, place.provider, kid, place.clock(), announced))

    act = Act("withdraw", told(code_ring(store)) | {"kid": str(kid), "lead_seconds": whole_seconds(announced)})
    result = conduct(store, place, act, given, effect)
    if result is not None:
        click.echo("\n".join(ring_lines(code_ring(store))))
        _warn_without_current(result)


@keys.command()
@click.argument("level", type=click.Choice(LEVELS))
@ceremony_options
@store_options
@click.pass_context
def rewrap(context: click.Context, /, level: str, **options: Any) -> None:
    """Draw a new key-encryption key for LEVEL; data keys stay the same."""
    place, given = store_place(context, options), given_approvals(options)
    store = place.open()
    result = conduct(
        store, place, Act("rewrap", {"level": level}), given, lambda: {"entries": str(store.rewrap(level))}
    )
    if result is not None:
        click.echo(f"sealed anew: {result['entries']} entries of the {level}")


@keys.command("revoke-certificate")
@click.argument("serial")
@ceremony_options
@store_options
@click.pass_context
def revoke(context: click.Context, /, serial: str, **options: Any) -> None:
    """Revoke the certificate with this SERIAL (hexadecimal) that the city has issued; for ever."""
    place, given = store_place(context, options), given_approvals(options)
    store, number = place.open(), _serial(serial)

    def effect() -> Result:
        return {"crl_number": str(revoke_certificate(store, place.provider, number, place.clock()).number)}

    result = conduct(store, place, Act("revoke", {"serial": f"{number:x}"}), given, effect)
    if result is not None:
        click.echo(f"revoked; revocation list no. {result['crl_number']}")


@keys.command()
@click.option("--refresh", is_flag=True, help="Issue the list anew; do so before it is stale, e.g. once a week.")
@store_options
@click.pass_context
def crl(context: click.Context, /, *, refresh: bool, **options: Any) -> None:
    """Show the city's list of revoked certificates; exit with 1 where it is stale."""
    place = store_place(context, options)
    store = place.open()
    found = refresh_city_crl(store, place.provider, place.clock()) if refresh else find_city_crl(store)
    if found is None:
        click.echo("no certificate was ever revoked, and there is no list")
        return
    click.echo(f"no. {found.number}, good until {write_time(found.next_update)}, {len(found.revoked)} revoked")
    click.echo("".join(f"{serial:x} since {write_time(at)}\n" for serial, at in found.revoked.items()), nl=False)
    if found.next_update <= place.clock():
        raise Failed("the list is stale: enrollments are refused until `ecard keys crl --refresh`")


@keys.command("approve")
@click.argument("plan", type=FILE)
@click.option("--operator", required=True, help="Your name, as it is registered.")
@click.option("--key", required=True, type=FILE, help="Your private key, PEM.")
@click.option("--provider", envvar="ECARD_SM2_PROVIDER", default="openssl", show_default=True, help="Does SM2.")
@click.pass_context
def approve_plan(context: click.Context, /, plan: Path, operator: str, key: Path, provider: str) -> None:
    """Sign PLAN after reading it; the approval goes to standard output. Needs no key store."""
    given = read_plan(read_file(plan, MAX_PLAN_SIZE))
    require_in_time(given, surroundings(context).clock())
    click.echo(f"You approve: {write_plan(given).decode('ascii')}", err=True)
    private_key = import_pkcs8(read_pem(PRIVATE_KEY, read_file(key, MAX_KEY_FILE_SIZE).decode("ascii", "replace")))
    signer = open_provider(provider).signer(private_key, APPROVAL_USER_ID)
    click.echo(write_approval(approve(given, operator, signer)).decode("ascii"))


@keys.command()
@store_options
@click.pass_context
def ceremonies(context: click.Context, /, **options: Any) -> None:
    """Verify the ceremony log and list it; note its head elsewhere."""
    place = store_place(context, options)
    click.echo("\n".join(record_lines(open_log(place.open(), place).records())))


@keys.command()
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File for the private key.")
@click.option(
    "--public", type=click.Path(dir_okay=False, path_type=Path), help="File for the public key, PEM, beside its digits."
)
@click.option("--provider", envvar="ECARD_SM2_PROVIDER", default="openssl", show_default=True, help="Does SM2.")
def new(out: Path, public: Path | None, provider: str) -> None:
    """Make an SM2 key pair for a terminal, a partner or an operator; show the public key.

    The private key goes to a new file that nobody else may read, and is never shown. The public key is printed in the
    form that `ecard channels add-certificate` and `ecard terminals add-key` take.
    """
    opened = open_provider(provider)
    private_key = opened.generate()
    _write_private(out, write_pem(PRIVATE_KEY, export_pkcs8(private_key)))
    public_key = opened.public_key_of(private_key)
    if public is not None:
        public.write_text(write_pem(PUBLIC_KEY, export_spki(public_key)), encoding="ascii")
    click.echo(public_key.hex())


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read; never over another."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _operators(given: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    operators = dict(given)
    if len(operators) != len(given):
        raise click.UsageError("an operator is named twice")
    return operators


def _warn_without_current(result: Result) -> None:
    if not result[str(KeyState.CURRENT)]:
        warn("no code key signs now: run `ecard keys rotate` as soon as the next key's time has come")


def _serial(given: str) -> int:
    digits = given.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{1,40}", digits) or not int(digits, 16):
        raise click.BadParameter("a serial number has up to 40 hexadecimal digits", param_hint="SERIAL")
    return int(digits, 16)
