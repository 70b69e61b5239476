"""Faults that a virtual card can be told to have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and at which command: the first after they were set is number 1.

    A card that fell mute or was removed stays so until it is reset; `garble_every` spoils each answer.
    """

    mute_on: int | None = None
    remove_on: int | None = None
    garble_on: int | None = None
    garble_every: bool = False
    delay_seconds: float = 0.0


NO_FAULTS = Faults()
