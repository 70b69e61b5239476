"""Where the PIN comes from: one line, never longer than a PIN, never echoed."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from physical.chip.pinpad import FdPinPad, PinNotEntered


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def typed(pipe: tuple[int, int], *, text: bytes) -> FdPinPad:
    os.write(pipe[1], text)
    os.close(pipe[1])
    return FdPinPad(pipe[0])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["line", "carriage return", "end of file"])
def test_a_pin_is_one_line(pipe, end):
    assert typed(pipe, text=b"271828" + end).read_pin() == bytearray(b"271828")


def test_each_read_takes_one_line(pipe):
    pad = typed(pipe, text=b"1234\n271828\n")
    assert [bytes(pad.read_pin()), bytes(pad.read_pin())] == [b"1234", b"271828"]


def test_twelve_digits_are_a_pin_and_thirteen_are_not(pipe):
    pad = typed(pipe, text=b"123456789012\n1234567890123\n")
    assert len(pad.read_pin()) == 12
    with pytest.raises(PinNotEntered):
        pad.read_pin()


@pytest.mark.parametrize("text", [b"", b"\n"], ids=["nothing", "an empty line"])
def test_nothing_is_no_pin(pipe, text):
    with pytest.raises(PinNotEntered):
        typed(pipe, text=text).read_pin()


def test_a_closed_pin_pad_gives_no_pin():
    with pytest.raises(PinNotEntered):
        FdPinPad(1_000_000).read_pin()


PROMPT = """
import os
from physical.chip.pinpad import PromptPinPad
pin = PromptPinPad("PIN: ").read_pin()
os.write(1, b"length %d\\n" % len(pin))
"""

# Runs a program on a terminal of its own, types the PIN when asked, and writes down what the terminal showed.
ON_A_TERMINAL = """
import os, pty, sys
child, terminal = pty.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
shown = b""
while not shown.endswith(b"PIN: "):
    shown += os.read(terminal, 100)
os.write(terminal, b"271828\\n")
try:
    while part := os.read(terminal, 100):
        shown += part
except OSError:
    pass
os.waitpid(child, 0)
sys.stdout.buffer.write(shown)
"""


def test_a_prompted_pin_is_not_shown():
    command = [sys.executable, "-c", ON_A_TERMINAL, PROMPT]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert b"271828" not in shown
    assert b"length 6" in shown


def test_without_a_terminal_there_is_no_prompt():
    command = [sys.executable, "-c", PROMPT]
    done = subprocess.run(command, capture_output=True, check=False, start_new_session=True)
    assert b"there is no terminal to ask for the PIN" in done.stderr
