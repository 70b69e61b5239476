"""What the chip of a virtual card does with each command (chip-card.md 1.6), above the level of transmission.

Each handler gives data and status word as a card would; order of checks: place, length, lock, proof, effect.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from physical.chip import card, card_keys
from physical.chip.apdu import Answer, Command
from physical.chip.files import AID_SSSE, FileId
from physical.chip.pin import challenge_proof
from physical.chip.profiles import HolderAccess
from physical.chip.status import SW, wrong_with
from physical.chip.tlv import read_records, write_node, write_record
from physical.chip.virtual_card_contents import CardContents, PinState
from sm.sm2 import Provider

_CHALLENGE_LENGTHS = frozenset({4, 8, 16})
_SEPARATOR = b"\xff"
_PACKED_PIN_LENGTHS = range(2, 7)
_PIN_PROOF_LENGTH = 16
_SHORT_FILE_NAME = bytes.fromhex("88011E")
_ELEMENTARY_FILES = frozenset({FileId.ISSUER, FileId.HOLDER})


@dataclass(slots=True)
class Session:
    """What a reset forgets: the selected application and file, the open challenge, and what was proven."""

    application: bytes | None = None
    file: int | None = None
    challenge: bytes | None = None
    proven_keys: set[int] = field(default_factory=set)
    pin_verified: bool = False

    def take_challenge(self) -> bytes | None:
        """Give the open challenge; it is good for one use."""
        challenge, self.challenge = self.challenge, None
        return challenge if challenge and len(challenge) == card.CHALLENGE_LENGTH else None


class ChipCommands:
    """The commands of one card over its contents."""

    def __init__(self, contents: CardContents, provider: Provider, randomness: Callable[[int], bytes]) -> None:
        self.contents = contents
        self._provider = provider
        self._randomness = randomness
        self.session = Session()
        self._handlers: dict[int, tuple[int, Callable[[Command], Answer]]] = {
            card.INS_SELECT: (0x00, self._select),
            card.INS_READ_RECORD: (0x00, self._read_record),
            card.INS_READ_BINARY: (0x00, self._read_binary),
            card.INS_GET_CHALLENGE: (0x00, self._get_challenge),
            card.INS_INTERNAL_AUTHENTICATE: (0x00, self._internal_authenticate),
            card.INS_EXTERNAL_AUTHENTICATE: (0x00, self._external_authenticate),
            card.INS_VERIFY: (0x00, self._verify),
            card.INS_CHANGE_PIN: (0x80, self._change_pin),
            card.INS_UNBLOCK: (0x84, self._unblock),
        }
        if contents.profile.pki:
            sign = contents.profile.pki.sign
            self._handlers[sign.ins] = (sign.cla, self._sign)
        self._classes = {cla for cla, _ in self._handlers.values()}

    def handle(self, command: Command) -> Answer:
        """Carry out one command."""
        if command.cla not in self._classes:
            return _say(SW.CLASS_UNKNOWN)
        if command.ins not in self._handlers:
            return _say(SW.INSTRUCTION_UNKNOWN)
        cla, handler = self._handlers[command.ins]
        return handler(command) if command.cla == cla else _say(SW.CLASS_UNKNOWN)

    # --- files ----------------------------------------------------------------------------------------------------

    def _select(self, command: Command) -> Answer:
        if command.p2:
            return _say(SW.WRONG_P1_P2)
        name = bytes(command.data)
        if command.p1 == card.SELECT_BY_NAME:
            return self._select_application(name)
        if command.p1 not in {card.SELECT_BY_FILE_ID, card.SELECT_ELEMENTARY_FILE}:
            return _say(SW.WRONG_P1_P2)
        if len(name) != 2:
            return _say(SW.WRONG_LENGTH)
        return self._select_file(command.p1, int.from_bytes(name, "big"))

    def _select_application(self, name: bytes) -> Answer:
        pki = self.contents.profile.pki
        if pki and name == pki.adf and self.session.application in {pki.aid, pki.adf}:
            self.session.application, self.session.file = name, None
            return Answer(b"", SW.OK)
        if name not in {AID_SSSE, pki.aid if pki else AID_SSSE}:
            return _say(SW.FILE_NOT_FOUND)
        if self.contents.blocked:
            return _say(SW.APPLICATION_BLOCKED)
        self.session = Session(application=name)  # what was proven to one application is nothing to another
        return Answer(self._file_control_information() if name == AID_SSSE else b"", SW.OK)

    def _file_control_information(self) -> bytes:
        algorithm = bytes((0x86, 0x01, self.contents.profile.algorithm.value))
        proprietary = write_node(0xA5, _SHORT_FILE_NAME, write_node(0x9F0C, algorithm))
        return write_node(0x6F, write_node(0x84, AID_SSSE), proprietary)

    def _select_file(self, p1: int, file_id: int) -> Answer:
        if p1 == card.SELECT_BY_FILE_ID and file_id == FileId.MASTER:
            self.session = Session()
            return Answer(b"", SW.OK)
        there = file_id in _ELEMENTARY_FILES if self._in_social_security() else file_id in self._pki_files()
        if not there:
            return _say(SW.FILE_NOT_FOUND)
        self.session.file = file_id
        return Answer(b"", SW.OK)

    def _read_record(self, command: Command) -> Answer:
        if not self._in_social_security() or self.session.file is None:
            return _say(SW.NO_FILE_SELECTED)
        if command.p2:
            return _say(SW.WRONG_P1_P2)
        if self.session.file == FileId.HOLDER and not self._may_read_holder():
            return _say(SW.SECURITY_NOT_SATISFIED)
        raw = self.contents.issuer_records if self.session.file == FileId.ISSUER else self.contents.holder_records
        for record in read_records(raw):
            if record.tag == command.p1:
                return Answer(write_record(*record), SW.OK)
        return _say(SW.RECORD_NOT_FOUND)

    def _may_read_holder(self) -> bool:
        free = self.contents.profile.holder_access is HolderAccess.FREE
        return free or card.KEY_ID_READ in self.session.proven_keys

    def _read_binary(self, command: Command) -> Answer:
        files = self._pki_files()
        if self.session.file not in files:
            return _say(SW.NO_FILE_SELECTED)
        body, offset = files[self.session.file], command.p1 << 8 | command.p2
        if body is None:
            return _say(SW.SECURITY_NOT_SATISFIED)
        if offset >= len(body):
            return _say(SW.WRONG_OFFSET)
        return Answer(body[offset : offset + command.le], SW.OK)

    def _pki_files(self) -> dict[int | None, bytes | None]:
        """Give the readable files of the certificate application; None for keys, which nobody reads."""
        pki, key = self.contents.profile.pki, self.contents.certificate_key
        if pki is None or key is None or self.session.application != pki.adf:
            return {}
        return {
            pki.public_key_file: pki.public_key_layout.prefix + key.public_key,
            pki.certificate_file: key.certificate.ljust(pki.certificate_file_length, b"\0"),
            FileId.SIGNING_PRIVATE_KEY: None,
            FileId.ENCRYPTION_PRIVATE_KEY: None,
        }

    # --- challenges and keys --------------------------------------------------------------------------------------

    def _get_challenge(self, command: Command) -> Answer:
        if command.p1 or command.p2:
            return _say(SW.WRONG_P1_P2)
        if command.data or command.le not in _CHALLENGE_LENGTHS:
            return _say(SW.WRONG_LENGTH)
        self.session.challenge = self._randomness(command.le)
        return Answer(self.session.challenge, SW.OK)

    def _internal_authenticate(self, command: Command) -> Answer:
        if command.p1 or command.p2 or not self._in_social_security():
            return _say(SW.KEY_NOT_FOUND)
        if len(command.data) != card.INTERNAL_CHALLENGE_LENGTH:
            return _say(SW.WRONG_LENGTH)
        return Answer(card_keys.internal_authentication(self.contents.keys.internal, bytes(command.data)), SW.OK)

    def _external_authenticate(self, command: Command) -> Answer:
        key = self.contents.proving_key(command.p2)
        if command.p1 or key is None or not self._in_social_security():
            return _say(SW.KEY_NOT_FOUND)
        if len(command.data) != card.EXTERNAL_BLOCK_LENGTH:
            return _say(SW.WRONG_LENGTH)
        if not self.contents.key_tries[command.p2]:
            return _say(SW.LOCKED)
        challenge = self.session.take_challenge()
        if challenge is None:
            return _say(SW.CHALLENGE_MISSING)
        return self._check_external(command, key, challenge)

    def _check_external(self, command: Command, key: bytes, challenge: bytes) -> Answer:
        given, data = bytes(command.data[:8]), bytes(command.data[8:])
        if not hmac.compare_digest(card_keys.external_authentication(key, challenge, data), given):
            self.contents.key_tries[command.p2] -= 1
            return _say(wrong_with(self.contents.key_tries[command.p2]))
        self.contents.key_tries[command.p2] = self.contents.profile.key_tries
        self.session.proven_keys.add(command.p2)
        return _say(SW.OK)

    # --- PINs -----------------------------------------------------------------------------------------------------

    def _verify(self, command: Command) -> Answer:
        pin, by_challenge = self._selected_pin(), not self._in_social_security()
        reference = (card.PKI_PIN_P1, card.PKI_PIN_P2) if by_challenge else (0x00, 0x00)
        if pin is None or (command.p1, command.p2) != reference:
            return _say(SW.KEY_NOT_FOUND)
        if not pin.tries_left:
            return _say(SW.LOCKED)
        if not command.data:
            return _say(wrong_with(pin.tries_left))
        if not by_challenge:
            return self._check_pin(pin, hmac.compare_digest(pin.packed, bytes(command.data)))
        return self._verify_by_challenge(pin, bytes(command.data))

    def _verify_by_challenge(self, pin: PinState, given: bytes) -> Answer:
        if len(given) != _PIN_PROOF_LENGTH:
            return _say(SW.WRONG_LENGTH)
        challenge = self.session.take_challenge()
        if challenge is None:
            return _say(SW.CHALLENGE_MISSING)
        return self._check_pin(pin, hmac.compare_digest(challenge_proof(pin.packed, challenge), given))

    def _check_pin(self, pin: PinState, right: bool) -> Answer:
        self.session.pin_verified = right
        if not right:
            pin.tries_left -= 1
            return _say(wrong_with(pin.tries_left))
        pin.tries_left = self._pin_tries()
        return _say(SW.OK)

    def _change_pin(self, command: Command) -> Answer:
        pin = self._selected_pin()
        if pin is None or (command.p1, command.p2) != (0x01, 0x00):
            return _say(SW.KEY_NOT_FOUND)
        old, separator, new = bytes(command.data).partition(_SEPARATOR)
        if not separator or not _is_packed_pin(new):
            return _say(SW.WRONG_DATA)
        if not pin.tries_left:
            return _say(SW.LOCKED)
        answer = self._check_pin(pin, hmac.compare_digest(pin.packed, old))
        if answer.status_word == SW.OK:
            pin.packed = new
        return answer

    def _unblock(self, command: Command) -> Answer:
        if not self._in_social_security() or (command.p1, command.p2) != (0x00, 0x01):
            return _say(SW.KEY_NOT_FOUND)
        if len(command.data) != card.UNBLOCK_BLOCK_LENGTH:
            return _say(SW.WRONG_LENGTH)
        if card.KEY_ID_UNBLOCK not in self.session.proven_keys:
            return _say(SW.SECURITY_NOT_SATISFIED)
        challenge = self.session.take_challenge()
        if challenge is None:
            return _say(SW.CHALLENGE_MISSING)
        return self._set_pin(challenge, bytes(command.data[:16]), bytes(command.data[16:]))

    def _set_pin(self, challenge: bytes, ciphertext: bytes, given_mac: bytes) -> Answer:
        key = self.contents.keys.unblock
        if not hmac.compare_digest(card_keys.unblock_mac(key, challenge, ciphertext), given_mac):
            return _say(SW.SECURE_MESSAGING_WRONG)
        new = card_keys.open_unblock_block(key, challenge, ciphertext)
        if not _is_packed_pin(new):
            return _say(SW.WRONG_DATA)
        self.contents.pin = PinState(new, self.contents.profile.pin_tries)
        return _say(SW.OK)

    # --- signature ------------------------------------------------------------------------------------------------

    def _sign(self, command: Command) -> Answer:
        pki, key = self.contents.profile.require_pki(), self.contents.certificate_key
        if key is None or self.session.application != pki.adf:
            return _say(SW.CONDITIONS_NOT_SATISFIED)
        if (command.p1, command.p2) != (pki.sign.p1, pki.sign.p2):
            return _say(SW.WRONG_P1_P2)
        if not self.session.pin_verified:
            return _say(SW.SECURITY_NOT_SATISFIED)
        if len(command.data) != card.DIGEST_LENGTH:
            return _say(SW.WRONG_LENGTH)
        signer = self._provider.signer(key.private_key, pki.user_id)
        return Answer(signer.sign_digest(bytes(command.data)), SW.OK)

    # --- where we are ---------------------------------------------------------------------------------------------

    def _in_social_security(self) -> bool:
        return self.session.application == AID_SSSE

    def _selected_pin(self) -> PinState | None:
        if self._in_social_security():
            return self.contents.pin
        pki = self.contents.profile.pki
        return self.contents.pki_pin if pki and self.session.application == pki.adf else None

    def _pin_tries(self) -> int:
        profile = self.contents.profile
        return profile.pin_tries if self._in_social_security() else profile.require_pki().pin_tries


def _is_packed_pin(given: bytes) -> bool:
    digits = given.hex()
    return len(given) in _PACKED_PIN_LENGTHS and (digits[:-1] + digits[-1].replace("f", "0")).isdecimal()


def _say(status_word: int) -> Answer:
    return Answer(b"", status_word)
