"""Where the PIN comes from: a pin pad behind one method. The PIN is a bytearray that its user wipes."""

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from physical.chip.apdu import wipe
from physical.chip.errors import ChipError, NextStep, Wording
from physical.chip.pin import MAX_PIN_DIGITS

CONTROLLING_TERMINAL = "/dev/tty"
LINE_ENDS = b"\r\n"


class PinNotEntered(ChipError):
    """The holder gave no PIN, or the pin pad is gone."""

    code = "pin_not_entered"
    title = Wording("未输入密码", "No PIN was entered")
    next_step = NextStep.START_AGAIN


class PinPad(Protocol):
    def read_pin(self) -> bytearray:
        """Ask the holder; return ASCII digits that the caller wipes. Raises PinNotEntered."""


class FdPinPad:
    """One line for each PIN from an open file descriptor: a pin pad's driver, or a test."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read_pin(self) -> bytearray:
        return read_line(self._fd)


class PromptPinPad:
    """The keyboard of the terminal this process runs in, without echo."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def read_pin(self) -> bytearray:
        try:
            terminal = os.open(CONTROLLING_TERMINAL, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise PinNotEntered("there is no terminal to ask for the PIN") from error
        try:
            return self._ask(terminal)
        finally:
            os.close(terminal)

    def _ask(self, terminal: int) -> bytearray:
        with _no_echo(terminal):  # before the prompt: a quick hand would be echoed
            os.write(terminal, self._prompt.encode())
            pin = read_line(terminal)
        os.write(terminal, b"\n")
        return pin


def read_line(fd: int) -> bytearray:
    """Read up to the end of a line, byte by byte into one buffer that is wiped. Raises PinNotEntered."""
    buffer, one, length = bytearray(MAX_PIN_DIGITS), bytearray(1), 0
    try:
        while _read_byte(fd, one) and one[0] not in LINE_ENDS:
            if length == MAX_PIN_DIGITS:
                raise PinNotEntered("that is longer than a PIN")
            buffer[length] = one[0]
            length += 1
        if not length:
            raise PinNotEntered
        return buffer[:length]
    finally:
        wipe(buffer)
        wipe(one)


def _read_byte(fd: int, one: bytearray) -> int:
    try:
        return os.readv(fd, [one])
    except OSError as error:
        raise PinNotEntered("the pin pad cannot be read") from error


@contextmanager
def _no_echo(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    silent = before.copy()
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
