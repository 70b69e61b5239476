"""How often anybody may ask: the limits of the authorization server by address, by client and by holder.

A minute's events are counted in short memory under HMACs: neither Redis nor the table says whose they are. Holders go
by the blind index of ``CardState``, so that one person with several cards or phones has one limit. Where no store can
count, ``Unavailable`` leaves instead of an answer: nobody passes uncounted.
"""

from auth.oauth.clients import Client
from auth.oauth.desk import OAuthDesk
from core.ephemeral import Journey
from core.errors import Limited

WINDOW_SECONDS = 60


def count_address(desk: OAuthDesk, address: str) -> None:
    """Limit callers who need prove nothing before rows are written for them; raises ``Limited``."""
    _count(desk, "address_requests_per_minute", address)


def count_device_authorization(desk: OAuthDesk, address: str) -> None:
    """Limit the user codes that are given out to one address; raises ``Limited``."""
    _count(desk, "device_authorizations_per_minute", address)


def count_proven_client(
    desk: OAuthDesk, client: Client, address: str, *, once: str | None = None, once_seconds: int = 0
) -> bool:
    """Count a client that has proven itself and remember its assertion: False if that was remembered already.

    Raises ``Limited`` for one that calls too often, and for one that failed too often from this address: a right guess
    is then told from a wrong one by nothing. From everywhere else the same client goes on: nobody can lock out another
    one. A public client proves nothing: whoever names it could use its limit up for all its holders, so it has none.
    """
    settings = desk.ground.settings
    counted = None if client.is_public else _key(desk, "client_requests_per_minute", client.id)
    new, requests, failures = desk.ground.ephemeral.add_once_count_and_look(
        Journey(_failures(desk, client.id, address), once, once_seconds, counted, WINDOW_SECONDS)
    )
    if failures >= settings.client_failures_per_minute:
        raise _limited("client_failures_per_minute", settings.client_failures_per_minute)
    if requests > settings.client_requests_per_minute:
        raise _limited("client_requests_per_minute", settings.client_requests_per_minute)
    return new


def count_failure(desk: OAuthDesk, claimed: str | None, address: str) -> None:
    """Remember that somebody at this address did not prove to be the client that it named, known or not.

    Raises ``Limited`` for one failure too many.
    """
    most = desk.ground.settings.client_failures_per_minute
    if desk.ground.ephemeral.count(_failures(desk, claimed, address), WINDOW_SECONDS) > most:
        raise _limited("client_failures_per_minute", most)


def count_holder_token(desk: OAuthDesk, holder: str, *, once: str | None = None, once_seconds: int = 0) -> bool:
    """Limit the token requests for one holder, over all clients and cards, and remember a proof in the same journey.

    False if that was remembered already; raises ``Limited``.
    """
    setting, memory = "holder_tokens_per_minute", desk.ground.ephemeral
    if once is None:
        _count(desk, setting, holder)
        return True
    counted = _key(desk, setting, holder)
    new, count = memory.add_once_and_count(once, once_seconds, counted, WINDOW_SECONDS)
    _require_few(desk, setting, count)
    return new


def count_holder_grant(desk: OAuthDesk, holder: str) -> None:
    """Limit what one holder can allow in a minute, over all clients and cards; raises ``Limited``."""
    _count(desk, "holder_grants_per_minute", holder)


def _count(desk: OAuthDesk, setting: str, who: str) -> None:
    _require_few(desk, setting, desk.ground.ephemeral.count(_key(desk, setting, who), WINDOW_SECONDS))


def _require_few(desk: OAuthDesk, setting: str, count: int) -> None:
    most: int = getattr(desk.ground.settings, setting)
    if count > most:
        raise _limited(setting, most)


def _limited(setting: str, most: int) -> Limited:
    return Limited(f"{setting}: {most}", retry_after=WINDOW_SECONDS)


def _failures(desk: OAuthDesk, claimed: str | None, address: str) -> str:
    return _key(desk, "client_failures_per_minute", f"{claimed or ''}\x00{address}")


def _key(desk: OAuthDesk, setting: str, who: str) -> str:
    return f"oauth:{setting}:{desk.stored.handle(setting, who)}"
