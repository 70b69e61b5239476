"""Statements of a day (T+1): prove that a file is the service's and read its rows, to compare it with your own."""

import csv
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from asn1crypto import x509

from ecard_client import sm2
from ecard_client.errors import NotProven
from ecard_client.signing import load_certificate, public_key_of, require_chain

STATEMENT_PURPOSE = "2.25.330270700068479664757145747184371710072"
USER_ID = b"ESSC-STATEMENT-1"
_FORMAT, _END, _SIGNATURE_FORMAT = "ESSC-STATEMENT-1", "ESSC-STATEMENT-END", "ESSC-STATEMENT-SIGNATURE-1"
_MOST_CERTIFICATES = 4
_PIECE = 1 << 20


@dataclass(frozen=True)
class Statement:
    """A file that was proven; ``rows`` reads it from its beginning, row by row."""

    owner: str
    day: str
    count: int
    _file: IO[bytes]

    def rows(self) -> Iterator[dict[str, str]]:
        """Give each row by the names of its columns."""
        self._file.seek(0)
        self._file.readline()
        names = _cells(self._file.readline())
        for _ in range(self.count):
            yield dict(zip(names, _cells(self._file.readline()), strict=True))


def prove_statement(
    pinned: str, file: IO[bytes], signature: str, *, owner: str, day: str, now: float | None = None
) -> Statement:
    """Prove that a file is the service's for this owner and day, whole and unchanged; raises ``NotProven``.

    Args:
        pinned: the ministry's certificate, PEM.
        file: all parts of the file one after the other.
        signature: what the service gave beside it.
        owner: your channel (chn_…).
        day: such as 2026-11-20.
        now: as of when certificates are judged, seconds since 1970; the clock's if left out.
    """
    chain, signed = _read_signature(signature)
    public_key = _prove_signer(chain, pinned, time.time() if now is None else now)
    digest = sm2.start_message(public_key, USER_ID)
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
    sm2.verify_digest(public_key, digest.digest(), signed)
    count = _require_whole(file)
    head = (_FORMAT, "channel", owner, day, str(count))
    file.seek(0)
    if tuple(_cells(file.readline())) != head:
        raise NotProven("the statement is of another owner or day")
    return Statement(owner, day, count, file)


def _read_signature(given: str) -> tuple[list[x509.Certificate], bytes]:
    try:
        envelope: Any = json.loads(given)
        if (envelope["format"], envelope["user_id"]) != (_SIGNATURE_FORMAT, USER_ID.decode()):
            raise NotProven("this is no signature of a statement")
        chain = [x509.Certificate.load(bytes.fromhex(one), strict=True) for one in envelope["certificates"]]
        signature = bytes.fromhex(envelope["signature"])
    except (ValueError, KeyError, TypeError) as fault:
        raise NotProven("the signature of the statement cannot be read") from fault
    if not 0 < len(chain) <= _MOST_CERTIFICATES:
        raise NotProven("the signature of the statement has no certificates")
    return chain, signature


def _prove_signer(chain: list[x509.Certificate], pinned: str, now: float) -> bytes:
    at, leaf = datetime.fromtimestamp(now, UTC), chain[0]
    if not leaf.not_valid_before <= at < leaf.not_valid_after:
        raise NotProven("the certificate of the statement is not valid now")
    require_chain(leaf, chain[1:], load_certificate(pinned), at, STATEMENT_PURPOSE)
    return public_key_of(leaf)


def _require_whole(file: IO[bytes]) -> int:
    """Count the rows and hold the last line to them: the SM3 of all bytes before it, and how many rows they are."""
    file.seek(0)
    digest, lines, last = hashlib.new("sm3"), 0, b""
    for line in file:
        digest.update(last)
        last, lines = line, lines + 1
    count = lines - 3
    if _cells(last) != [_END, str(count), digest.hexdigest()]:
        raise NotProven("the statement is not whole")
    return count


def _cells(line: bytes) -> list[str]:
    return next(csv.reader([line.decode()]), [])
