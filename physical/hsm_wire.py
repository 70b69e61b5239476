"""Host commands to a card HSM: frames over TCP, each of them authenticated in both directions.

    frame  = length of the rest (2, big-endian) ‖ body ‖ MAC (32)
    body   = command (1) ‖ request id (8) ‖ fields          field = length (2, big-endian) ‖ bytes
    MAC    = HMAC-SM3(key, direction "C" or "S" ‖ counter (8) ‖ body)

The first frame each way is HELLO with a nonce of 16 bytes, counter 0, under the link key (the server's covers the
client's nonce as well). After it both use HMAC-SM3(link key, label ‖ both nonces) and count from 1. So a frame cannot
be invented, changed, repeated, reordered, or carried to another connection. Frames are not encrypted: keys and PINs
are in none of them. An answer has its command's number with bit 8 set, and the same request id.
"""

import hmac
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sm.digest import hmac_sm3

LINK_KEY_LENGTH = 32
NONCE_LENGTH = 16
MAC_LENGTH = 32
ANSWER_BIT = 0x80
MAX_FIELDS = 8
_HEADER_LENGTH = 9  # command and request id
_MAX_FRAME = 4096  # the longest command has under 200 bytes
_SESSION_LABEL = b"card HSM link 1"
_CLIENT, _SERVER = b"C", b"S"


class HostCommand(IntEnum):
    """What a host may ask; CONTROL exists on the software HSM only."""

    HELLO = 0x01
    VERIFY_INTERNAL_AUTHENTICATION = 0x10
    EXTERNAL_AUTHENTICATION = 0x11
    HEALTH = 0x12
    CONTROL = 0x1F


class Outcome(IntEnum):
    """The first field of every answer but HELLO's."""

    DONE = 0x00
    NOT_AUTHENTIC = 0x01
    REFUSED = 0x02


class LinkBroken(Exception):
    """The link is closed, late, or talks nonsense (a wrong MAC included); it is of no further use."""


class Message(NamedTuple):
    """One command or answer."""

    command: int
    request_id: bytes
    fields: tuple[bytes, ...]


def read_link_key(given: str) -> bytes:
    """Read the link key from 64 hexadecimal digits; raise ValueError."""
    key = bytes.fromhex(given)
    if len(key) != LINK_KEY_LENGTH:
        raise ValueError("a link key has 32 bytes, 64 hexadecimal digits")
    return key


def write_body(message: Message) -> bytes:
    """Write command, request id and fields."""
    parts = [bytes((message.command,)), message.request_id]
    for field in message.fields:
        parts += [len(field).to_bytes(2, "big"), field]
    return b"".join(parts)


def read_body(unverified: bytes) -> Message:
    """Read command, request id and fields; raise LinkBroken for anything else."""
    if len(unverified) < _HEADER_LENGTH:
        raise LinkBroken("a frame is too short")
    fields: list[bytes] = []
    rest = unverified[_HEADER_LENGTH:]
    while rest:
        end = 2 + int.from_bytes(rest[:2], "big")
        if len(rest) < end or len(fields) == MAX_FIELDS:
            raise LinkBroken("the fields of a frame do not fit it")
        fields.append(rest[2:end])
        rest = rest[end:]
    return Message(unverified[0], unverified[1:_HEADER_LENGTH], tuple(fields))


@dataclass(slots=True)
class Link:
    """One end of an open connection; frames go out and come in under their own counters."""

    stream: socket.socket
    key: bytes
    sends: bytes
    receives: bytes
    clock: Callable[[], float] = time.monotonic
    sent: int = 0
    received: int = 0

    def send(self, message: Message, context: bytes = b"") -> None:
        """Send one frame; raise LinkBroken."""
        body = write_body(message)
        frame = body + self._mac(self.sends, self.sent, body, context)
        self.sent += 1
        try:
            self.stream.sendall(len(frame).to_bytes(2, "big") + frame)
        except OSError as error:
            raise LinkBroken("the link closed while sending") from error

    def receive(self, within: float | None = None, context: bytes = b"") -> Message:
        """Receive one frame and check its MAC; `within` seconds for the whole of it, None waits for ever."""
        deadline = None if within is None else self.clock() + within
        length = int.from_bytes(self._exactly(2, deadline), "big")
        if not _HEADER_LENGTH + MAC_LENGTH <= length <= _MAX_FRAME:
            raise LinkBroken("no frame has this length")
        frame = self._exactly(length, deadline)
        body, mac = frame[:-MAC_LENGTH], frame[-MAC_LENGTH:]
        if not hmac.compare_digest(self._mac(self.receives, self.received, body, context), mac):
            raise LinkBroken("the MAC of a frame is wrong")
        self.received += 1
        return read_body(body)

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()

    def _mac(self, direction: bytes, counter: int, body: bytes, context: bytes) -> bytes:
        return hmac_sm3(self.key, direction, counter.to_bytes(8, "big"), context, body)

    def _exactly(self, length: int, deadline: float | None) -> bytes:
        received = bytearray()
        while len(received) < length:
            received += self._some(length - len(received), deadline)
        return bytes(received)

    def _some(self, at_most: int, deadline: float | None) -> bytes:
        left = None if deadline is None else deadline - self.clock()
        if left is not None and left <= 0:
            raise LinkBroken("no answer in time")
        try:
            self.stream.settimeout(left)
            chunk = self.stream.recv(at_most)
        except OSError as error:
            raise LinkBroken("no answer in time, or the link closed") from error
        if not chunk:
            raise LinkBroken("the other end closed the link")
        return chunk


def open_link(
    address: tuple[str, int], key: bytes, within: float, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> Link:
    """Connect as the host and let the HSM prove the link key; raise LinkBroken."""
    try:
        stream = socket.create_connection(address, timeout=within)
    except OSError as error:
        raise LinkBroken("no connection to the HSM") from error
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link = Link(stream, key, sends=_CLIENT, receives=_SERVER)
    try:
        _greet(link, randomness(NONCE_LENGTH), within)
    except LinkBroken:
        link.close()
        raise
    return link


def _greet(link: Link, own_nonce: bytes, within: float) -> None:
    request_id = bytes(8)
    link.send(Message(HostCommand.HELLO, request_id, (own_nonce,)))
    answer = link.receive(within, context=own_nonce)
    if answer.command != HostCommand.HELLO | ANSWER_BIT:
        raise LinkBroken("the HSM did not answer the greeting")
    link.key = _session_key(link.key, own_nonce, _nonce_of(answer))


def accept_link(
    stream: socket.socket, key: bytes, within: float, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> Link:
    """Answer a host's greeting as the HSM; its first command proves that it has the link key. Raise LinkBroken."""
    link = Link(stream, key, sends=_SERVER, receives=_CLIENT)
    greeting = link.receive(within)
    if greeting.command != HostCommand.HELLO:
        raise LinkBroken("the host did not greet")
    host_nonce, own_nonce = _nonce_of(greeting), randomness(NONCE_LENGTH)
    link.send(Message(HostCommand.HELLO | ANSWER_BIT, greeting.request_id, (own_nonce,)), context=host_nonce)
    link.key = _session_key(key, host_nonce, own_nonce)
    return link


def _nonce_of(greeting: Message) -> bytes:
    if len(greeting.fields) != 1 or len(greeting.fields[0]) != NONCE_LENGTH:
        raise LinkBroken("a greeting has one nonce")
    return greeting.fields[0]


def _session_key(key: bytes, host_nonce: bytes, hsm_nonce: bytes) -> bytes:
    return hmac_sm3(key, _SESSION_LABEL, host_nonce, hsm_nonce)
