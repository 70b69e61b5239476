from dataclasses import dataclass

from core.audit import AuditTrail
from core.clock import Clock
from core.database import Database
from core.ephemeral import Ephemeral
from core.sealed_fields import SealedFields
from core.settings import Settings


@dataclass(frozen=True)
class Ground:
    """What every package stands on: settings, time, storage and the audit trail, made once by ``web.runtime``."""

    settings: Settings
    clock: Clock
    database: Database
    ephemeral: Ephemeral
    audit: AuditTrail
    fields: SealedFields
