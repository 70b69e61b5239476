"""Channels that carry the cards of all phones, each with an OAuth client, a key and a link to each card."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Connection

from auth.oauth.access_tokens import issue_access_token
from auth.oauth.clients import Client
from auth.oauth.grants import Grant, start_grant
from bench.oauth_seed import SeededPartner, sign_proof, sow_partner
from bench.seed import Seeded, SeededPhone
from channels.carriage.sign import take_up
from channels.models import channel_certificates, channels
from channels.registry import MOST_REQUESTS, Application, apply_for_channel
from core.clock import to_millis
from core.outbox import outbox
from ecard.cards import lock_card
from sm.signed_request import sign_request
from sm.sm2 import Signer

_LINKED = ("openid", "offline_access", "card.read", "card.present")
_CONTACT = {"role": "security", "name": "duty", "reach": "security@bank.example"}


@dataclass(frozen=True)
class SeededChannel:
    """A channel with what its app needs to call."""

    id: str
    serial: str
    signer: Signer
    partner: SeededPartner
    links: Sequence[Grant]

    def tokens(self, count: int) -> list[str]:
        """Issue access tokens, each for another card as long as there are cards."""
        desk, client, name = self.partner.desk, self.partner.client, self.partner.thumbprint
        links = [self.links[number % len(self.links)] for number in range(count)]
        return [
            issue_access_token(desk, client, link, scopes=_LINKED, resources=(desk.api,), thumbprint=name)[0]
            for link in links
        ]

    def sign(self, method: str, path: str) -> str:
        """Sign a request as the channel's own server would."""
        return sign_request(
            self.signer,
            app_id=self.id,
            serial_no=self.serial,
            method=method,
            target=path,
            body=b"",
            timestamp=int(time.time()),
            nonce=secrets.token_urlsafe(16),
        )

    def prove(self, method: str, path: str, token: str) -> str:
        """Prove the key to which the tokens are bound."""
        return sign_proof(self.partner, method, path, token)


def sow_channel(seeded: Seeded, number: int, phones: Sequence[SeededPhone]) -> SeededChannel:
    """Enter a live channel and let it carry the cards of these phones."""
    runtime, partner = seeded.runtime, sow_partner(seeded, _LINKED)
    signer = runtime.provider.signer(runtime.provider.generate())
    with runtime.ground.database.transaction() as connection:
        channel = _enter(seeded, connection, number, partner.client)
        serial = _certify(seeded, connection, channel, signer.public_key)
        links = [_link(seeded, connection, partner.client, channel, phone) for phone in phones]
    return SeededChannel(channel, serial, signer, partner, links)


def happen(seeded: Seeded, phones: Sequence[SeededPhone], count: int) -> None:
    """Let something happen to the cards in turn, which those that carry them are to be told."""
    now = to_millis(seeded.runtime.ground.clock())
    events = [
        {
            "id": f"evt_{secrets.token_hex(13)}",
            "kind": "card.loss_reported",
            "card": phones[number % len(phones)].card,
            "content": {"standing": "suspended"},
            "happened_at": now,
        }
        for number in range(count)
    ]
    with seeded.runtime.ground.database.transaction() as connection:
        connection.execute(outbox.insert(), events)


def _enter(seeded: Seeded, connection: Connection, number: int, client: Client) -> str:
    given = Application(
        name_zh=f"示范银行{number}",
        name_en=f"Example Bank {number}",
        channel_class="bank",
        contacts=(_CONTACT,),
        requests_per_minute=MOST_REQUESTS,
    )
    channel = apply_for_channel(seeded.runtime.ground, connection, given)
    own = channels.update().where(channels.c.id == channel)
    connection.execute(own.values(standing="live", client=client.id))
    return channel


def _certify(seeded: Seeded, connection: Connection, channel: str, public_key: bytes) -> str:
    serial, now = secrets.token_hex(8), seeded.runtime.ground.clock()
    values = {
        "channel": channel,
        "serial": serial,
        "public_key": public_key.hex(),
        "certificate": "",
        "not_before": to_millis(now - timedelta(hours=1)),
        "not_after": to_millis(now + timedelta(days=180)),
        "added_at": to_millis(now),
    }
    connection.execute(channel_certificates.insert().values(values))
    return serial


def _link(seeded: Seeded, connection: Connection, client: Client, channel: str, phone: SeededPhone) -> Grant:
    desk, now = seeded.runtime.oauth.desk, seeded.runtime.ground.clock()
    link = start_grant(
        connection,
        client=client,
        card=phone.card,
        device=phone.device,
        scopes=_LINKED,
        resources=(desk.api,),
        acr="L2",
        amr=("hwk",),
        authenticated_at=now,
        at=now,
        expires_at=now + timedelta(days=1),
    )
    card = lock_card(connection, phone.card)
    take_up(seeded.runtime.carriage, connection, channel, card, link, out_request_no=secrets.token_hex(8))
    return link
