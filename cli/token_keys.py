"""`ecard keys rotate-tokens` and `withdraw-token`: the keys that sign access tokens, ID tokens and news."""

from datetime import datetime, timedelta
from typing import Any

import click

from cli.key_ceremony import Act, ceremony_options, conduct, given_approvals
from cli.key_display import token_ring_lines
from cli.key_rings import LEAD, chosen_lead, told, whole_seconds
from cli.key_store_options import StorePlace, store_options, store_place, warn
from sm.canonical import read_time, write_time
from sm.ceremony_log import Result
from sm.city_keys import SIGNING_RINGS
from sm.errors import CeremonyRefused, KeyNotFound, Malformed
from sm.keyring import KeyRing, KeyState
from sm.keystore import FileKeyStore
from sm.token_keys import (
    CLIENT_RINGS,
    PUBLISHED_LIFE,
    TokenRing,
    as_of,
    find_token_ring,
    rotate_token_keys,
    schedule_token_keys,
    token_ring,
    withdraw_token_key,
)

_RINGS = {ring.prefix: ring for ring in SIGNING_RINGS}
_LEAST_LEAD = 2 * PUBLISHED_LIFE
"""Others keep the published keys for as long as they were told to; clocks and slow fetches have as much again."""


class Moment(click.ParamType[datetime]):
    """A time in UTC, to the second."""

    name = "2026-01-31T08:00:00Z"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the time, or fail as click wants it."""
        try:
            return read_time(value)
        except Malformed as refused:
            self.fail(str(refused), param, ctx)


@click.command("rotate-tokens")
@click.argument("ring", type=click.Choice(list(_RINGS)))
@click.option("--at", "turns_at", type=Moment(), help="Let the next key take over then, by itself, and not now.")
@LEAD
@ceremony_options
@store_options
@click.pass_context
def rotate_tokens(
    context: click.Context, /, ring: str, turns_at: datetime | None, lead: int | None, **options: Any
) -> None:
    """Retire the current key of RING; the next one signs, another is announced.

    RING is es256 or sm2 for the tokens of clients, phone-es256 or phone-sm2 for those of phones; ECARD_TOKEN_ALGORITHM
    says which of them sign. Those of news-ed25519 and news-sm2 sign news for channels, both of them. Workers need no
    restart. With --at nothing happens before that time; afterwards no next key is there, and this command announces
    one.
    """
    place, given = store_place(context, options), given_approvals(options)
    store, turned = place.open(), _RINGS[ring]
    if turns_at is not None and lead is not None:
        raise click.UsageError("--at announces no key: leave out --lead")
    announced = _lead(turned, lead, store.environment)
    act = Act("rotate-tokens", _details(place, store, turned) | _when(turns_at, announced))

    def effect() -> Result:
        if turns_at is not None:
            return told(schedule_token_keys(store, turned, place.clock(), turns_at))
        return told(rotate_token_keys(store, place.provider, turned, place.clock(), announced))

    if conduct(store, place, act, given, effect) is not None:
        _show(store, place, turned)


@click.command("withdraw-token")
@click.argument("kid")
@LEAD
@ceremony_options
@store_options
@click.pass_context
def withdraw_token(context: click.Context, /, kid: str, lead: int | None, **options: Any) -> None:
    """Stop believing the token key KID (as in the list) at once and for ever; all tokens that it signed are refused."""
    place, given = store_place(context, options), given_approvals(options)
    store, ring = place.open(), find_token_ring(kid, SIGNING_RINGS)
    if ring is None or token_ring(store, ring).find(kid) is None:
        raise KeyNotFound(f"there is no token key {kid}")
    announced = _lead(ring, lead, store.environment)
    act = Act("withdraw-token", _details(place, store, ring) | {"kid": kid} | _when(None, announced))

    def effect() -> Result:
        return told(withdraw_token_key(store, place.provider, ring, kid, place.clock(), announced))

    result = conduct(store, place, act, given, effect)
    if result is not None:
        _show(store, place, ring)
        if not result[str(KeyState.CURRENT)]:
            warn(f"no key of {ring.prefix} signs now: run `ecard keys rotate-tokens {ring.prefix}` when the next may")


def _lead(ring: TokenRing, seconds: int | None, environment: str) -> timedelta:
    lead = chosen_lead(seconds, environment)
    if environment == "production" and ring in CLIENT_RINGS and lead < _LEAST_LEAD:
        raise CeremonyRefused(
            f"clients keep keys for {PUBLISHED_LIFE}: announce the next one for {_LEAST_LEAD} or longer"
        )
    return lead


def _details(place: StorePlace, store: FileKeyStore, ring: TokenRing) -> dict[str, str]:
    return told(_standing(place, store, ring)) | {"ring": ring.prefix}


def _when(turns_at: datetime | None, lead: timedelta) -> dict[str, str]:
    return {"lead_seconds": whole_seconds(lead)} if turns_at is None else {"at": write_time(turns_at)}


def _standing(place: StorePlace, store: FileKeyStore, ring: TokenRing) -> KeyRing:
    return as_of(token_ring(store, ring), place.clock())


def _show(store: FileKeyStore, place: StorePlace, ring: TokenRing) -> None:
    click.echo("\n".join(token_ring_lines(store, ring, place.clock())))
