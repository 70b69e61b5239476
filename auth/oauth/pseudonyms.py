"""Pairwise subjects (OpenID Connect Core section 8.1): the same holder has another name in each sector."""

from auth.compact import encode_base64url
from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from auth.oauth.grants import Grant
from sm.digest import hmac_sm3


def subject_of(desk: OAuthDesk, client: Client, grant: Grant) -> str:
    """Name the holder to a client; a grant without a card is the client's own."""
    if grant.card is None:
        return client.id
    return encode_base64url(
        hmac_sm3(desk.pairwise_key, b"oidc-subject\x00", f"{client.sector}\x00{grant.card}".encode())
    )
