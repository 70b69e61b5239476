"""News for trial: of a kind that the partner names, about a card that there is not, sent as real news is.

It is a row of the channel's own news with its own position and sequence, signed, retried and listed like every other.
A channel that is not live is told nothing else, so nobody takes it for news of a holder.
"""

import re
from datetime import datetime

from sqlalchemy.engine import Connection

from auth.channel_requests import Channel
from channels.carriers import Carrier
from channels.news import NEWS_KINDS, News, get_news, record_news_of
from channels.sandbox.errors import SandboxFull, SandboxOnly
from channels.webhooks import last_position
from core.ids import new_id
from core.outbox import Event

MOST_NEWS = 10_000
_SAMPLES = ("suspended", "L2", "001", f"red_{'0' * 26}", f"crg_{'0' * 26}", f"iss_{'0' * 26}", "2026-01-01")


def require_sandbox(channel: Channel) -> None:
    """Raise ``SandboxOnly`` for a channel that is live."""
    if channel.party.is_live:
        raise SandboxOnly


def record_trial_news(connection: Connection, channel: str, kind: str, card: str, at: datetime) -> News:
    """Tell a channel news of a kind that there is, with made-up values; raises ``SandboxFull``."""
    if last_position(connection, channel) >= MOST_NEWS:
        raise SandboxFull(f"{MOST_NEWS} pieces of news")
    content = {name: _sample(form) for name, form in NEWS_KINDS[kind].items()}
    event = Event(new_id("evt"), kind, None, content, at)
    record_news_of(connection, event, Carrier(channel, card), at)
    return get_news(connection, channel, event.id)


def _sample(form: re.Pattern[str]) -> str:
    return next(sample for sample in _SAMPLES if form.fullmatch(sample))
