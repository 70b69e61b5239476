"""The PC/SC daemon: readers, cards coming and going, one exclusive connection. Nothing else imports `smartcard`.

The plain SCard calls are used: the layer above them keeps one context for the whole process and cannot lose it.
A result of "success" proves nothing here: a card pulled in mid-command answers success and no bytes. After an error the
answer buffer holds whatever lay in memory, so it is dropped unread.
"""

from smartcard import scard

from physical.chip.apdu import Octets, Transmission
from physical.chip.errors import CardMute, CardRemoved, ChipError, MalformedAnswer, ReaderUnavailable
from physical.chip.reader import Presence, ReaderDaemonGone, ReaderInUse

SHORTEST_ANSWER = 2  # SW1 SW2, ISO 7816-4 clause 5.1
EITHER_PROTOCOL = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
RESULT_BITS = 0xFFFFFFFF  # results are signed on some machines
TIMED_OUT = scard.SCARD_E_TIMEOUT & RESULT_BITS
NO_READERS = scard.SCARD_E_NO_READERS_AVAILABLE & RESULT_BITS
UNPLUGGED = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE

ERROR_OF_RESULT: dict[int, type[ChipError]] = {
    result & RESULT_BITS: error
    for result, error in (
        (scard.SCARD_E_NO_SERVICE, ReaderDaemonGone),
        (scard.SCARD_E_SERVICE_STOPPED, ReaderDaemonGone),
        (scard.SCARD_E_INVALID_HANDLE, ReaderDaemonGone),
        (scard.SCARD_F_COMM_ERROR, ReaderDaemonGone),
        (scard.SCARD_E_NO_SMARTCARD, CardRemoved),
        (scard.SCARD_W_REMOVED_CARD, CardRemoved),
        (scard.SCARD_W_RESET_CARD, CardRemoved),
        (scard.SCARD_W_UNPOWERED_CARD, CardRemoved),
        (scard.SCARD_E_NOT_TRANSACTED, CardRemoved),
        (scard.SCARD_W_UNRESPONSIVE_CARD, CardMute),
        (scard.SCARD_E_TIMEOUT, CardMute),
        (scard.SCARD_E_SHARING_VIOLATION, ReaderInUse),
    )
}


class PcscReader:
    """One reader by name (`CardReader`). Keeps a context to the daemon; makes a new one after the daemon was lost."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._context: int | None = None
        self._connection: PcscConnection | None = None
        self._last_state: int = scard.SCARD_STATE_UNAWARE

    def look(self, within_ms: int) -> Presence:
        context = self._living_context()
        result, states = scard.SCardGetStatusChange(context, within_ms, [(self._name, self._last_state)])
        if result & RESULT_BITS != TIMED_OUT:
            self._require_success(result)
        _, state, atr = states[0]
        self._last_state = state & ~scard.SCARD_STATE_CHANGED
        return read_presence(state, bytes(atr))

    def connect(self) -> Transmission:
        context = self._living_context()
        result, card, protocol = scard.SCardConnect(context, self._name, scard.SCARD_SHARE_EXCLUSIVE, EITHER_PROTOCOL)
        self._require_success(result)
        self._connection = PcscConnection(card, protocol)
        return self._connection.transmission

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        if self._connection is None:
            raise CardRemoved("the card is not connected")
        try:
            return self._connection.send_and_receive(apdu)
        except ReaderDaemonGone:
            self.release()
            raise

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
        self._connection = None

    def release(self) -> None:
        """Give back the connection and the context; the next call makes new ones. Never raises."""
        self.disconnect()
        if self._context is not None:
            scard.SCardReleaseContext(self._context)
        self._context = None
        self._last_state = scard.SCARD_STATE_UNAWARE

    def _living_context(self) -> int:
        if self._context is None:
            self._context = establish_context()
        return self._context

    def _require_success(self, result: int) -> None:
        try:
            require_success(result)
        except ReaderDaemonGone:
            self.release()
            raise


class PcscConnection:
    """An exclusive connection to one card: nobody else can send it commands once the PIN is verified."""

    def __init__(self, card: int, protocol: int) -> None:
        self._card = card
        on_contacts = protocol == scard.SCARD_PROTOCOL_T0
        self.transmission = Transmission.T0 if on_contacts else Transmission.TCL
        self._header = scard.SCARD_PCI_T0 if on_contacts else scard.SCARD_PCI_T1
        self._disposition = scard.SCARD_UNPOWER_CARD

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        """Send one command as it is; may block for ever on a mute card: run it in a process that can be killed."""
        try:
            unverified_answer = self._transmit(apdu)
        except CardRemoved:
            # Told to unpower a card that is gone, the daemon can miss the next one (pcsc-lite 1.9.9).
            self._disposition = scard.SCARD_LEAVE_CARD
            raise
        if len(unverified_answer) < SHORTEST_ANSWER:
            raise MalformedAnswer("the answer is shorter than a status word")
        answer = bytes(unverified_answer)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def disconnect(self) -> None:
        """Take the power from the card, so that nothing the PIN opened stays open. Never raises: it may be gone."""
        scard.SCardDisconnect(self._card, self._disposition)

    def _transmit(self, apdu: Octets) -> list[int]:
        result, unverified_answer = scard.SCardTransmit(self._card, self._header, list(apdu))
        require_success(result)
        if not unverified_answer:
            raise CardRemoved("the card was taken out in the middle of a command")
        return list(unverified_answer)


def list_readers() -> list[str]:
    """Return the names of all readers, in the daemon's order. Raises ReaderDaemonGone."""
    context = establish_context()
    try:
        result, names = scard.SCardListReaders(context, [])
        if result & RESULT_BITS == NO_READERS:
            return []
        require_success(result)
        return list(names)
    finally:
        scard.SCardReleaseContext(context)


def establish_context() -> int:
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    require_success(result)
    return int(context)


def read_presence(state: int, atr: bytes) -> Presence:
    """Read the state word of SCardGetStatusChange. Raises ReaderUnavailable for a reader that is not there."""
    if state & UNPLUGGED:
        raise ReaderUnavailable("no reader of this name is connected")
    return Presence(
        card_present=bool(state & scard.SCARD_STATE_PRESENT),
        mute=bool(state & scard.SCARD_STATE_MUTE),
        in_use=bool(state & scard.SCARD_STATE_EXCLUSIVE),
        atr=atr,
    )


def require_success(result: int) -> None:
    """Raise the error that a result of the daemon means."""
    code = result & RESULT_BITS
    if code == scard.SCARD_S_SUCCESS:
        return
    error = ERROR_OF_RESULT.get(code)
    if error is None:
        raise ReaderUnavailable(f"the reader's daemon answered {code:08X}")
    raise error
