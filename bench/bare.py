"""The least WSGI application: what is left is the server."""

from collections.abc import Callable, Iterable
from typing import Any

_BODY = b'{"status":"alive"}'
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY)))]


def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer."""
    start_response("200 OK", _HEADERS)
    return [_BODY]
