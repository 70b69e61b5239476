"""A profiler that does not disturb: every few milliseconds of CPU time it notes where the program stands."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_INTERVAL = 0.001  # seconds of CPU time; the kernel may round it up to its tick
_SITE_PACKAGES = "/site-packages/"
_PRODUCT = {"auth", "channels", "core", "ecard", "physical", "qr", "sm", "web"}
_ROOT = str(Path(__file__).resolve().parent.parent) + "/"

Stack = tuple[tuple[str, int, str], ...]
"""File, line and function of each frame, the innermost first."""


class Samples:
    """What was noted: how often each stack was met."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()

    @property
    def total(self) -> int:
        return self.stacks.total()

    def by_package(self) -> Counter[str]:
        """Count samples by the package of the innermost Python frame; the standard library's go to its caller."""
        found: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            found[next((name for file, _, _ in stack if (name := package_of(file))), "other")] += count
        return found

    def by_own_function(self) -> Counter[str]:
        """Count samples below each function of the product, what it calls included."""
        found: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            for place in {_place(file, function) for file, _, function in stack if package_of(file) in _PRODUCT}:
                found[place] += count
        return found


@contextmanager
def sampled() -> Iterator[Samples]:
    """Note where the main thread stands while the block runs."""
    samples = Samples()

    def note(_signal: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
            frame = frame.f_back
        samples.stacks[tuple(stack)] += 1

    before = signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def package_of(file: str) -> str | None:
    """Name the package a file belongs to; None for the standard library."""
    if _SITE_PACKAGES in file:
        return file.partition(_SITE_PACKAGES)[2].split("/")[0].removesuffix(".py")
    return file.removeprefix(_ROOT).split("/")[0] if is_own(file) else None


def is_own(file: str) -> bool:
    """Tell whether a file is this project's."""
    return file.startswith(_ROOT) and _SITE_PACKAGES not in file and not file.startswith(sys.prefix)


def _place(file: str, function: str) -> str:
    return f"{file.removeprefix(_ROOT)} {function}"
