"""The process that talks to one reader. A mute card can block it for ever: its parent kills it and starts another."""

import ctypes
import signal
import sys
from multiprocessing.connection import Connection

from physical.chip.apdu import wipe
from physical.chip.errors import ChipError, MalformedAnswer
from physical.chip.pcsc import PcscReader, list_readers
from physical.chip.reader_wire import LONGEST_FRAME, OK, READY, Verb, write_failure, write_presence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(pipe: "Connection[bytes, bytes]", reader: PcscReader) -> None:
    """Answer requests until the parent closes its end of the pipe."""
    buffer = bytearray(LONGEST_FRAME)
    pipe.send_bytes(READY)
    try:
        while True:
            size = pipe.recv_bytes_into(buffer)
            pipe.send_bytes(reply_to(buffer[:size], reader))
            wipe(buffer)
    except EOFError:
        return
    finally:
        reader.release()


def reply_to(request: bytearray, reader: PcscReader) -> bytes:
    try:
        return OK + _perform(Verb(request[0]), request[1:], reader)
    except ChipError as error:
        return write_failure(error)
    finally:
        wipe(request)  # it can hold a PIN


def _perform(verb: Verb, body: bytearray, reader: PcscReader) -> bytes:
    match verb:
        case Verb.LOOK:
            return write_presence(reader.look(int.from_bytes(body, "big")))
        case Verb.CONNECT:
            return reader.connect().encode()
        case Verb.TRANSMIT:
            return _transmit(body, reader)
        case Verb.DISCONNECT:
            reader.disconnect()
            return b""
        case Verb.LIST:
            return "\n".join(list_readers()).encode()


def _transmit(apdu: bytearray, reader: PcscReader) -> bytes:
    try:
        data, status_word = reader.send_and_receive(apdu)
    finally:
        wipe(apdu)
    if len(data) > LONGEST_FRAME // 2:
        raise MalformedAnswer("the answer is longer than a short APDU allows")
    return data + status_word.to_bytes(2, "big")


def end_with_parent() -> None:
    """Be killed when the parent dies; a process that is blocked in the daemon would not see its pipe close."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe


if __name__ == "__main__":
    end_with_parent()
    serve(Connection(int(sys.argv[1])), PcscReader(sys.argv[2]))
