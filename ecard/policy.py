"""What each assurance level may do: a table, not code (chip-card.md section 3)."""

from dataclasses import dataclass

from ecard.errors import LevelTooLow


@dataclass(frozen=True, slots=True)
class Policy:
    """Uses a level may show codes for, and whether it may pay."""

    uses: frozenset[str]
    payment: bool


POLICIES = {
    "L3": Policy(frozenset({"identity", "medical", "merchant", "gate", "test"}), payment=True),
    "L2": Policy(frozenset({"identity", "medical", "merchant", "gate", "test"}), payment=False),
    "L1": Policy(frozenset({"identity", "merchant", "gate", "test"}), payment=False),
}


def require_use(level: str, use: str) -> None:
    """Refuse a use that this level does not reach; raises ``LevelTooLow``."""
    if use not in POLICIES[level].uses:
        raise LevelTooLow(f"{use} needs a level above {level}")


def may_pay(level: str, *, default_pin: bool) -> bool:
    """Tell whether a card may pay: never while its chip still has the PIN everybody knows."""
    return POLICIES[level].payment and not default_pin
