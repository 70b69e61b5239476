"""The visit token: what an institution holds for half an hour after a code was taken (feature row 28)."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.signed_requests import Terminal
from core.clock import from_millis
from core.errors import Kind, Refusal
from core.ids import is_id
from qr.desk import CodeDesk
from qr.models import redemptions
from qr.redemption import visit_token


class VisitOver(Refusal):
    kind = Kind.GONE
    code = "visit_over"
    title_en = "This visit token is not valid here, or no longer."
    title_zh = "该就诊凭证无效或已过期。"
    next_en = "Scan a new code of the holder."
    next_zh = "请重新扫描持卡人的二维码。"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a valid visit token stands for."""

    redemption: str
    purpose: str
    expires_at: datetime


def get_visit(desk: CodeDesk, connection: Connection, terminal: Terminal, given: str) -> Visit:
    """Check a visit token at a terminal of the institution it was given to; raises ``VisitOver``."""
    redemption = given.partition(".")[0].replace("vst_", "red_", 1)
    if not is_id(redemption, "red") or not given.isascii():
        raise VisitOver
    if not compare_digest(visit_token(desk, redemption), given):
        raise VisitOver
    own = redemptions.c.id == redemption, redemptions.c.institution == terminal.party.institution.id
    row = connection.execute(sa.select(redemptions).where(*own)).first()
    if row is None or desk.ground.clock() >= from_millis(row.visit_expires_at):
        raise VisitOver
    return Visit(redemption, row.purpose, from_millis(row.visit_expires_at))
