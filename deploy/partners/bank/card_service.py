"""The card service, as the bank uses it: one method for each thing that the bank asks of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from bank.authorization import Authorization, Token
from bank.calls import Call

PAGE = 100


class SignedCalls(Protocol):
    """Sends calls that the bank signs as a channel; the answers are verified."""

    def call(self, call: Call) -> dict[str, Any]:
        """Send a call; raises ``CardServiceRefused`` and ``CardServiceSilent``."""

    def fetch(self, call: Call) -> bytes:
        """Send a call that is answered with a file; raises the same."""


@dataclass(frozen=True, slots=True)
class CardService:
    """Calls with a holder's token, and calls that the bank signs."""

    authorization: Authorization
    channel: SignedCalls

    # ── with a token ─────────────────────────────────────────────────────────────────────────────────────────────

    def sign_carriage(self, token: Token, out_request_no: str) -> dict[str, Any]:
        """Sign the card in the bank's app; the same number again gives the same answer."""
        return self.authorization.call(token, _post("/v1/carriages", out_request_no=out_request_no))

    def view(self, token: Token, seen: int) -> dict[str, Any]:
        """See how the card stands here; result 006 where that is news."""
        return self.authorization.call(token, _get("/v1/carriage", seen=seen))

    def code(self, token: Token, use: str, kind: str) -> dict[str, Any]:
        """Ask for a code to show."""
        return self.authorization.call(token, _post("/v1/carriage/codes", **{"class": use, "kind": kind}))

    def uses(self, token: Token) -> list[dict[str, Any]]:
        """See where codes shown in this app were taken."""
        return list(self.authorization.call(token, _get("/v1/carriage/uses", limit=20))["items"])

    def report_loss(self, token: Token, out_request_no: str) -> dict[str, Any]:
        """Report the chip card lost."""
        return self.authorization.call(token, _post("/v1/carriage/loss-reports", out_request_no=out_request_no))

    def end(self, token: Token, out_request_no: str) -> dict[str, Any]:
        """Take the card out of this app, and end the link."""
        return self.authorization.call(token, _post("/v1/carriage/end", out_request_no=out_request_no))

    # ── signed by the bank ───────────────────────────────────────────────────────────────────────────────────────

    def ask_issuance(self, out_request_no: str, *, number: str, name: str, phone: str) -> dict[str, Any]:
        """Ask for an electronic card on this bank's word."""
        asked = {"out_request_no": out_request_no, "social_security_number": number, "name": name, "phone": phone}
        return self.channel.call(_post("/v1/bank-issuances", **asked))

    def issuance(self, name: str) -> dict[str, Any]:
        """See how far an issuance is."""
        return self.channel.call(_get(f"/v1/bank-issuances/{name}"))

    def carriage(self, name: str) -> dict[str, Any]:
        """See how a card in the bank's app stands."""
        return self.channel.call(_get(f"/v1/carriages/{name}"))

    def end_carriage(self, name: str, out_request_no: str) -> dict[str, Any]:
        """Take a card out of the bank's app; under the number of an ending with a token it is the same act."""
        return self.channel.call(_post(f"/v1/carriages/{name}/end", out_request_no=out_request_no))

    def carriages(self) -> Iterator[dict[str, Any]]:
        """See all of them."""
        after: str | None = None
        while True:
            page = self.channel.call(_get("/v1/carriages", limit=PAGE, after=after))
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def statement(self, day: str, part: int) -> bytes:
        """Fetch a part of the file of a day."""
        return self.channel.fetch(_get(f"/v1/channel/statements/{day}", part=part))

    def statement_signature(self, day: str) -> bytes:
        """Fetch the signature of the file of a day."""
        return self.channel.fetch(_get(f"/v1/channel/statements/{day}/signature"))

    def news(self, after: int) -> Mapping[str, Any]:
        """Read a page of the bank's news behind a position."""
        return self.channel.call(_get("/v1/news", after=after, limit=PAGE))


def _get(path: str, **query: object) -> Call:
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return Call("GET", f"{path}?{given}" if given else path)


def _post(path: str, **body: str) -> Call:
    return Call("POST", path, json.dumps(body, ensure_ascii=False).encode())
