from dataclasses import dataclass

from auth.login.desk import LoginDesk
from channels.desk import CarriageDesk
from core.ground import Ground
from ecard.desk import PasswordDesk


@dataclass(frozen=True)
class SandboxDesk:
    """What made-up cards need beside the ground; put together by ``web.app`` of what others stand on."""

    ground: Ground
    login: LoginDesk
    passwords: PasswordDesk
    carriage: CarriageDesk
