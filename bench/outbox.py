"""The outbox: what an event costs on its way to phones, channels and a partner's server, beside the same row by row."""

import os
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from bench.channels_seed import SeededChannel, happen
from bench.processes import cpu_seconds
from bench.report import Report
from bench.rounds import Costs, ratio, spread, take_turns
from bench.row_by_row import deliver_row_by_row, tell_row_by_row
from bench.seed import Seeded, SeededPhone
from bench.stand import Stand, run_service
from channels.endpoints import add_endpoint
from channels.models import news
from web.worker import Worker

_ROUNDS = 3
_OURS, _ROW_BY_ROW = "ours", "row by row"
_EVENTS = {_OURS: 5000, _ROW_BY_ROW: 200}
_POSTED = {_OURS: 600, _ROW_BY_ROW: 200}
"""So many in each round: the kernel counts CPU time in hundredths of a second."""
_FASTER = 5


def measure_outbox(report: Report, seeded: Seeded, phones: list[SeededPhone]) -> None:
    """Tell events of cards that two channels carry; each must have become a notice and two pieces of news."""
    _tell_all(seeded)
    before = _count_news(seeded)
    contestants = {
        _OURS: partial(_cost_of_telling, seeded, phones, Worker(seeded.runtime).tell, _EVENTS[_OURS]),
        _ROW_BY_ROW: partial(
            _cost_of_telling, seeded, phones, partial(tell_row_by_row, seeded.runtime), _EVENTS[_ROW_BY_ROW]
        ),
    }
    costs = take_turns(contestants, _ROUNDS)
    told, happened = _count_news(seeded) - before, sum(_EVENTS.values()) * (_ROUNDS + 1)
    if told != 2 * happened:
        raise RuntimeError(f"{happened} events became {told} pieces of news")
    _show(report, costs, "an event becomes a notice and news of two channels, one teller")


def measure_deliveries(
    report: Report, stand: Stand, seeded: Seeded, channel: SeededChannel, phones: list[SeededPhone]
) -> None:
    """Post news to a partner's server on loopback, signed twice, by one thread."""
    with run_service(stand, "receiver", ["bench.receiver", "{port}"], {}) as receiver:
        with seeded.runtime.ground.database.transaction() as connection:
            url = f"http://127.0.0.1:{receiver.port}/news"
            add_endpoint(seeded.runtime.ground, connection, channel.id, url)
        contestants = {
            _OURS: partial(_cost_of_delivering, seeded, phones, Worker(seeded.runtime).deliver, _POSTED[_OURS]),
            _ROW_BY_ROW: partial(
                _cost_of_delivering, seeded, phones, partial(deliver_row_by_row, seeded.runtime), _POSTED[_ROW_BY_ROW]
            ),
        }
        costs = take_turns(contestants, _ROUNDS)
    _show(report, costs, "a piece of news is signed twice, posted and taken, one thread")


def _show(report: Report, costs: Costs, what: str) -> None:
    report.costs(costs, f"{what}; PostgreSQL's share and the receiver's included")
    report.note(f"- {what}: {1e6 / spread(costs[_OURS]).middle:,.0f} a second of CPU time")
    report.at_least(f"{what}, against row by row", ratio(costs, _ROW_BY_ROW, _OURS), _FASTER)


def _cost_of_telling(seeded: Seeded, phones: list[SeededPhone], tell: Callable[[], int], count: int) -> float:
    happen(seeded, phones, count)
    return _cost_of_each(count, tell)


def _cost_of_delivering(seeded: Seeded, phones: list[SeededPhone], deliver: Callable[[], int], count: int) -> float:
    happen(seeded, phones, count)
    _tell_all(seeded)
    return _cost_of_each(count, deliver)


def _tell_all(seeded: Seeded) -> None:
    worker = Worker(seeded.runtime)
    while worker.tell():
        pass


def _cost_of_each(count: int, work: Callable[[], int]) -> float:
    """Work until nothing is left; CPU microseconds of this process and of its children, PostgreSQL and receiver."""
    before, done = cpu_seconds(os.getpid()), 0
    while more := work():
        done += more
    if done != count:
        raise RuntimeError(f"{count} were to be done, not {done}")
    return 1e6 * (cpu_seconds(os.getpid()) - before) / count


def _count_news(seeded: Seeded) -> int:
    told = sa.select(sa.func.count()).select_from(news).where(news.c.kind == "card.loss_reported")
    with seeded.runtime.ground.database.transaction() as connection:
        return int(connection.execute(told).scalar_one())
