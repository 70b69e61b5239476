"""Client of the electronic social security card for partner banks and wallets.

``Partner`` holds what you were registered with; its attributes are the groups of calls. Everything is thin: what the
service takes and answers stands in ``operations`` and ``types``, which are generated from its description.
"""

from dataclasses import dataclass, field

import httpx

from ecard_client import tokens
from ecard_client.errors import EcardError, NoAnswer, NotProven, OAuthRefused, Refused
from ecard_client.news import verify_news
from ecard_client.operations import ChannelCalls, HolderCalls, OAuthCalls, PublicCalls
from ecard_client.signing import AnswerKeys
from ecard_client.sm2 import SigningKey
from ecard_client.statements import Statement, prove_statement
from ecard_client.tokens import Es256Key
from ecard_client.transport import TIMEOUT, AsClient, Plain, Signed, WithToken

__all__ = [
    "AnswerKeys",
    "EcardError",
    "Es256Key",
    "NoAnswer",
    "NotProven",
    "OAuthRefused",
    "Partner",
    "Refused",
    "SigningKey",
    "Statement",
    "prove_statement",
    "verify_news",
]


@dataclass
class Partner:
    """A channel with its OAuth client.

    Args:
        issuer: the service's address, as it writes it itself: no slash at its end.
        channel: your channel's id (chn_…), with the serial number of the certificate that ``channel_key`` has.
        client: your OAuth client's id (cli_…), with ``client_key`` registered for it.
        dpop_key: a key of your own to which tokens are bound; not registered anywhere.
        pinned: the ministry's certificate, PEM.
        http: for a proxy or authorities of your own; its base_url is where the service is reached.
    """

    issuer: str
    channel: str
    serial: str
    channel_key: SigningKey = field(repr=False)
    client: str
    client_key: Es256Key = field(repr=False)
    dpop_key: Es256Key = field(repr=False)
    pinned: str = field(repr=False)
    http: httpx.Client | None = None

    def __post_init__(self) -> None:
        http = self.http or httpx.Client(base_url=self.issuer, timeout=TIMEOUT)
        self._http = http
        answers = AnswerKeys(self.pinned)
        self.channel_calls = ChannelCalls(Signed(http, self.channel, self.serial, self.channel_key, answers))
        self.oauth = OAuthCalls(AsClient(http, self.issuer, self.client, self.client_key, self.dpop_key))
        self.public = PublicCalls(Plain(http))

    def holder(self, access_token: str) -> HolderCalls:
        """Give the calls that this holder's token allows."""
        return HolderCalls(WithToken(self._http, self.issuer, access_token, self.dpop_key))

    def return_to(self, subject: str, *, scope: str, authenticated_at: int, acr: str = "L2") -> HolderCalls:
        """Return to an existing link without a redirect, for a customer whom you have just authenticated."""
        statement = tokens.customer_statement(
            self.client_key, self.client, self.issuer, subject=subject, authenticated_at=authenticated_at, acr=acr
        )
        answer = self.oauth.post_token(
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": statement,
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "scope": scope,
            }
        )
        return self.holder(answer["access_token"])
