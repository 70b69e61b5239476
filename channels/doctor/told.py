"""What the doctor found, as it is told to a developer: in the API and on the command line."""

import base64
from datetime import datetime
from typing import Any

from auth.signed_requests import CLOCK_SECONDS
from channels.doctor.comparing import escaped
from channels.doctor.examination import Examined
from core.clock import to_text
from sm.digest import sm3


def told(examined: Examined, now: datetime) -> dict[str, Any]:
    """Write it as JSON; both languages beside each other, for it is read by people."""
    return {
        "algorithm": examined.form,
        "base_string": _told_base(examined.base),
        "difference": _told_difference(examined),
        "app_id": examined.app,
        "app_found": examined.app_found,
        "key": _told_key(examined, now),
        "clock": _told_clock(examined, now),
        "signature": examined.signature,
        "diagnosis": [
            {"code": one.code, "detail": one.detail, "zh": one.mistake.zh, "en": one.mistake.en}
            for one in examined.findings
        ],
    }


def _told_base(base: bytes | None) -> dict[str, Any] | None:
    if base is None:
        return None
    encoded = base64.b64encode(base).decode()
    return {"escaped": escaped(base), "base64": encoded, "bytes": len(base), "sm3": sm3(base).hex()}


def _told_difference(examined: Examined) -> dict[str, Any] | None:
    found = examined.difference
    if found is None:
        return None
    return {"offset": found.offset, "line": found.line, "ours": found.ours, "theirs": found.theirs}


def _told_key(examined: Examined, now: datetime) -> dict[str, Any]:
    key = examined.key
    return {
        "serial_no": examined.serial,
        "found": key is not None,
        "state": None if key is None else key.state(now),
        "published": key is not None and key.is_published,
        "not_before": None if key is None or key.not_before is None else to_text(key.not_before),
        "not_after": None if key is None or key.not_after is None else to_text(key.not_after),
    }


def _told_clock(examined: Examined, now: datetime) -> dict[str, Any]:
    server_time = int(now.timestamp())
    skew = None if examined.timestamp is None else examined.timestamp - server_time
    return {"timestamp": examined.timestamp, "server_time": server_time, "skew": skew, "allowed": CLOCK_SECONDS}
