"""What a terminal without a network does with a code (qr-code.md, B: "An offline terminal checks")."""

from collections.abc import Collection
from datetime import datetime, timedelta

from qr.acceptance_journal import Journal, acceptance
from qr.code import read_code
from qr.code_class import CodeClass
from qr.counter_code import UnverifiedCounterCode
from qr.errors import CannotTell
from qr.signed_code import LEEWAY, SignedCode, require_audience, require_class, require_live, verify_signed_code
from qr.signing_keys import CodeKeys
from qr.verification_keys import KeyList
from sm.sm2 import Provider

KEY_LIST_LIFE = timedelta(days=7)
"""How long a terminal believes a key list. A withdrawn key is refused offline only once a newer list has come."""


class OfflineVerifier:
    """One terminal's judgement without the service: its key list, its classes and groups, and its journal."""

    def __init__(
        self,
        key_list: KeyList,
        provider: Provider,
        journal: Journal,
        *,
        classes: Collection[CodeClass],
        audiences: Collection[int] = (),
        key_list_life: timedelta = KEY_LIST_LIFE,
    ) -> None:
        self._key_list = key_list
        self._keys = CodeKeys(key_list.ring, provider)
        self._journal = journal
        self._classes = frozenset(classes)
        self._audiences = frozenset(audiences)
        self._key_list_life = key_list_life

    def accept(self, scanned: str, at: datetime) -> SignedCode:
        """Take a code once; raise the Refusal that tells why not. What is returned stands in the journal already.

        A counter code is CannotTell: its meaning is kept by the service alone.
        """
        unverified = read_code(scanned)
        if isinstance(unverified, UnverifiedCounterCode):
            raise CannotTell("a counter code needs the service")
        self._require_key_list_in_force(at)
        code = verify_signed_code(unverified, self._keys, at)
        require_class(code, self._classes)
        require_audience(code, self._audiences)
        require_live(code, at)
        self._journal.record(acceptance(code.handle, scanned, at))
        return code

    def _require_key_list_in_force(self, at: datetime) -> None:
        # The list tells when it was signed: a clock before that is wrong, and no code's life can be judged by it.
        if at < self._key_list.issued_at - LEEWAY:
            raise CannotTell("the terminal's clock is behind its key list")
        if at >= self._key_list.issued_at + self._key_list_life:
            raise CannotTell("the key list is too old: fetch a new one")
