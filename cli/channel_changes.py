"""`ecard channels`, the part that takes two operators: propose, approve, reject; or one: suspend, withdraw."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.engine import Connection

from auth.oauth.client_register import STANDINGS as CLIENT_STANDINGS
from auth.signed_forms.received import ALGORITHMS
from channels.certificates import DEFAULT_DAYS, MOST_DAYS, list_certificates
from channels.change_kinds import CHANGE_KINDS, terms_of
from channels.changes import (
    Change,
    approve_change,
    draft_change,
    foresee_approval,
    get_waiting_change,
    list_changes,
    propose_change,
    reject_change,
)
from channels.operators import OPERATOR_USER_ID
from channels.registry import MOST_REQUESTS, SCOPES, get_channel
from channels.standing import STANDINGS
from cli.clients import DAYS, JwkFile
from cli.key_store_options import FILE, read_file
from cli.opening import opened_runtime
from cli.terminals import PublicKey
from core.clock import to_text
from sm.certificates import MAX_CERTIFICATE_SIZE
from sm.der import import_pkcs8, read_pem
from web.runtime import Runtime

Command = TypeVar("Command", bound=Callable[..., Any])

_MAX_KEY_FILE = 4096
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Check everything, tell what would happen, change nothing.")


def by_operator(command: Command) -> Command:
    """Give a command the options by which its operator is known."""
    for option in (
        click.option("--key", type=FILE, help="Your private key, PEM; needed where the key store registers operators."),
        click.option("--operator", required=True, help="Your name, as it is registered; stands in the audit trail."),
    ):
        command = option(command)
    return command


@click.command("set-standing")
@click.argument("channel")
@click.argument("to", type=click.Choice(STANDINGS))
@_DRY_RUN
@by_operator
def set_standing(channel: str, to: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Propose to move a channel; suspending it takes one operator and counts everywhere within a second."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        detail = {"from": get_channel(connection, channel).own_standing, "to": to}
        _propose(runtime, connection, channel, "standing", detail, operator, key, dry_run=dry_run)


@click.command("add-certificate")
@click.argument("channel")
@click.option("--public-key", type=PublicKey(), help="Of the partner's SM2 key: the city issues the certificate.")
@click.option("--certificate", type=FILE, help="Or a certificate (PEM) issued to the channel's id below our root.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=DEFAULT_DAYS, show_default=True)
@_DRY_RUN
@by_operator
def add_certificate(
    channel: str,
    public_key: bytes | None,
    certificate: Path | None,
    days: int,
    operator: str,
    key: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Propose one more certificate beside the one that signs now, to change keys without a gap."""
    if (public_key is None) == (certificate is None):
        raise click.UsageError("give --public-key or --certificate")
    if certificate is not None:
        detail: dict[str, Any] = {
            "certificate": read_file(certificate, 2 * MAX_CERTIFICATE_SIZE).decode("ascii", "replace")
        }
    else:
        detail = {"public_key": (public_key or b"").hex(), "days": days}
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _propose(runtime, connection, channel, "certificate", detail, operator, key, dry_run=dry_run)


@click.command("withdraw-certificate")
@click.argument("channel")
@click.argument("serial")
@click.option("--reason", required=True, help="Why; stands in the audit trail.")
@_DRY_RUN
@by_operator
def withdraw_certificate(
    channel: str, serial: str, reason: str, operator: str, key: Path | None, *, dry_run: bool
) -> None:
    """Withdraw a certificate for good; one operator does it, and every worker refuses it within a second."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        detail = {"serial": serial, "reason": reason}
        _propose(runtime, connection, channel, "withdrawal", detail, operator, key, dry_run=dry_run)


@click.command()
@click.argument("channel")
@click.option("--scope", "scopes", type=click.Choice(list(SCOPES)), multiple=True, help="All that it may do.")
@click.option("--algorithm", "algorithms", type=click.Choice(ALGORITHMS), multiple=True, help="All forms it signs in.")
@click.option("--requests-per-minute", type=click.IntRange(1, MOST_REQUESTS))
@click.option("--client", metavar="cli_...", help="Its OAuth client, of the profile partner.")
@_DRY_RUN
@by_operator
def propose(channel: str, operator: str, key: Path | None, *, dry_run: bool, **terms: Any) -> None:
    """Propose other terms; what is not named stays as it is."""
    wanted = {name: list(given) if isinstance(given, tuple) else given for name, given in terms.items() if given}
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        current = terms_of(get_channel(connection, channel))
        detail = {"from": {name: current[name] for name in wanted}, "to": wanted}
        _propose(runtime, connection, channel, "terms", detail, operator, key, dry_run=dry_run)


@click.command("add-client-key")
@click.argument("channel")
@click.option("--jwk", type=JwkFile(), required=True, help="Public key: P-256, SM2, Ed25519, or RSA for PS256.")
@DAYS
@_DRY_RUN
@by_operator
def add_client_key(
    channel: str, jwk: dict[str, Any], days: int, operator: str, key: Path | None, *, dry_run: bool
) -> None:
    """Propose one more key for the channel's OAuth client, to change keys without a gap."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        detail = {"client": get_channel(connection, channel).client or "", "jwk": jwk, "days": days}
        _propose(runtime, connection, channel, "client-key", detail, operator, key, dry_run=dry_run)


@click.command("set-client-standing")
@click.argument("channel")
@click.argument("standing", type=click.Choice(CLIENT_STANDINGS))
@_DRY_RUN
@by_operator
def set_client_standing(channel: str, standing: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Suspend the channel's OAuth client alone, which one operator does, or propose to let it go on."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        client = get_channel(connection, channel).client or ""
        before = next(other for other in CLIENT_STANDINGS if other != standing)
        detail = {"client": client, "from": before, "to": standing}
        _propose(runtime, connection, channel, "client-standing", detail, operator, key, dry_run=dry_run)


@click.command("add-endpoint")
@click.argument("channel")
@click.argument("url")
@_DRY_RUN
@by_operator
def add_endpoint(channel: str, url: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Propose an https address to which the channel's news is posted (`ecard news` looks after it)."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _propose(runtime, connection, channel, "endpoint", {"url": url}, operator, key, dry_run=dry_run)


@click.command("end-endpoint")
@click.argument("channel")
@click.argument("endpoint")
@_DRY_RUN
@by_operator
def end_endpoint(channel: str, endpoint: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Take an address of a channel away; one operator does it, and nothing more is sent there."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _propose(runtime, connection, channel, "endpoint_end", {"endpoint": endpoint}, operator, key, dry_run=dry_run)


@click.command("set-bank-port")
@click.argument("channel")
@click.argument("url")
@_DRY_RUN
@by_operator
def set_bank_port(channel: str, url: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Propose the https address at which a bank's own core is asked before cards are issued on its word."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _propose(runtime, connection, channel, "bank-port", {"url": url}, operator, key, dry_run=dry_run)


@click.command("end-bank-port")
@click.argument("channel")
@click.argument("url")
@_DRY_RUN
@by_operator
def end_bank_port(channel: str, url: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Take a bank's port away; one operator does it, and the bank is asked nothing more."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        _propose(runtime, connection, channel, "bank-port-end", {"url": url}, operator, key, dry_run=dry_run)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also what was decided or has expired.")
def changes(*, everything: bool) -> None:
    """List what waits for a second operator, a line for each change."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        found = list_changes(runtime.channels, connection, waiting=not everything)
    for change in found:
        click.echo(" ".join(_parts(change)))


@click.command()
@click.argument("change")
@_DRY_RUN
@by_operator
def approve(change: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Approve a change that another operator proposed; it takes effect at once."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        waiting = foresee_approval(runtime.channels, connection, change, operator)
        if dry_run:
            click.echo(f"would be applied: {_told(waiting)} (dry run)")
            return
        signature = _sign(runtime, key, waiting.statement("approve", operator))
        applied = approve_change(runtime.channels, connection, change, operator, signature)
        _show_outcome(connection, applied)


@click.command()
@click.argument("change")
@_DRY_RUN
@by_operator
def reject(change: str, operator: str, key: Path | None, *, dry_run: bool) -> None:
    """Reject a change, or take one's own back."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        waiting = get_waiting_change(runtime.channels, connection, change)
        if dry_run:
            click.echo(f"would be rejected: {_told(waiting)} (dry run)")
            return
        signature = _sign(runtime, key, waiting.statement("reject", operator))
        reject_change(runtime.channels, connection, change, operator, signature)
    click.echo("rejected")


COMMANDS: Sequence[click.Command] = (
    set_standing, add_certificate, withdraw_certificate, add_client_key, set_client_standing,
    add_endpoint, end_endpoint, set_bank_port, end_bank_port,
    propose, changes, approve, reject,
)  # fmt: skip


def _propose(
    runtime: Runtime,
    connection: Connection,
    channel: str,
    kind: str,
    detail: dict[str, Any],
    operator: str,
    key: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Propose a change; with ``dry_run`` check it as a proposal would be, and change nothing."""
    if dry_run:
        CHANGE_KINDS[kind].require(runtime.channels, connection, get_channel(connection, channel), detail)
        how = "done at once" if CHANGE_KINDS[kind].stops(detail) else "proposed to another operator"
        click.echo(f"would be {how}: {kind} {_in_json(detail)} (dry run)")
        return
    draft = draft_change(runtime.channels, channel=channel, kind=kind, detail=detail, operator=operator)
    signature = _sign(runtime, key, draft.statement("propose", operator))
    change = propose_change(runtime.channels, connection, draft, signature)
    if change.state == "applied":
        _show_outcome(connection, change)
        return
    click.echo(f"{change.id} waits until {to_text(change.expires_at)} for another operator: `ecard channels approve`")


def _sign(runtime: Runtime, key: Path | None, statement: bytes) -> str | None:
    if key is None:
        return None
    private_key = import_pkcs8(read_pem("PRIVATE KEY", read_file(key, _MAX_KEY_FILE).decode("ascii", "replace")))
    return runtime.provider.signer(private_key, OPERATOR_USER_ID).sign(statement).hex()


def _show_outcome(connection: Connection, change: Change) -> None:
    click.echo(f"applied: {_told(change)}")
    if change.kind == "endpoint":
        click.echo((change.outcome or {})["endpoint"])
    if change.kind == "client-key":
        click.echo(f"kid {(change.outcome or {})['kid']}")
    if change.kind == "certificate":
        serial = (change.outcome or {})["serial"]
        found = {one.serial: one for one in list_certificates(connection, change.channel)}
        click.echo(f"serial {serial}\n{found[serial].pem}", nl=False)


def _told(change: Change) -> str:
    return f"{change.kind} of {change.channel} {_in_json(change.detail)}"


def _in_json(detail: Mapping[str, Any]) -> str:
    return json.dumps(dict(detail), ensure_ascii=False)


def _parts(change: Change) -> list[str]:
    until = (
        f"until {to_text(change.expires_at)}" if change.state == "proposed" else f"by {change.decided_by or 'nobody'}"
    )
    return [change.id, change.state, until, f"proposed by {change.proposed_by}:", _told(change)]
