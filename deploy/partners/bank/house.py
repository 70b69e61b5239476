"""Everything of the bank wired together, and the clerk at work beside it."""

import secrets
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx
from flask import Flask

from bank.authorization import Authorization
from bank.back import BackRoom, make_back
from bank.calls import TIMEOUT, Calling
from bank.card_service import CardService
from bank.clerk import Clerk
from bank.customers import keep_customers, read_customers
from bank.database import Database
from bank.desk import Desk
from bank.keys import load_client_key, make_keys
from bank.pages import pages, protect
from bank.place import Home, Partner
from bank.proofs import ChannelProofs, open_proofs
from bank.reconciling import Reconciler
from bank.serving import HOST, Door, open_back, open_front
from bank.switches import Switches

BACK_PATH = "/card/back"
_FORM_BYTES = 16 * 1024


@dataclass
class House:
    """The bank, ready to serve; entering it sets the clerk to work."""

    front: Door
    back: Door
    clerk: Clerk
    switches: Switches
    _closing: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self.clerk.work, daemon=True)
        thread.start()
        self._closing.callback(thread.join, 15.0)
        self._closing.callback(self.clerk.end)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()


def open_house(home: Home, partner: Partner, *, front_port: int, back_port: int, pause: float) -> House:
    """Open keys, database and doors; raises ``NotReady``."""
    make_keys(home)
    http = httpx.Client(base_url=partner.issuer, timeout=TIMEOUT, trust_env=False, follow_redirects=False)
    desk, proofs = open_desk(home, partner, http, f"https://{HOST}:{front_port}{BACK_PATH}")
    with desk.database.transaction() as connection:
        keep_customers(connection, read_customers(home))
    clerk, switches = Clerk(desk, pause, Reconciler(desk, home)), Switches()
    room = BackRoom(desk, clerk, proofs, switches, _control_token(home))
    front, back = open_front(make_front(desk), home, front_port), open_back(make_back(room), back_port)
    house = House(front, back, clerk, switches)
    house._closing.callback(http.close)  # noqa: SLF001 - made here
    return house


def open_desk(home: Home, partner: Partner, http: httpx.Client, redirect_uri: str) -> tuple[Desk, ChannelProofs]:
    """Open database and keys, and the way to the card service; raises ``NotReady``."""
    calling = Calling(http)
    proofs = open_proofs(home, partner, calling)
    authorization = Authorization(calling, partner, load_client_key(home, partner.kid), redirect_uri)
    return Desk(Database(home.database), CardService(authorization, proofs)), proofs


def make_front(desk: Desk) -> Flask:
    """Make the application of the customers' side."""
    app = Flask("bank")
    app.config["MAX_CONTENT_LENGTH"] = _FORM_BYTES
    app.extensions["bank.desk"] = desk
    app.register_blueprint(pages)
    app.after_request(protect)
    return app


def _control_token(home: Home) -> str:
    """Draw what programs of this machine show to reach the switches, once."""
    file = home.folder / "control.token"
    if not file.exists():
        home.write(file, secrets.token_urlsafe(32).encode())
    return file.read_text(encoding="ascii")
