"""Whose a statement is: an institution's, of what its terminals took, or a channel's, of what was shown in its app."""

from dataclasses import dataclass
from typing import Literal, get_args

OwnerKind = Literal["institution", "channel"]
OWNER_KINDS: tuple[OwnerKind, ...] = get_args(OwnerKind)


@dataclass(frozen=True, slots=True)
class Owner:
    """An institution (ins_…) or a channel (chn_…)."""

    kind: OwnerKind
    id: str
