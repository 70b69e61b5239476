"""A terminal proves itself: the signed request of the real service, verified by libcrypto."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from sm.digest import sm3
from sm.errors import SmError
from sm.signed_request import SignedHeader, base_string, read_header
from sm.sm2 import Verifier

_FIND = """
SELECT p.id, p.standing, p.purposes, i.id, i.scopes, k.public_key, k.not_before, k.not_after, k.withdrawn_at
FROM parties p JOIN institutions i ON i.id = p.institution JOIN party_keys k ON k.party = p.id
WHERE p.id = %s AND k.serial = %s
"""
_PARTY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal that signed this request, and what proves it."""

    id: str
    institution: str
    purposes: frozenset[str]
    evidence: tuple[Any, ...]


class Parties:
    """Finds registered parties; what was found is believed for half a second."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._known: dict[tuple[str, str], tuple[float, Any]] = {}
        self.verifier = lru_cache(maxsize=10_000)(state.provider.verifier)

    async def find(self, header: SignedHeader) -> Any:
        """Give the row of a party with the key that signed."""
        name = header.app_id, header.serial_no
        known = self._known.get(name)
        if known and time.monotonic() < known[0]:
            return known[1]
        async with self._state.connections.take() as connection:
            cursor = await connection.execute(_FIND, name, prepare=True)
            row = await cursor.fetchone()
        self._known[name] = time.monotonic() + _PARTY_SECONDS, row
        return row


async def proven_terminal(request: Request) -> Terminal:
    """Check the signature; the nonce is spent in the route's transaction."""
    parties: Parties = request.app.state.parties
    body = await request.body()
    try:
        header = read_header(request.headers.get("authorization", ""))
        base = base_string(request.method, request.url.path, header.timestamp, header.nonce, body)
        row = await parties.find(header)
        now = time.time()
        millis = int(now * 1000)
        valid = row and row[1] == "active" and row[8] is None and row[6] <= millis < row[7] and "redeem" in row[4]
        if not valid or abs(now - header.timestamp) > 300:
            raise HTTPException(401)
        verifier: Verifier = parties.verifier(bytes.fromhex(row[5]))
        verifier.verify(base, header.signature)
    except SmError as error:
        raise HTTPException(401) from error
    evidence = (
        row[0],
        header.nonce,
        header.serial_no,
        sm3(base).hex(),
        header.signature.hex(),
        header.timestamp * 1000,
        millis,
    )
    return Terminal(row[0], row[3], frozenset(row[2]), evidence)


ProvenTerminal = Annotated[Terminal, Depends(proven_terminal)]
