"""`ecard keys rotate-answers` and `withdraw-answer`: the keys with which the city signs its answers to channels."""

from typing import Any

import click

from cli.key_ceremony import Act, ceremony_options, conduct, given_approvals
from cli.key_display import answer_ring_lines
from cli.key_rings import LEAD, chosen_lead, told, whole_seconds
from cli.key_store_options import StorePlace, store_options, store_place, warn
from sm.answer_keys import answer_ring, rotate_answer_keys, withdraw_answer_key
from sm.ceremony_log import Result
from sm.city_keys import answer_certifier
from sm.errors import KeyNotFound
from sm.keyring import KeyState
from sm.keystore import FileKeyStore


@click.command("rotate-answers")
@LEAD
@ceremony_options
@store_options
@click.pass_context
def rotate_answers(context: click.Context, /, lead: int | None, **options: Any) -> None:
    """Retire the current key of answers; the next one signs, another is certified and announced.

    Channels fetch its certificate at /v1/platform-certificates before it signs. Workers need no restart.
    """
    place, given = store_place(context, options), given_approvals(options)
    store = place.open()
    announced, issue = chosen_lead(lead, store.environment), answer_certifier(store, place.provider)

    def effect() -> Result:
        return told(rotate_answer_keys(store, place.provider, place.clock(), announced, issue))

    details = told(answer_ring(store, place.clock())) | {"lead_seconds": whole_seconds(announced)}
    if conduct(store, place, Act("rotate-answers", details), given, effect) is not None:
        _show(store, place)


@click.command("withdraw-answer")
@click.argument("kid")
@LEAD
@ceremony_options
@store_options
@click.pass_context
def withdraw_answer(context: click.Context, /, kid: str, lead: int | None, **options: Any) -> None:
    """Sign no more with the answer key KID (as in the list), and publish its certificate no more."""
    place, given = store_place(context, options), given_approvals(options)
    store = place.open()
    if answer_ring(store, place.clock()).find(kid) is None:
        raise KeyNotFound(f"there is no answer key {kid}")
    announced, issue = chosen_lead(lead, store.environment), answer_certifier(store, place.provider)

    def effect() -> Result:
        return told(withdraw_answer_key(store, place.provider, kid, place.clock(), announced, issue))

    details = told(answer_ring(store, place.clock())) | {"kid": kid, "lead_seconds": whole_seconds(announced)}
    result = conduct(store, place, Act("withdraw-answer", details), given, effect)
    if result is not None:
        _show(store, place)
        if not result[str(KeyState.CURRENT)]:
            warn("no answer key signs now, and channels are refused: run `ecard keys rotate-answers` when the next may")


def _show(store: FileKeyStore, place: StorePlace) -> None:
    click.echo("\n".join(answer_ring_lines(store, place.clock())))
