"""What stands in a partner's own database: looked at, and changed, past its program."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def open_book(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the one database in a partner's folder; what was changed is kept where the block ends well."""
    (file,) = folder.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as connection, connection:
        yield connection


def rows(folder: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with open_book(folder) as connection:
        return connection.execute(query, values).fetchall()
