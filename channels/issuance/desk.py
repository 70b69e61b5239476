"""What issuing cards on a bank's word is handed by ``web.runtime``."""

from collections.abc import Callable
from dataclasses import dataclass, field

from auth.oauth.desk import OAuthDesk
from channels.bank_port import BankPort
from channels.desk import CarriageDesk
from channels.in_hand import InHand
from core.ground import Ground
from ecard.desk import EnrollmentDesk


@dataclass(frozen=True)
class IssuanceDesk:
    """What it needs beside the ground.

    ``cards`` signs the credentials; ``share`` draws a number from 0 to 1, by which tries are spread; ``in_hand`` are
    the channels whose banks this process is asking.
    """

    ground: Ground
    oauth: OAuthDesk
    cards: EnrollmentDesk
    carriage: CarriageDesk
    port: BankPort
    share: Callable[[], float]
    in_hand: InHand = field(default_factory=InHand)
