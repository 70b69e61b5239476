"""`ecard terminals appoint`, `dismiss`, `operators`, `set-purposes`: who may enrol terminals of an institution."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import click
from sqlalchemy.engine import Connection

from auth.institution_operators import appoint_operator, list_appointments, list_operators
from auth.oauth.device_approval import dismiss_operator, list_unused_grants
from auth.parties import PURPOSES, require_institution, set_purposes
from cli import Failed
from cli.opening import opened_runtime
from core.clock import from_millis
from core.ids import is_id
from physical.register import BEIJING
from web.runtime import Runtime

_OPERATOR = click.option("--operator", required=True, help="Who does this; stands in the audit trail.")


class CardId(click.ParamType[str]):
    """The id of an electronic card, as the holder's app shows it."""

    name = "crd_..."

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take what has the shape of an id; whether there is such a card the database says."""
        if not is_id(value, "crd"):
            self.fail("an electronic card's id begins with crd_", param, ctx)
        return value


_CARD = click.option("--card", type=CardId(), required=True, help="The holder's electronic card.")


@click.command()
@click.argument("institution")
@_CARD
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day, Beijing time.  [default: no end]")
@_OPERATOR
def appoint(institution: str, card: str, until: datetime | None, operator: str) -> None:
    """Appoint a holder to enrol terminals of an institution, or the same one again with another end."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now, ends = runtime.ground.clock(), _end_of(until)
        if ends is not None and ends <= now:
            raise Failed("--until lies in the past")
        _require_good_card(runtime, card)
        appoint_operator(connection, card=card, institution=institution, at=now, until=ends)
        detail = {"card": card} | ({"until": f"{until:%Y-%m-%d}"} if until else {})
        _record(runtime, connection, operator, "operator.appointed", institution, detail)
        can = [mine.purposes for mine in list_appointments(connection, card, now) if mine.institution == institution]
    click.echo("appointed")
    if not can[0]:
        click.echo("its terminals may not take any codes yet: `ecard terminals set-purposes`", err=True)


@click.command()
@click.argument("institution")
@_CARD
@click.option("--dry-run", is_flag=True, help="Only tell what would happen.")
@_OPERATOR
def dismiss(institution: str, card: str, operator: str, *, dry_run: bool) -> None:
    """End an appointment at once, with what the operator has allowed and no terminal has used; terminals stay."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        now, desk = runtime.ground.clock(), runtime.oauth.desk
        if dry_run:
            is_there = any(mine.institution == institution for mine in list_appointments(connection, card, now))
            click.echo(_foretold(is_there, len(list_unused_grants(connection, card, institution, now))))
            return
        if not dismiss_operator(desk, connection, card, institution, actor=f"operator:{operator}"[:60]):
            raise Failed("there is no such appointment, or it has ended")
    click.echo("dismissed")


@click.command()
def operators() -> None:
    """List who may enrol, or might once enrol, terminals of which institution."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        rows = list_operators(connection)
        now = runtime.ground.clock()
    for row in rows:
        until = from_millis(row.until).astimezone(BEIJING) if row.until is not None else None
        ends = f"until {until - timedelta(days=1):%Y-%m-%d}" if until else "without end"
        standing = "dismissed" if row.dismissed_at else "over" if until and until <= now else ends
        click.echo(f"{row.card} {standing} {row.institution} {row.name}")


@click.command("set-purposes")
@click.argument("institution")
@click.option("--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True, help="None: for readers alone.")
@_OPERATOR
def set_institution_purposes(institution: str, purposes: Sequence[str], operator: str) -> None:
    """Say what the terminals that an institution's operators enrol from now on may take codes for."""
    with opened_runtime() as runtime, runtime.ground.database.transaction() as connection:
        require_institution(connection, institution)
        set_purposes(connection, institution, purposes)
        _record(runtime, connection, operator, "institution.purposes_set", institution, {"to": " ".join(purposes)})
    click.echo(" ".join(purposes) or "none")


def _end_of(last_day: datetime | None) -> datetime | None:
    return last_day and last_day.replace(tzinfo=BEIJING) + timedelta(days=1)


def _require_good_card(runtime: Runtime, card: str) -> None:
    state = runtime.oauth.desk.card_states(runtime.ground.database, card)
    if state is None or not state.active:
        raise Failed("there is no such electronic card, or it is suspended or revoked")


def _foretold(is_there: bool, unused: int) -> str:
    if not is_there:
        return "there is no such appointment, or it has ended: nothing would happen (dry run)"
    return f"the appointment would end, with {unused} permissions that no terminal has used (dry run)"


def _record(
    runtime: Runtime, connection: Connection, operator: str, act: str, subject: str, detail: dict[str, str]
) -> None:
    ground = runtime.ground
    actor = f"operator:{operator}"[:60]
    ground.audit.record(connection, actor=actor, act=act, subject=subject, detail=detail, at=ground.clock())
