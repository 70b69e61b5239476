"""APDUs in the log, on a level and a logger of their own, without personal data.

Shown is what is known to be harmless; everything else is counted, not shown: holder data, certificates, commands
that are not in the list below. A command that carries a PIN leaves one word.
"""

import logging

from physical.chip.apdu import INS_GET_RESPONSE, Command, Connection, Octets, read_command
from physical.chip.card import (
    INS_CHANGE_PIN,
    INS_EXTERNAL_AUTHENTICATE,
    INS_GET_CHALLENGE,
    INS_INTERNAL_AUTHENTICATE,
    INS_READ_BINARY,
    INS_READ_RECORD,
    INS_SELECT,
    INS_SIGN,
    INS_UNBLOCK,
    INS_VERIFY,
    SELECT_BY_NAME,
)
from physical.chip.errors import MalformedCommand
from physical.chip.files import FileId, Tag
from physical.chip.status import SW, SW1_MORE_DATA, SW1_WRONG_LE

APDU_LEVEL = 5  # below DEBUG: nobody sees APDUs who did not ask for them
APDU_LOGGER = "chip.apdu"

_PIN_COMMANDS = frozenset({INS_VERIFY, INS_CHANGE_PIN, INS_UNBLOCK, 0x2C})  # 2C: ISO's own RESET RETRY COUNTER
_OPEN_COMMANDS = frozenset(
    {
        INS_SELECT,
        INS_GET_CHALLENGE,
        INS_INTERNAL_AUTHENTICATE,
        INS_EXTERNAL_AUTHENTICATE,
        INS_SIGN,
        INS_READ_RECORD,
        INS_READ_BINARY,
        INS_GET_RESPONSE,
    }
)
_HARMLESS_RECORDS = frozenset({Tag.CARD_CLASS, Tag.VERSION, Tag.INSTITUTION, Tag.ISSUED_ON, Tag.EXPIRES_ON})


class TracedConnection:
    """A connection that writes each command and answer to the log and passes both on unchanged."""

    def __init__(self, connection: Connection, logger: logging.Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._selected: int | None = None
        self._answer_masked = True

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Send a command APDU; return data and status word."""
        self._logger.log(APDU_LEVEL, "> %s", self._note(apdu))
        data, status_word = self._connection.send_and_receive(apdu)
        if status_word != SW.OK and status_word >> 8 not in {SW1_MORE_DATA, SW1_WRONG_LE}:
            self._selected = None  # whatever is selected now, it is not known to be harmless
        self._logger.log(APDU_LEVEL, "< %s %04X", self._shown(data), status_word)
        return data, status_word

    def _note(self, apdu: Octets) -> str:
        """Follow which file is selected, decide about the coming answer, and give what may be shown."""
        try:
            command = read_command(apdu)
        except MalformedCommand:
            self._answer_masked = True
            return f"[{len(apdu)} bytes that are no command]"
        if command.ins == INS_SELECT:
            self._selected = _file_selected_by(command)
        if command.ins != INS_GET_RESPONSE:  # which brings the rest of the answer before it
            self._answer_masked = self._hides_answer(command)
        return _shown_command(command.ins, apdu)

    def _hides_answer(self, command: Command) -> bool:
        if command.ins == INS_READ_RECORD:
            return self._selected != FileId.ISSUER or command.p2 != 0 or command.p1 not in _HARMLESS_RECORDS
        if command.ins == INS_READ_BINARY:
            return self._selected != FileId.SIGNING_PUBLIC_KEY
        return command.ins not in _OPEN_COMMANDS

    def _shown(self, data: bytes) -> str:
        if self._answer_masked and data:
            return f"[{len(data)} bytes masked]"
        return data.hex() or "-"


def _shown_command(ins: int, apdu: Octets) -> str:
    if ins in _PIN_COMMANDS:
        return "[PIN command]"
    if ins not in _OPEN_COMMANDS:
        return f"{apdu[:4].hex()} [{len(apdu) - 4} bytes masked]"
    return apdu.hex()


def _file_selected_by(command: Command) -> int | None:
    if command.p1 == SELECT_BY_NAME or len(command.data) != 2:
        return None
    return int.from_bytes(command.data, "big")


def name_apdu_level() -> None:
    """Give the level its name in log lines; called once, by a program's start."""
    logging.addLevelName(APDU_LEVEL, "APDU")
