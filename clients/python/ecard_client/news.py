"""News that the service posts to you: verify it, then keep for each card what the highest sequence says."""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ecard_client import sm2
from ecard_client import types as t
from ecard_client.errors import NotProven

_STAMP = re.compile(r"[0-9]{1,12}")
_SKEW_SECONDS = 300


def verify_news(keys: t.NewsKeys, headers: Mapping[str, str], body: bytes, now: float | None = None) -> t.News:
    """Verify what was posted, with the keys of /v1/news-keys, and give back the message.

    Args:
        keys: fetch them each day, and again when a signature does not hold.
        headers: of the request; webhook-id, webhook-timestamp and webhook-signature are read.
        body: as it was received, not parsed and written again.
        now: seconds since 1970; the clock's if left out.

    Raises ``NotProven``. The same message may come twice and late: answer 2xx once it is kept.
    """
    given = {name.lower(): value for name, value in headers.items()}
    at = time.time() if now is None else now
    stamp = given.get("webhook-timestamp", "")
    if not _STAMP.fullmatch(stamp) or abs(int(stamp) - at) > _SKEW_SECONDS:
        raise NotProven("the news was not sent now")
    content = f"{given.get('webhook-id')}.{stamp}.".encode() + body
    signatures = [one.partition(",")[::2] for one in given.get("webhook-signature", "").split(" ")]
    if not any(
        _holds(key, content, text) for version, text in signatures for key in keys["keys"] if key["version"] == version
    ):
        raise NotProven("no signature of the news holds")
    message = _read(body)
    if message.get("id") != given.get("webhook-id"):
        raise NotProven("the news has another id inside than outside")
    return cast("t.News", message)


def _read(body: bytes) -> dict[str, Any]:
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotProven("the news is no JSON") from error
    if not isinstance(message, dict):
        raise NotProven("the news is no object")
    return message


def _holds(key: t.NewsKey, content: bytes, text: str) -> bool:
    try:
        signature = base64.b64decode(text, validate=True)
        if key["version"] == "v1a":
            Ed25519PublicKey.from_public_bytes(_number(key["x"])).verify(signature, content)
        elif key["version"] == "v1sm2":
            sm2.verify(_number(key["x"]) + _number(key["y"]), content, signature)
        else:
            return False
    except (InvalidSignature, NotProven, binascii.Error, ValueError):
        return False
    return True


def _number(given: str) -> bytes:
    return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
