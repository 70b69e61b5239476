import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BEGINS_WITHIN = 30.0  # seconds


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, each in a thread of its own; give their results in order, or raise theirs."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(BEGINS_WITHIN)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
