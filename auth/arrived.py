"""What arrived with the running request, in the spelling in which the guard and its verifiers read it."""

from urllib.parse import quote

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from auth.blueprints import PLAIN_BODY
from auth.errors import TokenWrong
from auth.plain_json import read_plain_json
from auth.signed_forms.received import Received
from core.errors import Malformed


def request_target() -> str:
    """Give what the signature covers: the path in its one spelling (as it was routed), the query as it was sent."""
    return received_request("").target


def received_request(origin: str) -> Received:
    """Give the request as those see it who read how it is signed; ``origin`` is our own address."""
    return Received(
        method=request.method,
        path=quote(request.path, safe="/:@!$&'()*+,;=-._~"),
        query=request.query_string.decode("latin-1"),
        headers=request.headers.getlist,
        body=request.get_data(),
        origin=origin,
    )


def take_plain_body(body: bytes, unwrapped: bytes | None = None) -> None:
    """Refuse, once it is known who calls, a body that is not JSON or that two readers would take differently.

    ``unwrapped`` is what a body of another form carries.
    """
    content = body if unwrapped is None else unwrapped
    if not content:
        return
    if unwrapped is None and request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        request.environ[PLAIN_BODY] = read_plain_json(content)
    except ValueError as error:
        raise Malformed("the body is not plain JSON") from error


def given_credentials(*schemes: str) -> tuple[str, str]:
    """Split the Authorization header into one of these schemes and what follows; raises ``TokenWrong``."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in schemes or not token:
        raise TokenWrong("send Authorization: DPoP <token>")
    return scheme.lower(), token
