"""A reader behind a watchdog: its own process does the work and is killed when it gives no answer in time."""

import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from physical.chip.apdu import Octets, Transmission, wipe
from physical.chip.errors import CardMute, CardRemoved, ReaderUnavailable
from physical.chip.reader import Presence
from physical.chip.reader_wire import READY, Verb, read_presence, read_reply

IMPORT_ROOT = Path(__file__).resolve().parents[2]
START_WITHIN_SECONDS = 20.0
# No command of this card takes a second; cards may ask for more time (ISO 7816-3 clause 10.2), readers pass that on.
ANSWER_WITHIN_SECONDS = 10.0


@dataclass(frozen=True)
class Worker:
    """The reader process and our end of its pipe."""

    process: subprocess.Popen[bytes]
    pipe: "Connection[bytes, bytes]"

    def end(self) -> None:
        """Kill it: it holds nothing that needs an orderly end, and it may be blocked for ever."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class WatchedReader:
    """One reader by name (`CardReader`). A worker that stays silent is killed: CardMute; the next call has a new one.

    `pcsc_socket` is the socket of the daemon, None for the machine's own.
    """

    def __init__(
        self,
        name: str,
        *,
        answer_within: float = ANSWER_WITHIN_SECONDS,
        pcsc_socket: Path | None = None,
    ) -> None:
        self._name = name
        self._answer_within = answer_within
        self._pcsc_socket = pcsc_socket
        self._worker: Worker | None = None
        self._connected = False

    def look(self, within_ms: int) -> Presence:
        return read_presence(self._ask(Verb.LOOK, within_ms.to_bytes(4, "big"), within_ms / 1000))

    def connect(self) -> Transmission:
        transmission = Transmission(self._ask(Verb.CONNECT).decode())
        self._connected = True
        return transmission

    def send_and_receive(self, apdu: Octets) -> tuple[bytes, int]:
        if not self._connected:
            raise CardRemoved("the card is not connected")
        answer = self._ask(Verb.TRANSMIT, apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def disconnect(self) -> None:
        if self._connected:
            self._disconnect_worker()
        self._connected = False

    def close(self) -> None:
        """End the worker. The object may be used again; then it starts another."""
        self.disconnect()
        self._end_worker()

    def _disconnect_worker(self) -> None:
        try:
            self._ask(Verb.DISCONNECT)
        except (CardMute, ReaderUnavailable):
            self._end_worker()  # the daemon disconnects for a client that is gone

    def _ask(self, verb: Verb, body: Octets = b"", extra_seconds: float = 0.0) -> bytes:
        worker = self._living_worker()
        frame = bytearray([verb]) + body
        try:
            worker.pipe.send_bytes(frame)
            return read_reply(self._wait_for_reply(worker, extra_seconds))
        except (EOFError, OSError) as error:
            self._end_worker()
            raise ReaderUnavailable("the reader process ended") from error
        finally:
            wipe(frame)  # it can hold a PIN

    def _wait_for_reply(self, worker: Worker, extra_seconds: float) -> bytes:
        if not worker.pipe.poll(self._answer_within + extra_seconds):
            self._end_worker()
            raise CardMute(f"no answer within {self._answer_within:g} s")
        return worker.pipe.recv_bytes()

    def _living_worker(self) -> Worker:
        if self._worker is None:
            self._worker = start_worker(self._name, self._pcsc_socket)
        return self._worker

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
        self._worker = None
        self._connected = False


def list_readers(pcsc_socket: Path | None = None) -> list[str]:
    """Return the names of all readers of this machine. Raises ReaderUnavailable."""
    worker = start_worker("", pcsc_socket)
    try:
        worker.pipe.send_bytes(bytes([Verb.LIST]))
        if not worker.pipe.poll(ANSWER_WITHIN_SECONDS):
            raise ReaderUnavailable("the service of the card reader does not answer")
        return read_reply(worker.pipe.recv_bytes()).decode().splitlines()
    finally:
        worker.end()


def start_worker(reader: str, pcsc_socket: Path | None) -> Worker:
    """Start the process of one reader and wait until it listens. Raises ReaderUnavailable."""
    environment = ["env", f"PCSCLITE_CSOCK_NAME={pcsc_socket}"] if pcsc_socket else []
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*environment, sys.executable, "-m", "physical.chip.reader_process", str(theirs.fileno()), reader],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=IMPORT_ROOT,
        )
    worker = Worker(process, ours)
    if _is_ready(worker.pipe):
        return worker
    worker.end()
    raise ReaderUnavailable("the reader process did not start: is pyscard installed?")


def _is_ready(pipe: "Connection[bytes, bytes]") -> bool:
    try:
        return pipe.poll(START_WITHIN_SECONDS) and pipe.recv_bytes() == READY
    except EOFError:
        return False
