"""Redirect addresses: compared letter by letter, but for the port of a loopback address (RFC 8252 section 7.3)."""

import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

from auth.oauth.errors import InvalidRequestError
from auth.oauth.profiles import Profile
from core.errors import Malformed

_LIMIT = 500
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*)?(?:\?[\x21-\x7e]*)?")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(/[^#]*)?")


def require_registrable(profile: Profile, given: str) -> None:
    """Refuse an address that must not be registered; raises ``Malformed``."""
    if len(given) > _LIMIT or not _ADDRESS.fullmatch(given):
        raise Malformed("a redirect address is https://host/path, without fragment, user or wildcard")
    if _LOOPBACK.fullmatch(given) and profile.loopback:
        return
    parts = urlsplit(given)
    if parts.scheme != "https" or not parts.hostname:
        raise Malformed("a redirect address is https, for native apps also http://127.0.0.1 and http://[::1]")


def require_redirect(profile: Profile, registered: Iterable[str], given: str) -> str:
    """Let through an address of this client; raises ``InvalidRequestError``, which must not be sent to it."""
    if len(given) > _LIMIT or not any(_is_same(profile, address, given) for address in registered):
        raise InvalidRequestError("redirect_uri is not registered for this client")
    return given


def answer_address(redirect_uri: str, parameters: dict[str, str | None]) -> str:
    """Add the parameters of an authorization response to a redirect address."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"


def _is_same(profile: Profile, registered: str, given: str) -> bool:
    if registered == given:
        return True
    if not profile.loopback:
        return False
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(given)
    if ours is None or theirs is None or not _is_port(theirs[2]):
        return False
    return (ours[1], ours[3]) == (theirs[1], theirs[3])


def _is_port(given: str | None) -> bool:
    return given is None or 0 < int(given) < 65536
