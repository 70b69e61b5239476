"""What a channel is told of a carriage."""

from typing import Any

from sqlalchemy.engine import Connection

from channels.carriage.records import Carriage
from channels.news import last_sequence
from core.clock import to_text
from ecard.policy import may_pay


def shown(connection: Connection, carriage: Carriage) -> dict[str, Any]:
    """Show it by the name that the channel has for the card; no id of the card, no name, no number."""
    return {
        "id": carriage.id,
        "subject": carriage.subject,
        "state": carriage.state,
        "card_standing": carriage.card_standing,
        "level": carriage.level,
        "payment": may_pay(carriage.level, default_pin=carriage.default_pin),
        "payment_opened": carriage.payment_opened_at is not None,
        "sequence": last_sequence(connection, carriage.channel, carriage.subject),
        "signed_at": to_text(carriage.signed_at),
        "out_request_no": carriage.out_request_no,
    }


def pending(subject: str) -> dict[str, Any]:
    """Show a card that its holder has allowed the channel, and that the channel has not signed."""
    nothing = dict.fromkeys(("id", "card_standing", "level", "signed_at", "out_request_no"))
    return {**nothing, "subject": subject, "state": "pending", "payment": False, "payment_opened": False, "sequence": 0}
