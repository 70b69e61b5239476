"""The command `ecard` itself: what it imports, says and returns."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from cli import COMMANDS, VERSION, CommandPlace, main
from core.errors import Missing, Unavailable
from sm.errors import KeyStoreUnavailable, ProviderUnavailable, WrongSecret

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def command(monkeypatch):
    """Put a command of the test's own into the table, as `ecard probe`."""

    def install(function):
        module = sys.modules[__name__]
        monkeypatch.setattr(module, "probe", click.command()(function), raising=False)
        monkeypatch.setattr(cli, "COMMANDS", {"probe": CommandPlace(__name__, "probe", "Try something.")})
        monkeypatch.setitem(sys.modules, __name__, module)
        return lambda: run("probe")

    return install


def test_the_version_is_the_project_s():
    assert PROJECT["version"] == VERSION
    assert run("--version").output == f"ecard, version {VERSION}\n"


def test_the_script_leads_here():
    entry = EntryPoint("ecard", PROJECT["scripts"]["ecard"], "console_scripts")
    assert entry.load() is main


def test_the_help_lists_every_command_with_one_line():
    output = run("--help").output
    for name, place in COMMANDS.items():
        assert any(line.split() == [name, *place.help.split()] for line in output.splitlines())
    assert "Exit codes" in output


def imported_by(*arguments):
    """Run `ecard` in a process of its own and tell the top-level packages that it imported."""
    code = (
        "import json, sys\nfrom cli import main\n"
        "try: main(sys.argv[1:], prog_name='ecard')\n"
        "except SystemExit: pass\n"
        "sys.stderr.write('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


HEAVY = {"flask", "flask_smorest", "sqlalchemy", "redis", "smartcard", "cryptography", "httpx", "rich", "pydantic"}


def test_the_help_imports_nothing_heavy():
    assert imported_by("--help") & HEAVY == set()


def test_the_agent_starts_without_the_web_service_s_libraries():
    assert imported_by("agent", "--help") & {"flask", "flask_smorest", "sqlalchemy", "redis", "pydantic"} == set()


def test_a_terminal_enrols_itself_without_the_web_service_s_libraries():
    assert imported_by("enrol", "--help") & {"flask", "flask_smorest", "sqlalchemy", "redis", "pydantic"} == set()


def test_the_key_commands_start_without_web_database_or_reader():
    imported = imported_by("keys", "--help")
    assert imported & {"flask", "flask_smorest", "sqlalchemy", "redis", "smartcard", "httpx"} == set()


def test_an_unknown_command_is_wrong_usage():
    result = run("nothing")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_a_command_whose_module_is_missing_fails_only_when_it_is_called(monkeypatch):
    missing = {"probe": CommandPlace("cli.no_such_module", "probe", "Try something.")}
    monkeypatch.setattr(cli, "COMMANDS", missing)
    assert run("--help").exit_code == 0
    result = run("probe")
    assert result.exit_code == 3
    assert result.stderr == "Error: `ecard probe` needs cli.no_such_module, which is not installed\n"


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (WrongSecret("no"), 1, "Error: wrong_secret: no\n"),
        (Missing("gone"), 1, "Error: not_found: gone (Check the id.)\n"),
        (ProviderUnavailable("no SM2"), 3, "Error: provider_unavailable: no SM2\n"),
        (KeyStoreUnavailable("locked"), 3, "Error: key_store_unavailable: locked\n"),
        (Unavailable("down"), 3, "Error: unavailable: down (Try again in a few seconds; nothing was changed.)\n"),
        (click.UsageError("how?"), 2, None),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(command, error, exit_code, line):
    def probe():
        raise error

    result = command(probe)()
    assert result.exit_code == exit_code
    assert "Traceback" not in result.output
    assert line is None or result.stderr == line


def test_a_fault_of_ours_is_not_hidden(command):
    def probe():
        raise ZeroDivisionError

    assert isinstance(command(probe)().exception, ZeroDivisionError)


def test_a_command_that_is_none_is_a_fault_of_ours(monkeypatch):
    monkeypatch.setattr(cli, "COMMANDS", {"probe": CommandPlace("json", "dumps", "Try something.")})
    assert isinstance(run("probe").exception, TypeError)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--version"], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode() == f"ecard, version {VERSION}\n"
