"""The bank's customers and what its core knows of them. All of them are made up: no region begins with 99."""

import hmac
import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from bank.place import Home, NotReady

_FORMS = {
    "number": re.compile(r"[0-9]{4,12}"),
    "name": re.compile(r"\S(?:.{0,48}\S)?"),
    "social_security_number": re.compile(r"99[0-9]{15}[0-9X]"),  # GB 11643; region 99 exists nowhere
    "phone": re.compile(r"[0-9]{11}"),
    "financial_function": re.compile(r"active|inactive"),
}


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer, with the financial function of the chip card as the bank's core has it."""

    number: str
    name: str
    social_security_number: str
    phone: str
    financial_function: str
    balance_fen: int

    @property
    def masked_name(self) -> str:
        return "*" * (len(self.name) - 1) + self.name[-1]

    @property
    def masked_number(self) -> str:
        return f"{self.social_security_number[:4]}**********{self.social_security_number[-4:]}"

    def __repr__(self) -> str:
        return f"<customer {self.number}>"


def read_customers(home: Home) -> list[Customer]:
    """Read ``customers.json``, a list of objects; raises ``NotReady`` naming the row, never what stands in it."""
    try:
        rows: Any = json.loads(home.customers.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.customers} is missing or no JSON") from error
    if not isinstance(rows, list) or not rows:
        raise NotReady(f"{home.customers} is a list of customers")
    return [_read_customer(number, row) for number, row in enumerate(rows, 1)]


def keep_customers(connection: sqlite3.Connection, customers: list[Customer]) -> None:
    """Enter customers, and what is new about those who are known."""
    for customer in customers:
        connection.execute(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET"
            " name = excluded.name, social_security_number = excluded.social_security_number,"
            " phone = excluded.phone, financial_function = excluded.financial_function",
            (
                customer.number,
                customer.name,
                customer.social_security_number,
                customer.phone,
                customer.financial_function,
                customer.balance_fen,
            ),
        )


def list_customers(connection: sqlite3.Connection) -> list[Customer]:
    """List everybody; a demonstration has few."""
    return [_customer_of(row) for row in connection.execute("SELECT * FROM customers ORDER BY number")]


def find_customer(connection: sqlite3.Connection, number: str) -> Customer | None:
    """Find a customer by the bank's own number."""
    row = connection.execute("SELECT * FROM customers WHERE number = ?", (number,)).fetchone()
    return None if row is None else _customer_of(row)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the bank's core answers the card centre."""

    financial_function: str
    phone_agrees: bool


def judge_customer(connection: sqlite3.Connection, *, number: str, name: str, phone: str) -> Standing:
    """Tell how the card's financial function stands with this bank, and whether the phone on file is that one.

    Somebody of another name is not ours, whatever the number.
    """
    row = connection.execute("SELECT * FROM customers WHERE social_security_number = ?", (number,)).fetchone()
    if row is None or not _same(row["name"], name):
        return Standing("not_ours", phone_agrees=False)
    return Standing(row["financial_function"], phone_agrees=_same(row["phone"], phone))


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode())


def _read_customer(number: int, row: Any) -> Customer:
    if not isinstance(row, dict) or row.keys() != {*_FORMS, "balance_fen"}:
        raise NotReady(f"customer {number} has the members {', '.join([*_FORMS, 'balance_fen'])}")
    for member, form in _FORMS.items():
        if not isinstance(row[member], str) or not form.fullmatch(row[member]):
            raise NotReady(f"customer {number}: {member} has not the form of one, or is no made-up person's")
    if type(row["balance_fen"]) is not int:
        raise NotReady(f"customer {number}: balance_fen is a whole number")
    return Customer(**row)


def _customer_of(row: sqlite3.Row) -> Customer:
    return Customer(**{name: row[name] for name in row.keys()})  # noqa: SIM118 - a Row has no other way
