"""What the agent tells while it works: steps for whoever follows it, and log lines as JSON. Never personal data."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import click

from physical.chip.errors import ChipError, Wording
from physical.chip.terminal_client import ServiceRefused, ServiceUnavailable

LANGUAGES = ("zh", "en")

Fact = str | int | bool | None


class EventWriter:
    """One line on standard output for each step: JSON for programs, words for people."""

    def __init__(self, *, as_json: bool, now: Callable[[], datetime]) -> None:
        self._as_json = as_json
        self._now = now

    def __call__(self, event: str, **facts: Fact) -> None:
        if self._as_json:
            click.echo(json.dumps({"event": event, "at": rfc3339(self._now())} | facts, ensure_ascii=False))
        else:
            click.echo(" ".join([event.replace("_", " "), *_in_words(facts)]))


def _in_words(facts: Mapping[str, Fact]) -> list[str]:
    return [f"{name}={value}" for name, value in facts.items() if value is not None]


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def facts_of(error: Exception, language: str) -> dict[str, Fact]:
    """Return what the operator is told of an error: a stable code, what happened, what to do next."""
    match error:
        case ChipError():
            return {
                "code": error.code,
                "title": _in_language(error.title, language),
                "next_step": _in_language(error.advice, language),
            }
        case ServiceRefused():
            return {"code": error.code, "title": error.title, "next_step": error.next_step}
        case ServiceUnavailable():
            return {"code": "service_unavailable", "title": str(error), "next_step": None}
        case _:
            return {"code": type(error).__name__, "title": str(error), "next_step": None}


def _in_language(wording: Wording, language: str) -> str:
    return wording.zh if language == "zh" else wording.en


class JsonLines(logging.Formatter):
    """One log record, one line of JSON. Of an exception only its kind: messages of libraries may quote data."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


def log_json_lines(level: int) -> None:
    """Send the log of this process to standard error as JSON lines; called once, at its start."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("physical.chip").setLevel(level)
