"""What the bank does without a customer: reads its news, follows issuances, looks at stale cards, compares days.

Whatever fails is tried again the next time; nothing is remembered but what stands in the database.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ecard_client import NotProven
from ecard_client.tokens import draw_es256_key

from bank.acts import ISSUE, Act, end_act, list_open, refuse_act
from bank.calls import CardServiceRefused, CardServiceSilent
from bank.cards import keep_view, list_stale, mark_looked
from bank.customers import find_customer
from bank.desk import Desk
from bank.ledger import write_ledger
from bank.links import Link, keep_link
from bank.news import NewsMalformed, keep_page, read_position
from bank.reconciling import Reconciler

_log = logging.getLogger("bank.clerk")


@dataclass
class Clerk:
    """Works every ``pause`` seconds, and whenever it is woken, until it is ended."""

    desk: Desk
    pause: float = 2.0
    reconciler: Reconciler | None = None
    has_taken_stock: bool = False
    _woken: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Go on until ``end``."""
        while not self._over.is_set():
            self.work_once()
            self._woken.wait(self.pause)
            self._woken.clear()

    def wake(self) -> None:
        """Let it work at once: something has happened."""
        self._woken.set()

    def end(self) -> None:
        """Let ``work`` return."""
        self._over.set()
        self._woken.set()

    def work_once(self) -> None:
        """Do each of the tasks once; one that fails holds no other up. Stock is taken once after each start."""
        first = () if self.has_taken_stock else (self.take_stock,)
        last = () if self.reconciler is None else (self.reconciler.work,)
        for task in (*first, self.read_news, self.follow_issuances, self.look_again, self.desk.go_on, *last):
            self._try(task)

    def _try(self, task: Callable[[], object]) -> None:
        try:
            task()
        except (CardServiceRefused, CardServiceSilent, NewsMalformed, NotProven) as fault:
            _log.warning("%s: %s %s", task.__name__, type(fault).__name__, fault)

    def take_stock(self) -> int:
        """Fetch all carriages, so that a bank that lost its database ends where the card service is; count them."""
        found = 0
        for view in self.desk.service.carriages():
            with self.desk.database.transaction() as connection:
                keep_view(connection, view)
            found += 1
        self.has_taken_stock = True
        return found

    def read_news(self) -> int:
        """Read the list of news from where it was read up to; return how much of it was new."""
        new = 0
        while True:
            with self.desk.database.transaction() as connection:
                after = read_position(connection)
            page = self.desk.service.news(after)
            with self.desk.database.transaction() as connection:
                new += keep_page(connection, page)
                write_ledger(connection)
            if not page["more"]:
                return new

    def follow_issuances(self) -> None:
        """See what became of issuances that are open; ask again for those whose answer was lost."""
        with self.desk.database.transaction() as connection:
            waiting = list_open(connection, ISSUE)
        for act in waiting:
            self._follow(act)

    def look_again(self) -> None:
        """Fetch the views of cards of which there was news."""
        with self.desk.database.transaction() as connection:
            stale = list_stale(connection)
        for card in stale:
            view = self.desk.service.carriage(str(card.carriage))
            with self.desk.database.transaction() as connection:
                keep_view(connection, view)
                mark_looked(connection, card)

    def _follow(self, act: Act) -> None:
        if act.issuance is None:
            with self.desk.database.transaction() as connection:
                customer = find_customer(connection, act.customer)
            if customer is not None:
                self.desk.ask_issuance(customer, act.out_request_no)
            return
        given = self.desk.service.issuance(act.issuance)
        now = self.desk.seconds
        if given["state"] == "refused":
            with self.desk.database.transaction() as connection:
                refuse_act(connection, act.out_request_no, str(given["because"]), now)
        elif given["state"] == "issued":
            view = self.desk.service.carriage(given["carriage"])
            with self.desk.database.transaction() as connection:
                keep_link(connection, Link(act.customer, given["subject"], draw_es256_key()), now)
                keep_view(connection, view)
                end_act(connection, act.out_request_no, result=given["result"], now=now)
