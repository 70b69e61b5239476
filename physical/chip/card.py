"""One session for each application of the card, over any `Connection`.

`SocialSecurityApplication` reads who the card is and proves both sides to each other; `PkiApplication` signs.
A session holds no secret: PINs come as bytearrays that the caller wipes, and leave no copy behind.
"""

from dataclasses import dataclass

from physical.chip.apdu import MAX_ANSWER_DATA, CardConversation, Command, Connection, Transmission, wipe
from physical.chip.errors import MalformedAnswer, RecordNotFound
from physical.chip.fields import FieldFormat
from physical.chip.files import (
    AID_SSSE,
    EF05_FIELDS,
    EF06_FIELDS,
    FileId,
    HolderData,
    IssuerData,
    read_ef05,
    read_ef06,
)
from physical.chip.pin import challenge_proof, pack_change, pack_pin
from physical.chip.profiles import Algorithm, CardProfile
from physical.chip.status import SW, counter_of, require_key_accepted, require_pin_accepted, require_success
from physical.chip.tlv import Node, read_nodes, read_record
from sm.errors import InvalidKey
from sm.sm2 import read_public_key

CHALLENGE_LENGTH = 8
INTERNAL_CHALLENGE_LENGTH = 16  # rnd8 ‖ data8
AUTHENTICATION_LENGTH = 8
EXTERNAL_BLOCK_LENGTH = 16  # auth8 ‖ data8
UNBLOCK_BLOCK_LENGTH = 20
DIGEST_LENGTH = 32

INS_VERIFY = 0x20
INS_UNBLOCK = 0x24
INS_CHANGE_PIN = 0x5E
INS_EXTERNAL_AUTHENTICATE = 0x82
INS_GET_CHALLENGE = 0x84
INS_INTERNAL_AUTHENTICATE = 0x88
INS_SELECT = 0xA4
INS_READ_BINARY = 0xB0
INS_READ_RECORD = 0xB2
INS_SIGN = 0x2A  # PERFORM SECURITY OPERATION

SELECT_BY_FILE_ID = 0x00
SELECT_ELEMENTARY_FILE = 0x02
SELECT_BY_NAME = 0x04

KEY_ID_UPDATE = 0x04  # UK(SSSE)
KEY_ID_UNBLOCK = 0x06  # PUK
KEY_ID_READ = 0x0A  # RK(SSSE)
PKI_PIN_P1, PKI_PIN_P2 = 0x01, 0x81

_READ_CHUNK = 0xF0  # of READ BINARY; well inside one short answer
_FCI_TEMPLATE, _FCI_PROPRIETARY, _FCI_ISSUER_DATA = 0x6F, 0xA5, 0x9F0C
_ALGORITHM_ITEM = bytes.fromhex("8601")  # stands before the algorithm in 9F0C (chip-card.md 1.5)
_DER_SEQUENCE_LONG = b"\x30\x82"  # a certificate has between 256 and 65,535 bytes


@dataclass(frozen=True, slots=True)
class Selected:
    """What SELECT tells of the social security application."""

    algorithm: Algorithm


class _Session:
    """What both applications have in common: sending, and the PIN that each of them keeps for itself."""

    def __init__(self, connection: Connection, transmission: Transmission) -> None:
        self._conversation = CardConversation(connection, transmission)

    def get_challenge(self, length: int = CHALLENGE_LENGTH) -> bytes:
        """Draw 4, 8 or 16 random bytes from the card; it accepts one answer to them."""
        return self._send_expecting(Command(0x00, INS_GET_CHALLENGE, 0x00, 0x00, le=length), length)

    def change_pin(self, old: bytearray, new: bytearray) -> None:
        """Change the PIN of the selected application.

        Raises:
            PinUnusable, WrongPin (of the old one), PinLocked
        """
        packed = pack_change(old, new)
        try:
            self._send_pin(Command(0x80, INS_CHANGE_PIN, 0x01, 0x00, packed, secret=True))
        finally:
            wipe(packed)

    def _select(self, p1: int, name: bytes) -> bytes:
        return self._send(Command(0x00, INS_SELECT, p1, 0x00, name, le=MAX_ANSWER_DATA))

    def _send(self, command: Command) -> bytes:
        answer = self._conversation.send(command)
        require_success(answer.status_word)
        return answer.data

    def _send_expecting(self, command: Command, length: int) -> bytes:
        data = self._send(command)
        if len(data) != length:
            raise MalformedAnswer(f"{length} bytes were expected")
        return data

    def _send_pin(self, command: Command) -> None:
        require_pin_accepted(self._conversation.send(command).status_word)

    def _ask_tries(self, p1: int, p2: int, when_verified: int) -> int:
        status_word = self._conversation.send(Command(0x00, INS_VERIFY, p1, p2)).status_word
        tries = counter_of(status_word)
        if tries is not None:
            return tries
        if status_word == SW.LOCKED:
            return 0
        require_success(status_word)  # ISO 7816-4 clause 11.6.6: 9000 when verification is not required any more
        return when_verified


class SocialSecurityApplication(_Session):
    """The application SSSE: issuer data, holder data, the card's symmetric proofs and its plain PIN."""

    def __init__(self, connection: Connection, profile: CardProfile) -> None:
        super().__init__(connection, profile.transmission)
        self._profile = profile

    def select(self) -> Selected:
        """Select the application; every later command of this session relies on it.

        Raises:
            FileNotFound: not a social security card
            ApplicationBlocked: only an outlet can help
        """
        return Selected(_read_algorithm(self._select(SELECT_BY_NAME, AID_SSSE)))

    def read_record(self, tag: int) -> bytes:
        """Read one record of the selected file by its tag; tag, length and value as the card gives them.

        By tag, never by number: the numbers differ between generations (chip-card.md 1.3).
        """
        raw = self._send(Command(0x00, INS_READ_RECORD, tag, 0x00, le=MAX_ANSWER_DATA))
        if read_record(raw).tag != tag:
            raise MalformedAnswer("the card gave another record than the one asked for")
        return raw

    def issuer_records(self) -> bytes:
        """Read EF05, free to read: the concatenated records as the card gives them."""
        return self._read_file(FileId.ISSUER, EF05_FIELDS)

    def issuer_data(self) -> IssuerData:
        """Read EF05 and its meaning."""
        return read_ef05(self.issuer_records())

    def internal_authenticate(self, challenge: bytes) -> bytes:
        """Let the card prove its key IRK over 16 bytes (rnd8 ‖ data8); 8 bytes."""
        _require_length(challenge, INTERNAL_CHALLENGE_LENGTH)
        command = Command(0x00, INS_INTERNAL_AUTHENTICATE, 0x00, 0x00, challenge, le=AUTHENTICATION_LENGTH)
        return self._send_expecting(command, AUTHENTICATION_LENGTH)

    def external_authenticate(self, block: bytes, key_id: int = KEY_ID_READ) -> None:
        """Prove RK(SSSE) to the card with auth8 ‖ data8 over its last challenge: EF06 opens.

        Raises:
            WrongAuthentication, KeyLocked, KeyNotFound, ChallengeMissing
        """
        _require_length(block, EXTERNAL_BLOCK_LENGTH)
        command = Command(0x00, INS_EXTERNAL_AUTHENTICATE, 0x00, key_id, block)
        require_key_accepted(self._conversation.send(command).status_word)

    def holder_records(self) -> bytes:
        """Read EF06: the concatenated records as the card gives them, which both sides hash.

        Raises:
            SecurityNotSatisfied: `external_authenticate` first
        """
        return self._read_file(FileId.HOLDER, EF06_FIELDS)

    def holder_data(self) -> HolderData:
        """Read EF06 and its meaning."""
        return read_ef06(self.holder_records())

    def verify_pin(self, pin: bytearray) -> None:
        """Verify the plain PIN of the application.

        Raises:
            PinUnusable, WrongPin, PinLocked
        """
        packed = pack_pin(pin)
        try:
            self._send_pin(Command(0x00, INS_VERIFY, 0x00, 0x00, packed, secret=True))
        finally:
            wipe(packed)

    def tries_left(self) -> int:
        """Ask how many wrong PINs the card still takes, without using one up; 0 = locked."""
        return self._ask_tries(0x00, 0x00, self._profile.pin_tries)

    def unblock_pin(self, block: bytes) -> None:
        """Set a new PIN with a block that the HSM made over the card's last challenge (see card_keys.unblock_block).

        Raises:
            SecurityNotSatisfied: prove PUK first · ChallengeMissing · SecureMessagingWrong
        """
        _require_length(block, UNBLOCK_BLOCK_LENGTH)
        self._send(Command(0x84, INS_UNBLOCK, 0x00, 0x01, block, secret=True))

    def _read_file(self, file_id: int, fields: tuple[FieldFormat, ...]) -> bytes:
        self._send(Command(0x00, INS_SELECT, SELECT_ELEMENTARY_FILE, 0x00, file_id.to_bytes(2, "big")))
        return b"".join(self._read_if_there(field) for field in fields)

    def _read_if_there(self, field: FieldFormat) -> bytes:
        try:
            return self.read_record(field.tag)
        except RecordNotFound:
            if field.required:
                raise
            return b""  # older generations lack some records: 4E came with 2.0


class PkiApplication(_Session):
    """The certificate application of a 3.0 card: certificate, public key, PIN by challenge, signature."""

    def __init__(self, connection: Connection, profile: CardProfile) -> None:
        super().__init__(connection, profile.transmission)
        self._pki = profile.require_pki()

    def select(self) -> None:
        """Select the application, then its ADF."""
        self._select(SELECT_BY_NAME, self._pki.aid)
        self._select(SELECT_BY_NAME, self._pki.adf)

    def certificate(self) -> bytes:
        """Read the signing certificate: DER, without the padding of its file."""
        self._select_file(self._pki.certificate_file)
        head = self._read_binary(0, 4)
        if head[:2] != _DER_SEQUENCE_LONG:
            raise MalformedAnswer("a certificate was expected")
        length = 4 + int.from_bytes(head[2:], "big")
        if length > self._pki.certificate_file_length:
            raise MalformedAnswer("a certificate longer than its file")
        return head + self._read_range(4, length)

    def public_key(self) -> bytes:
        """Read the signing public key: 64 bytes x ‖ y, checked to be on the curve."""
        layout = self._pki.public_key_layout
        self._select_file(self._pki.public_key_file)
        raw = self._read_binary(0, layout.length)
        if not raw.startswith(layout.prefix):
            raise MalformedAnswer("a public key was expected")
        try:
            return read_public_key(raw[len(layout.prefix) :])
        except InvalidKey:
            raise MalformedAnswer("the public key is not on the curve") from None

    def verify_pin(self, pin: bytearray) -> None:
        """Prove the PIN over a fresh challenge of the card; the PIN itself does not travel.

        Raises:
            PinUnusable, WrongPin, PinLocked
        """
        packed = pack_pin(pin)
        try:
            proof = challenge_proof(packed, self.get_challenge())
        finally:
            wipe(packed)
        self._send_pin(Command(0x00, INS_VERIFY, PKI_PIN_P1, PKI_PIN_P2, proof, secret=True))

    def tries_left(self) -> int:
        """Ask how many wrong PINs the application still takes, without using one up; 0 = locked."""
        return self._ask_tries(PKI_PIN_P1, PKI_PIN_P2, self._pki.pin_tries)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign e = SM3(Z ‖ message), 32 bytes, with the card's key; 64 bytes r ‖ s.

        Raises:
            SecurityNotSatisfied: `verify_pin` first
        """
        _require_length(digest, DIGEST_LENGTH)
        sign = self._pki.sign
        command = Command(sign.cla, sign.ins, sign.p1, sign.p2, digest, le=sign.signature_length)
        return self._send_expecting(command, sign.signature_length)

    def _select_file(self, file_id: int) -> None:
        self._send(Command(0x00, INS_SELECT, SELECT_BY_FILE_ID, 0x00, file_id.to_bytes(2, "big")))

    def _read_range(self, start: int, end: int) -> bytes:
        chunks = range(start, end, _READ_CHUNK)
        return b"".join(self._read_binary(offset, min(_READ_CHUNK, end - offset)) for offset in chunks)

    def _read_binary(self, offset: int, length: int) -> bytes:
        return self._send_expecting(Command(0x00, INS_READ_BINARY, offset >> 8, offset & 0xFF, le=length), length)


def _require_length(value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueError(f"{length} bytes are needed")


def _read_algorithm(unverified_fci: bytes) -> Algorithm:
    """Find the algorithm in 6F › A5 › 9F0C; a card that names none is an old one (DES)."""
    values = {node.tag: node.value for node in _fci_items(unverified_fci)}
    issuer_data = values.get(_FCI_ISSUER_DATA)
    if issuer_data is None:
        return Algorithm.DES
    if len(issuer_data) != 3 or not issuer_data.startswith(_ALGORITHM_ITEM):
        raise MalformedAnswer("the card does not name its algorithm")
    try:
        return Algorithm(issuer_data[-1])
    except ValueError:
        raise MalformedAnswer("the card names an algorithm that does not exist") from None


def _fci_items(unverified_fci: bytes) -> tuple[Node, ...]:
    template = [node for node in read_nodes(unverified_fci) if node.tag == _FCI_TEMPLATE]
    inner = [node for node in (template[0].children if template else ()) if node.tag == _FCI_PROPRIETARY]
    return inner[0].children if inner else ()
