"""Measure in turn: each round lets every contestant work once, so that a noisy minute is noisy for all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Costs = Mapping[str, list[float]]
"""CPU microseconds for each operation, one number a round, by the contestant's name."""


@dataclass(frozen=True)
class Spread:
    """The middle of several rounds, and between what the middle half of them lay."""

    middle: float
    least: float
    most: float


def spread(values: list[float]) -> Spread:
    """Summarise the rounds."""
    least, middle, most = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, least, most)


def ratio(costs: Costs, baseline: str, ours: str) -> Spread:
    """Tell how many times the baseline costs what ours does, round by round."""
    return spread([theirs / own for theirs, own in zip(costs[baseline], costs[ours], strict=True)])


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1) -> Costs:
    """Let all contestants run `warm_up` rounds that do not count, then `rounds` that do; who begins, changes."""
    costs: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(-warm_up, rounds):
        order.append(order.pop(0))
        for name in order:
            cost = contestants[name]()
            if number >= 0:
                costs[name].append(cost)
    return costs


def repeat(operation: Callable[[], object], times: int) -> Callable[[], float]:
    """Make a contestant of something that this process does itself: CPU microseconds for each of `times` calls."""

    def run() -> float:
        gc.collect()
        start = time.process_time_ns()
        for _ in range(times):
            operation()
        return (time.process_time_ns() - start) / 1000 / times

    return run
