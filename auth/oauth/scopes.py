"""Scopes, in the words of the consent page, and the assurance level that each of them demands."""

from collections.abc import Iterable
from dataclasses import dataclass

from auth.oauth.errors import InvalidScopeError

OPENID = "openid"
OFFLINE = "offline_access"
ENROL = "terminals.enrol"
LEVELS = ("L1", "L2", "L3")
"""Assurance levels from low to high, ``acr`` of tokens; a card's level says how its chip was proven at enrollment."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a client may be allowed.

    Attributes:
        least_level: the lowest ``acr`` at which a holder can allow it.
        silent_level: how surely a partner must have authenticated its customer to return to it without a redirect
            (``auth.oauth.token_exchange``); None for what only a redirect gives.
        by_operator: not for the holder's own card, but for the institution that has the holder as an operator.
    """

    name: str
    zh: str
    en: str
    least_level: str = "L1"
    silent_level: str | None = None
    by_operator: bool = False


SCOPES = {
    scope.name: scope
    for scope in (
        Scope(
            OPENID, "确认您持有电子社保卡（不提供姓名和号码）", "Know that you hold an electronic card, not who you are"
        ),
        Scope(
            OFFLINE,
            "在您不使用时继续访问，直至到期或您解除授权",
            "Keep access while you are away, until it ends or you end it",
        ),
        Scope("card.read", "查看您的电子社保卡状态", "See how your electronic card stands", "L2", silent_level="L1"),
        Scope(
            "card.present",
            "在其应用内展示您的电子社保卡二维码",
            "Show your card's code inside its own app",
            "L2",
            silent_level="L2",
        ),
        Scope(
            "card.uses",
            "查看在其应用内展示的二维码的使用记录",
            "See where codes that its own app has shown were used",
            "L2",
            silent_level="L2",
        ),
        Scope("card.report_loss", "为您的社保卡办理挂失", "Report your card lost", "L2"),
        Scope("card.unlink", "将您的电子社保卡从其应用中移除", "Take your card out of its app", "L2"),
        Scope("card.pay", "在其应用内为您的电子社保卡开通支付", "Open payment with your card in its app", "L3"),
        Scope(
            ENROL,
            "以本机构名义登记这一台终端",
            "Register this one terminal in the name of your institution",
            "L2",
            by_operator=True,
        ),
    )
}


def read_scopes(given: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """Read a scope parameter, each name once and in a fixed order; raises ``InvalidScopeError``."""
    names = given.split(" ")
    if len(set(names)) != len(names) or not set(names) <= set(allowed) & set(SCOPES):
        raise InvalidScopeError("A scope stands twice, is unknown or is not this client's")
    return tuple(name for name in SCOPES if name in names)


def reaches(level: str, least: str) -> bool:
    """Tell whether an assurance level is at least another one; an unknown level reaches nothing."""
    return level in LEVELS and LEVELS.index(level) >= LEVELS.index(least)
