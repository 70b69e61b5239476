"""Pairwise subjects (OpenID Connect Core section 8.1): the same holder has another name in each sector."""

from auth.compact import encode_base64url
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant
from sm.digest import hmac_sm3


def subject_of(desk: OAuthDesk, client: Client, grant: Grant) -> str:
    """Name the holder to a client; a grant without a card is the client's own."""
    return client.id if grant.card is None else subject_of_card(desk, client, grant.card)


def subject_of_card(desk: OAuthDesk, client: Client, card: str) -> str:
    """Name the holder of a card to a client."""
    return subject_in_sector(desk, client.sector, card)


def subject_in_sector(desk: OAuthDesk, sector: str, card: str) -> str:
    """Name the holder of a card to all clients of a sector."""
    return encode_base64url(hmac_sm3(desk.pairwise_key, b"oidc-subject\x00", f"{sector}\x00{card}".encode()))


def link_handle(desk: OAuthDesk, subject: str) -> str:
    """Make what a link is found by when its client names the holder; a copy of the database shows no pseudonym."""
    return desk.stored.handle("link", subject)
