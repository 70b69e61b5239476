"""Open an entry: what the holder comes for becomes an authorization request of the channel's own OAuth client.

It is pushed, judged, used and over as at the PAR endpoint (``auth.oauth.pushed_requests``); the signed request proves
the channel, and by the register its client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.engine import Connection

from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import OAuth2Error
from auth.oauth.forms import Form
from auth.oauth.limits import count_proven_client
from auth.oauth.pushed_requests import push_for_client
from auth.oauth.scopes import OFFLINE, OPENID
from channels.h5_entries.errors import EntryNotAllowed, EntryNotSetUp
from channels.registry import get_channel

ACTS: Mapping[str, tuple[str, ...]] = {
    "sign": (OPENID, OFFLINE, "card.read", "card.present", "card.uses"),
    "show": (OPENID, "card.read", "card.present", "card.uses"),
    "report_loss": (OPENID, "card.read", "card.report_loss"),
    "unlink": (OPENID, "card.read", "card.unlink"),
}
"""What a holder comes for, and no more than it takes: to sign is to link, the others leave no lasting access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a partner says of an entry; ``redirect_uri`` None is the only one that its client has."""

    act: str
    state: str
    code_challenge: str
    dpop_jkt: str
    nonce: str | None
    redirect_uri: str | None


def open_entry(
    desk: OAuthDesk, connection: Connection, channel: str, entry: Entry, *, address: str
) -> dict[str, object]:
    """Push the request and tell the page's address and for how many seconds it may be opened.

    ``address`` is the caller's. Raises ``EntryNotSetUp``, ``EntryNotAllowed``, and ``Limited`` as PAR does.
    """
    client = _get_client(desk, connection, channel)
    count_proven_client(desk, client, address)
    try:
        pushed = push_for_client(desk, client, _form_of(desk, client, entry))
    except OAuth2Error as error:
        raise EntryNotAllowed(f"{error.error}: {error.get_error_description()}") from error
    query = urlencode({"client_id": client.id, "request_uri": pushed["request_uri"]})
    return {"url": f"{desk.issuer}/oauth/authorize?{query}", "expires_in": pushed["expires_in"]}


def _get_client(desk: OAuthDesk, connection: Connection, channel: str) -> Client:
    client = desk.clients.find(get_channel(connection, channel).client)
    if client is None or not client.redirect_uris:
        raise EntryNotSetUp("no active client" if client is None else "its client has no redirect address")
    return client


def _form_of(desk: OAuthDesk, client: Client, entry: Entry) -> Form:
    """Write the request as the client would push it itself; the token is for this service alone."""
    only = client.redirect_uris[0] if len(client.redirect_uris) == 1 else None
    asked = {
        "response_type": "code",
        "redirect_uri": entry.redirect_uri or only,
        "scope": " ".join(ACTS[entry.act]),
        "state": entry.state,
        "nonce": entry.nonce,
        "code_challenge": entry.code_challenge,
        "code_challenge_method": "S256",
        "dpop_jkt": entry.dpop_jkt,
        "resource": desk.api,
    }
    return Form({name: (value,) for name, value in asked.items() if value is not None})
