"""Threads that talk to partners beside the worker's rounds: a slow one keeps nobody from being told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

_IDLE_SECONDS = 1.0


@contextmanager
def delivering(deliver: Callable[[], int], stopping: Event, threads: int, *, name: str = "deliver") -> Iterator[None]:
    """Keep some threads delivering until told to stop; the end waits for what is under way."""
    started = [Thread(target=_deliver_until, args=(deliver, stopping), name=f"{name}-{n}") for n in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in started:
            thread.join()


def _deliver_until(deliver: Callable[[], int], stopping: Event) -> None:
    while not stopping.is_set():
        if not deliver():
            stopping.wait(_IDLE_SECONDS)
