"""How a channel stands, and where it may move from there (feature row 2)."""

from channels.errors import TransitionNotAllowed

TRANSITIONS = {
    "applied": ("sandbox", "closed"),
    "sandbox": ("reviewed", "closed"),
    "reviewed": ("live", "sandbox", "closed"),
    "live": ("suspended", "closed"),
    "suspended": ("live", "closed"),
    "closed": (),
}
STANDINGS = tuple(TRANSITIONS)
MAY_CALL = ("sandbox", "reviewed", "live")
"""Standings in which a channel's signature counts; what is about holders asks for ``live`` besides."""
STOPS = "suspended"
"""The one standing to which one operator alone moves a channel: it only takes away."""
_BEST_LAST = ("closed", "suspended", "applied", "sandbox", "reviewed", "live")


def require_transition(standing: str, to: str) -> None:
    """Raise ``TransitionNotAllowed`` unless a channel moves from one standing to the other."""
    if to not in TRANSITIONS.get(standing, ()):
        raise TransitionNotAllowed(f"from {standing} a channel moves to {' or '.join(TRANSITIONS[standing]) or 'none'}")


def effective_standing(own: str, above: str | None) -> str:
    """Tell how a channel stands in effect: a second-tier one no better than the first-tier one above it."""
    return own if above is None else min(own, above, key=_BEST_LAST.index)


def stands_below(standing: str, other: str) -> bool:
    """Tell whether the first standing is worse than the other."""
    return _BEST_LAST.index(standing) < _BEST_LAST.index(other)
