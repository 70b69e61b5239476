"""One enrollment, message by message: each may be left out, repeated, changed, or sent by somebody else."""

from typing import Any

import httpx
import sqlalchemy as sa

from cli.phone import Phone
from cli.till import Till
from ecard.models import electronic_cards, enrollments
from physical.chip.binding import CARD_USER_ID, Binding, device_key_digest, holder_digest, internal_challenge
from physical.chip.files import read_ef05
from physical.chip.presented_card import PresentedCard, present_card
from physical.chip.terminal_messages import Completion, Hello
from physical.chip.virtual_card import VirtualCard
from physical.register import ChipCard, get_chip_card
from sm.sm2 import PrivateKey
from tests.service import PROVIDER, Service

STEPS = ("open", "begin", "hello", "complete", "confirm")
PIN = b"271828"


class Attempt:
    """A phone, a reader (``till``) and a card; what is not given is made anew."""

    def __init__(
        self, service: Service, *, till: Till | None = None, card: VirtualCard | None = None, phone: Phone | None = None
    ) -> None:
        self.service = service
        self.till = till or service.add_till()
        self.card = card or service.make_card()
        self.phone = phone or service.phone()
        self.session: dict[str, Any] = {}
        self.id = ""
        self.service_nonce = b""
        self.sent: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.presented: PresentedCard | None = None

    # ── The five steps as they should be ─────────────────────────────────────────────────────────────────────────

    def until(self, last: str) -> "Attempt":
        """Play the steps up to and including ``last``; each must succeed."""
        for step in STEPS[: STEPS.index(last) + 1]:
            answer: httpx.Response = getattr(self, step)()
            assert answer.is_success, f"{step}: {answer.text}"
            self.answers[step] = answer.json()
        return self

    def open(self) -> httpx.Response:
        answer = self.till.send("POST", "/v1/terminal-sessions", {"operator": "op-1"})
        self.session = answer.json()
        return answer

    def begin(self, phone: Phone | None = None) -> httpx.Response:
        answer = (phone or self.phone).begin(self.session["display"])
        if answer.is_success:
            self.id = answer.json()["id"]
            self.service_nonce = bytes.fromhex(answer.json()["service_nonce"])
        return answer

    def hello(self, till: Till | None = None, **changes: Any) -> httpx.Response:
        """Say hello with what the card says; a second time with the same, so that it is the same message."""
        if "hello" not in self.sent:
            self.sent["hello"] = self.read_hello()
        answer = self.send("hello", self.sent["hello"] | changes, till)
        if answer.is_success:
            self.answers["hello"] = answer.json()
        return answer

    def complete(self, till: Till | None = None, **changes: Any) -> httpx.Response:
        """Complete with what the card signs; a second time with the same."""
        if "complete" not in self.sent:
            self.sent["complete"] = self.read_completion() if "hello" in self.answers else self.invented_completion()
        return self.send("complete", self.sent["complete"] | changes, till)

    def invented_completion(self) -> dict[str, Any]:
        """What a reader sends that never got the card to sign."""
        records, nothing = self.card.contents.holder_records, bytes(64)
        return Completion(holder_data=records, signature=nothing, default_pin=False).as_json()

    def confirm(self, chip_card: str = "", *, confirmed: bool = True, phone: Phone | None = None) -> httpx.Response:
        return (phone or self.phone).confirm(self.id, chip_card or self.chip.id, confirmed=confirmed)

    # ── Beside them ──────────────────────────────────────────────────────────────────────────────────────────────

    def abandon(
        self, reason: str = "wrong_pin", tries_left: int | None = 5, till: Till | None = None
    ) -> httpx.Response:
        return self.send("abandon", {"reason": reason, "pin_tries_left": tries_left}, till)

    def look(self, phone: Phone | None = None) -> httpx.Response:
        return (phone or self.phone).look(self.id)

    def send(self, message: str, body: Any, till: Till | None = None) -> httpx.Response:
        return (till or self.till).send("POST", f"/v1/enrollments/{self.id}/{message}", body)

    @property
    def state(self) -> str:
        return str(self.look().json()["state"])

    @property
    def refusal(self) -> str | None:
        refused = self.look().json()["refusal"]
        return refused and str(refused["code"])

    @property
    def row(self) -> Any:
        """The enrollment as the database has it."""
        return self._first(sa.select(enrollments).where(enrollments.c.id == self.id))

    @property
    def chip(self) -> ChipCard:
        """The chip card as the register has it."""
        code = read_ef05(self.card.contents.issuer_records).card_identification_code
        with self.service.database.transaction() as connection:
            return get_chip_card(connection, code)

    @property
    def electronic_card(self) -> Any:
        """The e-card of this chip as the database has it, None if there is none."""
        return self._first(sa.select(electronic_cards).where(electronic_cards.c.chip_card == self.chip.id))

    def _first(self, query: Any) -> Any:
        with self.service.database.transaction() as connection:
            return connection.execute(query).first()

    # ── What the reader asks of the card ─────────────────────────────────────────────────────────────────────────

    def read_hello(self, *, terminal: str | None = None, device_key_sm3: bytes | None = None) -> dict[str, Any]:
        """Let the card in the slot show and prove itself to this enrollment."""
        self.card.reset()
        self.presented = present_card(self.card, self.card.atr)
        challenge = internal_challenge(
            self.id,
            self.service_nonce,
            terminal or self.till.terminal,
            device_key_sm3 or device_key_digest(self.phone.jwk),
        )
        authentication = self.presented.authenticate(challenge)
        certificate = self.presented.certificate()
        tries_left = self.presented.pin_tries_left(for_signature=certificate is not None)
        return Hello(
            atr=self.presented.shown.atr,
            interface=self.presented.profile.interface.value,
            algorithm=self.presented.shown.algorithm.name,
            issuer_data=self.presented.shown.issuer_records,
            internal_authentication=authentication,
            certificate=certificate,
            challenge=self.presented.draw_challenge(),
            pin_tries_left=tries_left,
            round_trip_ms=12,
        ).as_json()

    def read_completion(self, *, default_pin: bool = False, **changes: Any) -> dict[str, Any]:
        """Open EF06, enter the PIN and have the card sign the binding, with ``changes`` of the binding."""
        assert self.presented is not None
        answer = self.answers["hello"]
        records = self.presented.open_holder_records(bytes.fromhex(answer["external_authentication"]))
        for_signature = answer["proof"] == "signature"
        self.presented.verify_pin(bytearray(b"123456" if default_pin else PIN), for_signature=for_signature)
        signature = self.presented.sign(self.binding(records, **changes)) if for_signature else None
        return Completion(holder_data=records, signature=signature, default_pin=default_pin).as_json()

    def binding(self, records: bytes, **changes: Any) -> Binding:
        assert self.presented is not None
        stated: dict[str, Any] = {
            "enrollment": self.id,
            "service_nonce": self.service_nonce,
            "terminal_nonce": bytes.fromhex(self.session["terminal_nonce"]),
            "terminal": self.till.terminal,
            "device_key_sm3": device_key_digest(self.phone.jwk),
            "card_identification_code": self.presented.shown.issuer.card_identification_code,
            "holder_sm3": holder_digest(records),
        }
        return Binding(**stated | changes)

    def sign_as(self, private_key: PrivateKey, binding: Binding) -> str:
        """Sign a binding with some key, as a forger would who has no card."""
        return PROVIDER.signer(private_key, CARD_USER_ID).sign(binding.encode()).hex()
