"""What the bank signs, and what the card service has signed: requests, answers, news. The client library does it."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from ecard_client import AnswerKeys, NotProven, SigningKey, sm2, verify_news
from ecard_client import types as t
from ecard_client.signing import ANSWER_HEADER, serial_in, sign_answer, sign_request

from bank.calls import AnswerNotProven, Call, Calling, CardServiceRefused, CardServiceSilent, Proven, Signed
from bank.place import Home, NotReady, Partner
from bank.port import Arrived

SIGNING = "signing.pem"
KEPT_SECONDS = 3600.0
"""How long published keys are believed before they are fetched again; one that is not known is asked for at once."""


def make_signing_key(home: Home) -> None:
    """Make the bank's SM2 key, unless it is there."""
    if not home.key(SIGNING).exists():
        home.write(home.key(SIGNING), sm2.draw_key().write_pem())


def load_signing_key(home: Home) -> SigningKey:
    """Open it; raises ``NotReady``."""
    try:
        return sm2.read_key(home.key(SIGNING).read_bytes())
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.key(SIGNING)} is missing or no key: `python -m bank keys` makes it") from error


def show_signing_key(home: Home) -> str:
    """Write the public key as the card centre's operators take it: 64 bytes in hexadecimal digits."""
    return load_signing_key(home).public_key.hex()


@dataclass
class PublishedKeys:
    """The card service's keys as it publishes them, held to the ministry's certificate; kept for an hour."""

    calling: Calling
    platform: AnswerKeys
    now: Callable[[], float] = time.time
    _news: t.NewsKeys | None = None
    _fetched: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def platform_keys(self, serial: str) -> AnswerKeys:
        """Give the keys, fetched anew where this serial number is not among them; raises ``NotProven``."""
        with self._lock:
            if not self.platform.has(serial) or self._is_old("platform"):
                self.platform.take(self._fetch("platform", "/v1/platform-certificates"), self.now())
            return self.platform

    def news_keys(self, *, anew: bool) -> t.NewsKeys:
        """Give the keys that sign news; ``anew`` asks for them again."""
        with self._lock:
            if anew or self._news is None or self._is_old("news"):
                self._news = t.NewsKeys(keys=self._fetch("news", "/v1/news-keys")["keys"])
            return self._news

    def _fetch(self, name: str, path: str) -> dict[str, Any]:
        try:
            published = self.calling.send(Call("GET", path), lambda _: {})
        except (CardServiceRefused, CardServiceSilent) as away:
            raise NotProven("the card service's keys cannot be fetched") from away
        self._fetched[name] = self.now()
        return published

    def _is_old(self, name: str) -> bool:
        return self.now() >= self._fetched.get(name, 0.0) + KEPT_SECONDS


@dataclass(frozen=True)
class ChannelProofs:
    """Signs as the bank's channel, and verifies what the card service has signed."""

    partner: Partner
    calling: Calling
    published: PublishedKeys
    key: SigningKey = field(repr=False)
    now: Callable[[], float] = time.time

    def call(self, call: Call) -> dict[str, Any]:
        """Send a signed call and verify the answer; raises ``CardServiceRefused`` and ``CardServiceSilent``."""
        return self.calling.send(call, *self._signing())

    def fetch(self, call: Call) -> bytes:
        """Send a signed call that is answered with a file, and verify the answer; raises the same."""
        return self.calling.fetch(call, *self._signing())

    def _signing(self) -> tuple[Signed, Proven]:
        """Give how each try is signed, and how its answer is verified."""
        nonces: list[str] = []

        def signed(sent: Call) -> dict[str, str]:
            nonces.append(secrets.token_hex(16))
            return {"Authorization": self._sign(sent, nonces[-1])}

        return signed, lambda sent, answer: self._verify(sent, answer, nonces[-1])

    def verify_request(self, arrived: Arrived) -> str:
        """Verify the card service's signature and its time; return the nonce. Raises ``NotProven``."""
        keys = self.published.platform_keys(serial_in(arrived.authorization))
        request = {"method": arrived.method, "target": arrived.target}
        return keys.verify_request(arrived.authorization, **request, body=arrived.body, now=self.now())

    def sign_answer(self, *, status: int, target: str, nonce: str, body: bytes) -> str:
        """Sign an answer for the request with this nonce; return the value of ``ESSC-Signature``."""
        answer: dict[str, Any] = {"status": status, "target": target, "nonce": nonce, "body": body}
        return sign_answer(self.key, serial_no=self.partner.serial, timestamp=int(self.now()), **answer)

    def verify_news(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        """Verify one of the signatures of a piece of news, and its time, and give it back. Raises ``NotProven``."""
        try:
            return verify_news(self.published.news_keys(anew=False), headers, body, self.now())
        except NotProven:  # or its key is newer than what is known
            return verify_news(self.published.news_keys(anew=True), headers, body, self.now())

    def _sign(self, call: Call, nonce: str) -> str:
        return sign_request(
            self.key,
            app_id=self.partner.channel,
            serial_no=self.partner.serial,
            method=call.method,
            target=call.target,
            body=call.body,
            timestamp=int(self.now()),
            nonce=nonce,
        )

    def _verify(self, call: Call, answer: httpx.Response, nonce: str) -> None:
        """Let through what was signed for this request; a refusal of the signature itself cannot be signed."""
        header = answer.headers.get(ANSWER_HEADER, "")
        if answer.status_code == httpx.codes.UNAUTHORIZED and not header:
            return
        given: dict[str, Any] = {"status": answer.status_code, "target": call.target, "body": answer.content}
        try:
            self.published.platform_keys(serial_in(header)).verify(header, nonce=nonce, now=self.now(), **given)
        except NotProven as error:
            raise AnswerNotProven(str(error)) from error


def open_proofs(home: Home, partner: Partner, calling: Calling, now: Callable[[], float] = time.time) -> ChannelProofs:
    """Open the bank's key and the pinned certificate; raises ``NotReady``."""
    try:
        pinned = AnswerKeys(home.ministry.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.ministry} is missing: the ministry's certificate, from the card centre") from error
    return ChannelProofs(partner, calling, PublishedKeys(calling, pinned, now), load_signing_key(home), now)
