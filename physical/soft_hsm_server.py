"""The software HSM's side of the wire, and the faults it can be told to have."""

import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any

from physical.hsm import CardHsm, CardNotAuthentic, HostClient, HsmRefused, read_reference
from physical.hsm_wire import ANSWER_BIT, HostCommand, Link, LinkBroken, Message, Outcome, accept_link, write_body

GREET_WITHIN_SECONDS = 5.0
_REFERENCE_FIELDS = 3


class FailMode(StrEnum):
    """What goes wrong with every command but CONTROL."""

    NONE = "none"
    REFUSE = "refuse"
    HANG = "hang"
    GARBLE = "garble"
    DROP = "drop"
    SLOW = "slow"


class SoftHsmServer(socketserver.ThreadingTCPServer):
    """Serves one HSM to hosts that have the link key."""

    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True

    def __init__(
        self,
        address: tuple[str, int],
        hsm: CardHsm,
        link_key: bytes,
        fail: FailMode = FailMode.NONE,
        delay_seconds: float = 1.0,
    ) -> None:
        super().__init__(address, _Conversation)
        self.hsm = hsm
        self.link_key = link_key
        self.fail = fail
        self.delay_seconds = delay_seconds
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()

    @contextmanager
    def running(self) -> Iterator[int]:
        """Serve in a thread of its own; give the port; stop cleanly at the end."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self.server_address[1]
        finally:
            self._stop()
            thread.join()

    def _stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        for stream in tuple(self._open):
            with suppress(OSError):  # it closed by itself in this moment
                stream.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that the end of the server ends it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def answer(self, message: Message) -> tuple[bytes, ...]:
        """Carry out one command and give the fields of its answer."""
        try:
            return (bytes((Outcome.DONE,)), *self._carry_out(message.command, message.fields))
        except CardNotAuthentic:
            return (bytes((Outcome.NOT_AUTHENTIC,)),)
        except HsmRefused as refusal:
            return _refusal(str(refusal))
        except ValueError:  # fields that are too few, too many, or not of their shape
            return _refusal("malformed_command")

    def _carry_out(self, command: int, fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
        if command == HostCommand.HEALTH:
            return tuple(part.encode() for part in self.hsm.health())
        if command == HostCommand.CONTROL:
            (mode,) = fields
            self.fail = FailMode(mode.decode("ascii"))
            return ()
        card = read_reference(fields[:_REFERENCE_FIELDS])
        if command == HostCommand.VERIFY_INTERNAL_AUTHENTICATION:
            challenge, unverified_answer = fields[_REFERENCE_FIELDS:]
            self.hsm.verify_internal_authentication(card, challenge, unverified_answer)
            return ()
        if command == HostCommand.EXTERNAL_AUTHENTICATION:
            (card_random,) = fields[_REFERENCE_FIELDS:]
            return self.hsm.external_authentication(card, card_random)
        raise HsmRefused("unknown_command")


class _Conversation(socketserver.BaseRequestHandler):
    """One connection: greeting, then commands one after the other."""

    server: SoftHsmServer

    def handle(self) -> None:
        try:
            link = accept_link(self.request, self.server.link_key, GREET_WITHIN_SECONDS)
            while not self.server.stopping.is_set():
                self._serve_one(link)
        except (LinkBroken, OSError):
            return  # the host went away, or is none of ours

    def _serve_one(self, link: Link) -> None:
        message = link.receive()
        fail = FailMode.NONE if message.command == HostCommand.CONTROL else self.server.fail
        if fail is FailMode.HANG:
            self.server.stopping.wait()
        if fail in {FailMode.HANG, FailMode.DROP}:
            raise LinkBroken("told to")
        if fail is FailMode.SLOW:
            self.server.stopping.wait(self.server.delay_seconds)
        fields = _refusal("told_to_refuse") if fail is FailMode.REFUSE else self.server.answer(message)
        answer = Message(message.command | ANSWER_BIT, message.request_id, fields)
        if fail is FailMode.GARBLE:
            _send_garbled(link, answer)
        else:
            link.send(answer)


def _send_garbled(link: Link, answer: Message) -> None:
    frame = write_body(answer) + secrets.token_bytes(32)
    link.stream.sendall(len(frame).to_bytes(2, "big") + frame)


def _refusal(reason: str) -> tuple[bytes, ...]:
    return bytes((Outcome.REFUSED,)), reason.encode()


def set_fail_mode(address: tuple[str, int], link_key: bytes, mode: FailMode) -> None:
    """Tell a running software HSM to fail from now on, or to stop failing."""
    client = HostClient(address, link_key)
    try:
        client.call(HostCommand.CONTROL, mode.value.encode())
    finally:
        client.close()
