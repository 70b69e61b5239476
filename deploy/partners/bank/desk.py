"""What customers do with the card in the bank's app; each act is written down before the card service is asked."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ecard_client.tokens import draw_es256_key

from bank.acts import (
    CHECK,
    END,
    ISSUE,
    LOSS,
    PAY,
    SIGN,
    SIGNED,
    UNCONFIRMED,
    Act,
    begin_act,
    end_act,
    list_open,
    name_issuance,
    new_number,
    refuse_act,
)
from bank.authorization import JourneyRefused, Token, has_ended
from bank.calls import CardServiceRefused, CardServiceSilent
from bank.card_service import CardService
from bank.cards import Card, end_card, find_card, keep_view, note_loss, note_shown
from bank.customers import Customer
from bank.database import Database
from bank.ledger import note_code, note_uses
from bank.links import Journey, Link, end_link, find_link, keep_journey, keep_link, take_journey
from bank.sessions import Session
from bank.unanswered import OLD_SECONDS, Sent, Unanswered

_LINKED = "openid offline_access card.read card.present card.uses"
SCOPES = {
    SIGN: _LINKED,
    CHECK: _LINKED,
    PAY: f"{_LINKED} card.pay",
    LOSS: "openid card.report_loss",
    END: "openid card.unlink",
}
_LEVELS = {CHECK: "L3", PAY: "L3"}
"""A login at L3 takes the card's password, or the chip."""
UNLINKED = "003"
UNAUTHORIZED = 401
NOT_USABLE = "card_not_usable"
"""The link stands, but its card is stopped: lost, or paused by one of the two sides."""

Answer = TypeVar("Answer")


class NotLinked(Exception):
    """This customer has no card in the app."""


class LinkEnded(NotLinked):
    """There was a link, and it has ended: a redirect makes it anew."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a customer's card stands, and what is to be said of it.

    Attributes:
        card: None where there is none in the app.
        is_changed: whether it stands otherwise than the customer was shown last, and not by what was done here.
        is_silent: whether the card service did not answer, so that this is what the bank knew already.
    """

    card: Card | None
    is_changed: bool = False
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """The bank's side of everything; made once."""

    database: Database
    service: CardService
    now: Callable[[], float] = time.time
    unanswered: Unanswered = field(default_factory=Unanswered)

    @property
    def seconds(self) -> int:
        return int(self.now())

    # ── by redirect: link, prove the password, open payment, report loss, unlink ─────────────────────────────────

    def begin_journey(self, customer: str, act: str) -> str:
        """Push a request for an act and return the address to which the customer's browser goes."""
        app_key = draw_es256_key()
        begun, address = self.service.authorization.begin(SCOPES[act], app_key, _LEVELS.get(act, ""))
        journey = Journey(customer, act, new_number(act), begun, app_key)
        with self.database.transaction() as connection:
            keep_journey(connection, journey, self.seconds)
        return address

    def finish_journey(self, customer: str, came_back: Mapping[str, str]) -> str:
        """Take the customer's browser back, do the act, and return its result.

        Raises ``JourneyRefused``, ``CardServiceRefused`` and ``CardServiceSilent``; after the last one the act is open
        and ``go_on`` sends it again.
        """
        with self.database.transaction() as connection:
            journey = take_journey(connection, came_back.get("state", ""), customer, self.seconds)
        if journey is None:
            raise JourneyRefused("other_journey")
        token, subject = self.service.authorization.finish(journey.begun, came_back, journey.app_key)
        self._begin_act(journey, subject)
        self.service.authorization.forget(subject)
        return self._send(Sent(token, subject, journey))

    def go_on(self) -> None:
        """Send again what was not answered, each under its number; then give up what no token can go on with."""
        for sent in self.unanswered.list(self.now()):
            try:
                self._send(sent)
            except (CardServiceRefused, CardServiceSilent):
                continue  # written down, or kept for the next time
        with self.database.transaction() as connection:
            left = [*list_open(connection, END), *list_open(connection, LOSS)]
        for act in left:
            if act.begun_at <= self.seconds - OLD_SECONDS and not self.unanswered.has(act.out_request_no):
                self._give_up(act)

    def _begin_act(self, journey: Journey, subject: str) -> None:
        """Write the act down, and whose card it is: that was proven in this login, whatever becomes of the act."""
        with self.database.transaction() as connection:
            link = find_link(connection, journey.customer)
            if journey.act in (LOSS, END) and (link is None or link.subject != subject):
                raise JourneyRefused("other_holder")
            begin_act(connection, journey.out_request_no, journey.customer, journey.act, self.seconds)
            if journey.act in SIGNED:
                keep_link(connection, Link(journey.customer, subject, journey.app_key), self.seconds)

    def _send(self, sent: Sent) -> str:
        """Do an act, for the first time or again; one without an answer is kept."""
        try:
            result = self._do(sent.token, sent.subject, sent.journey)
        except CardServiceSilent:
            self.unanswered.keep(sent)
            raise
        except CardServiceRefused as refused:
            self.unanswered.drop(sent.number)
            with self.database.transaction() as connection:
                refuse_act(connection, sent.number, refused.code, self.seconds)
            raise
        self.unanswered.drop(sent.number)
        return result

    def _do(self, token: Token, subject: str, journey: Journey) -> str:
        if journey.act == LOSS:
            return self._report_loss(token, subject, journey.out_request_no)
        if journey.act == END:
            return self._end(token, subject, journey)
        return self._sign(token, journey.out_request_no)

    def _give_up(self, act: Act) -> None:
        """Write down what has become of an act all the same, end as the channel what the holder has agreed to end.

        Of a loss report that nobody confirms the customer has to hear.
        """
        with self.database.transaction() as connection:
            link = find_link(connection, act.customer)
            card = None if link is None else find_card(connection, link.subject)
            if act.act == LOSS and card is not None and card.standing == "suspended":
                end_act(connection, act.out_request_no, result=None, now=self.seconds)
            elif act.act == END and link is None:
                end_act(connection, act.out_request_no, result=UNLINKED, now=self.seconds)
            elif act.act == LOSS or card is None or card.carriage is None:
                refuse_act(connection, act.out_request_no, UNCONFIRMED, self.seconds)
        if act.act == END and card is not None and card.carriage is not None:
            self._end_as_channel(act, card.subject, card.carriage)

    def _end_as_channel(self, act: Act, subject: str, carriage: str) -> None:
        ended: dict[str, Any] = {}
        with suppress(CardServiceRefused):  # it has ended by another hand
            ended = self.service.end_carriage(carriage, act.out_request_no)
        with self.database.transaction() as connection:
            end_card(connection, subject)
            end_link(connection, act.customer)
            end_act(connection, act.out_request_no, result=ended.get("result", UNLINKED), now=self.seconds)

    def _sign(self, token: Token, number: str) -> str:
        view = self.service.sign_carriage(token, number)
        with self.database.transaction() as connection:
            keep_view(connection, view)
            end_act(connection, number, result=view["result"], now=self.seconds)
        return str(view["result"])

    def _report_loss(self, token: Token, subject: str, number: str) -> str:
        self.service.report_loss(token, number)
        with self.database.transaction() as connection:
            note_loss(connection, subject)
            end_act(connection, number, result=None, now=self.seconds)
        return "loss"

    def _end(self, token: Token, subject: str, journey: Journey) -> str:
        ended = self.service.end(token, journey.out_request_no)
        with self.database.transaction() as connection:
            end_card(connection, subject)
            end_link(connection, journey.customer)
            end_act(connection, journey.out_request_no, result=ended["result"], now=self.seconds)
        return str(ended["result"])

    # ── by silent return: look, show, list ───────────────────────────────────────────────────────────────────────

    def look(self, session: Session) -> Look:
        """See how the customer's card stands now; where the card service is silent, what the bank knows has to do."""
        with self.database.transaction() as connection:
            link = find_link(connection, session.customer)
            known = None if link is None else find_card(connection, link.subject)
        if link is None:
            return Look(None)
        try:
            view = self._returned(session, link, lambda token: self._view(session, token, known))
        except CardServiceSilent:
            return Look(known, is_silent=True)
        except NotLinked:
            view = {}
        except CardServiceRefused as refused:
            if refused.code != NOT_USABLE:
                raise
            view = {}
        with self.database.transaction() as connection:
            if view:
                keep_view(connection, view)
            card = find_card(connection, link.subject)
            return Look(card, is_changed=card is not None and note_shown(connection, session.customer, card))

    def show_code(self, session: Session, use: str, kind: str) -> dict[str, Any]:
        """Get a code to show; raises ``NotLinked``, ``CardServiceRefused``, ``CardServiceSilent``."""
        link = self._link(session)
        shown = self._returned(session, link, lambda token: self.service.code(token, use, kind))
        with self.database.transaction() as connection:
            note_code(connection, link.subject, self.seconds)
        return shown

    def list_uses(self, session: Session) -> list[dict[str, Any]]:
        """List where codes shown in this app were taken; raises as ``show_code``."""
        link = self._link(session)
        uses = self._returned(session, link, self.service.uses)
        with self.database.transaction() as connection:
            note_uses(connection, link.subject, uses)
        return uses

    def _view(self, session: Session, token: Token, known: Card | None) -> dict[str, Any]:
        """Read the view; where signing was never answered, ask again under its number first."""
        with self.database.transaction() as connection:
            unanswered = [one for act in SIGNED for one in list_open(connection, act, session.customer)]
        for act in unanswered:
            self._sign(token, act.out_request_no)
        return self.service.view(token, known.view_sequence if known else 0)

    def _link(self, session: Session) -> Link:
        with self.database.transaction() as connection:
            link = find_link(connection, session.customer)
        if link is None:
            raise NotLinked
        return link

    def _returned(self, session: Session, link: Link, act: Callable[[Token], Answer]) -> Answer:
        """Return to a link silently and do something; where it has ended, forget it and raise ``NotLinked``."""
        try:
            return self._with_token(session, link, act)
        except CardServiceRefused as refused:
            if not has_ended(refused):
                raise
            self._require_link_stands(link)
            raise CardServiceRefused(refused.status, NOT_USABLE) from refused

    def _with_token(self, session: Session, link: Link, act: Callable[[Token], Answer]) -> Answer:
        """Do something with the token at hand; where that was ended meanwhile, with another one."""
        authorization = self.service.authorization
        try:
            return act(authorization.return_to(link.subject, link.app_key, session.authenticated_at))
        except CardServiceRefused as refused:
            authorization.forget(link.subject)
            if refused.status != UNAUTHORIZED:
                raise
        return act(authorization.return_to(link.subject, link.app_key, session.authenticated_at))

    def _require_link_stands(self, link: Link) -> None:
        """Ask as the bank whether a card that gives no token is stopped, or gone; forget the link where it is gone."""
        with self.database.transaction() as connection:
            card = find_card(connection, link.subject)
        view = None if card is None or card.carriage is None else self.service.carriage(card.carriage)
        with self.database.transaction() as connection:
            if view is not None:
                keep_view(connection, view)
                known = find_card(connection, link.subject)
                if known is not None and not known.is_over and not known.may_show:
                    return
            end_link(connection, link.customer)
        raise LinkEnded

    # ── on the bank's own word ───────────────────────────────────────────────────────────────────────────────────

    def begin_issuance(self, customer: Customer) -> None:
        """Ask for an electronic card for a customer; ``Clerk`` goes on with it. Raises ``CardServiceRefused``."""
        with self.database.transaction() as connection:
            if list_open(connection, ISSUE, customer.number):
                return
            number = new_number(ISSUE)
            begin_act(connection, number, customer.number, ISSUE, self.seconds)
        self.ask_issuance(customer, number)

    def ask_issuance(self, customer: Customer, out_request_no: str) -> None:
        """Ask, or ask again under the same number where the answer was lost."""
        asked = {"number": customer.social_security_number, "name": customer.name, "phone": customer.phone}
        try:
            given = self.service.ask_issuance(out_request_no, **asked)
        except CardServiceRefused as refused:
            with self.database.transaction() as connection:
                refuse_act(connection, out_request_no, refused.code, self.seconds)
            raise
        with self.database.transaction() as connection:
            name_issuance(connection, out_request_no, given["id"])
