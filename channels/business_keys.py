"""Business keys: a partner's ``out_request_no`` names one act, once and for ever (channels.md, Idempotency).

Other than an ``Idempotency-Key``, which spares a repeated request for a day, it is the partner's own number in its own
books: years later the same number still means the same act.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from channels.errors import OutRequestNoReused
from channels.models import business_keys
from core.clock import to_millis
from core.database import changed_one, insert_if_new
from core.ground import Ground
from sm.canonical import canonical_json
from sm.digest import sm3


def answer_once_for_ever(
    ground: Ground,
    connection: Connection,
    *,
    channel: str,
    out_request_no: str,
    act: str,
    request: Mapping[str, Any],
    work: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Do the work under a number that is new to the channel, or give the answer again that it has had.

    Key, work and answer are one transaction: what was refused has taken no number. Of two at once the second waits for
    the first. The answer is kept as it is, so it holds no personal data; of the request an HMAC alone is kept. Raises
    ``OutRequestNoReused`` where the number stands for another act or another request.
    """
    asked = _digest(ground, request)
    key = {"channel": channel, "out_request_no": out_request_no}
    new = {**key, "act": act, "request": asked, "first_at": to_millis(ground.clock())}
    if not insert_if_new(connection, business_keys, new):
        return _answer_of(connection, key, act, asked)
    answer = work()
    assert changed_one(connection, business_keys.update().where(_of(key)).values(answer=answer))
    return answer


def _answer_of(connection: Connection, key: Mapping[str, str], act: str, asked: str) -> dict[str, Any]:
    row = connection.execute(sa.select(business_keys).where(_of(key))).one()
    if (row.act, row.request) != (act, asked):
        raise OutRequestNoReused(f"it stands for {row.act}")
    answer: dict[str, Any] = row.answer
    return answer


def _of(key: Mapping[str, str]) -> sa.ColumnElement[bool]:
    table = business_keys.c
    return sa.and_(table.channel == key["channel"], table.out_request_no == key["out_request_no"])


def _digest(ground: Ground, request: Mapping[str, Any]) -> str:
    """Name a request: under the key of blind indexes, since it may hold what can be guessed, as a person's number."""
    return ground.fields.index("business-key", sm3(canonical_json(request)).hex())
