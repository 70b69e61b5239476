"""HTTP message signatures (RFC 9421) with SM2: one signature, over the request's method, address and digest at least.

Of the many ways in which the RFC lets a signature be written one is taken: plain components without parameters, the
four parameters ``created``, ``keyid``, ``alg`` and ``nonce``, nothing else. ``keyid`` is "channel/serial", ``alg`` is
"sm2-sm3" (user id 1234567812345678, r ‖ s). Content-Digest (RFC 9530) is asked for without a body as well.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from hmac import compare_digest
from urllib.parse import urlsplit

from auth.errors import SignatureMissing, SignatureWrong
from auth.signed_forms.parameters import read_signature_text
from auth.signed_forms.received import MESSAGE, Received, UnverifiedRequest
from sm.digest import sm3
from sm.errors import SmError
from sm.sm2 import read_signature

ALG = "sm2-sm3"
REQUIRED = frozenset({"@method", "@target-uri", "content-digest"})
HEADERS = frozenset({"content-digest", "content-type", "content-length", "idempotency-key"})
"""Headers that a signature may cover; nothing that a proxy may rewrite."""
MAX_INPUT_SIZE = 640

_LABEL = r"[a-z*][a-z0-9_.*-]{0,31}"  # RFC 8941, 3.1.2
_INPUT = re.compile(rf"({_LABEL})=(\(([^()]*)\)((?:;[a-z]+=[^;]*)+))")
_SIGNATURE = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/=]*):")
_DIGEST = re.compile(r"(sha-256|sm3)=:([A-Za-z0-9+/=]*):")
_COMPONENT = re.compile(r'"([a-z@-]{1,32})"')
_PARAMETERS = {
    "created": re.compile(r"([1-9][0-9]{0,11})"),
    "keyid": re.compile(r'"([A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64})"'),
    "alg": re.compile(rf'"({ALG})"'),
    "nonce": re.compile(r'"([A-Za-z0-9_-]{16,64})"'),
}
_TARGET = re.compile(r"/[\x21-\x7e]*")
_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {"sha-256": lambda body: hashlib.sha256(body).digest(), "sm3": sm3}


def is_message_signature(received: Received) -> bool:
    """Tell whether a request claims to be signed in this form."""
    return bool(received.headers("Signature") or received.headers("Signature-Input"))


def read_message_signature(received: Received) -> UnverifiedRequest:
    """Read a request; raises ``SignatureMissing``, or ``SignatureWrong`` where the digest is not the body's."""
    label, inner, components, parameters = _read_input(_header(received, "Signature-Input"))
    signed_label, signature = _read_labelled(_SIGNATURE, _header(received, "Signature"))
    if signed_label != label:
        raise SignatureMissing("Signature and Signature-Input name different signatures")
    _verify_digest(received)
    app, _, serial = parameters["keyid"].partition("/")
    return UnverifiedRequest(
        algorithm=MESSAGE,
        app=app,
        serial=serial,
        timestamp=int(parameters["created"]),
        nonce=parameters["nonce"],
        signature=_read_signature(signature),
        base=_base(received, components, inner),
    )


def _read_input(given: str) -> tuple[str, str, list[str], dict[str, str]]:
    """Read Signature-Input: its label, its value as it stands, the components in order and the parameters."""
    found = _INPUT.fullmatch(given) if len(given) <= MAX_INPUT_SIZE else None
    if found is None:
        raise SignatureMissing("Signature-Input holds one signature with its components and parameters")
    components = [_component(part) for part in found[3].split(" ")]
    if len(set(components)) != len(components) or not set(components) >= REQUIRED:
        raise SignatureMissing(f"a signature covers {', '.join(sorted(REQUIRED))}, each once")
    return found[1], found[2], components, _read_parameters(found[4])


def _component(part: str) -> str:
    found = _COMPONENT.fullmatch(part)
    if found is None or (found[1] not in _DERIVED and found[1] not in HEADERS):
        raise SignatureMissing("a component is unknown or has parameters")
    return found[1]


def _read_parameters(given: str) -> dict[str, str]:
    read: dict[str, str] = {}
    for part in given.removeprefix(";").split(";"):
        name, _, value = part.partition("=")
        found = _PARAMETERS[name].fullmatch(value) if name in _PARAMETERS and name not in read else None
        if found is None:
            raise SignatureMissing(f"a signature has the parameters {', '.join(_PARAMETERS)}, each once")
        read[name] = found[1]
    if read.keys() != _PARAMETERS.keys():
        raise SignatureMissing(f"a signature has the parameters {', '.join(_PARAMETERS)}, each once")
    return read


def _verify_digest(received: Received) -> None:
    algorithm, digest = _read_labelled(_DIGEST, _header(received, "Content-Digest"))
    if not compare_digest(read_signature_text(digest), _DIGESTS[algorithm](received.body)):
        raise SignatureWrong("Content-Digest is not that of the body")


def _base(received: Received, components: list[str], inner: str) -> bytes:
    """Build the signature base (RFC 9421, 2.5)."""
    if _TARGET.fullmatch(received.target) is None:
        raise SignatureWrong("no request line carries this address")
    lines = [f'"{name}": {_value(received, name)}' for name in components]
    return "\n".join([*lines, f'"@signature-params": {inner}']).encode("latin-1")


def _value(received: Received, name: str) -> str:
    return _DERIVED[name](received) if name in _DERIVED else _header(received, name)


def _authority(received: Received) -> str:
    """Give host and port in small letters, without the scheme's own port (RFC 9421, 2.2.3)."""
    parts = urlsplit(received.origin)
    own_port = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.netloc if parts.port != own_port else parts.netloc.rpartition(":")[0]


_DERIVED: Mapping[str, Callable[[Received], str]] = {
    "@method": lambda received: received.method,
    "@target-uri": lambda received: received.origin + received.target,
    "@authority": _authority,
    "@path": lambda received: received.path,
    "@query": lambda received: f"?{received.query}",
}


def _header(received: Received, name: str) -> str:
    value = received.header(name)
    if value is None or not value.isascii() or not value.isprintable():
        raise SignatureMissing(f"{name} is missing, doubled or unreadable")
    return value.strip(" ")


def _read_labelled(pattern: re.Pattern[str], given: str) -> tuple[str, str]:
    found = pattern.fullmatch(given)
    if found is None:
        raise SignatureMissing("a signature or a digest is not one member of bytes")
    return found[1], found[2]


def _read_signature(given: str) -> bytes:
    try:
        return read_signature(read_signature_text(given))
    except SmError as error:
        raise SignatureMissing(str(error)) from error
