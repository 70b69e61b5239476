"""A request as a developer says that it was sent: read into what a request that arrives is read into."""

from collections.abc import Sequence
from urllib.parse import quote, unquote

from auth.signed_forms.received import Received

_PLAIN = "/:@!$&'()*+,;=-._~"
"""What stays unescaped in a path that was routed, as in ``auth.arrived``."""


def claimed_request(method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, origin: str) -> Received:
    """Make the record of a request of which nothing is believed; its path in the spelling in which it is routed."""
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name.strip().lower(), []).append(value.strip())
    path, _, query = target.removeprefix(origin).partition("?")
    return Received(
        method=method,
        path=quote(unquote(path, errors="surrogateescape"), safe=_PLAIN, errors="surrogateescape"),
        query=query,
        headers=lambda name: named.get(name.lower(), ()),
        body=body,
        origin=origin,
    )
