"""Logs as JSON lines: an allow-list of what a line may hold, so that nothing personal gets in by accident (PIPL)."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_ALLOWED = {
    "event", "level", "timestamp", "logger", "request_id", "method", "route", "status", "code", "ms", "kind", "where",
    "error", "caller", "count", "sealed", "told", "forgotten", "expired", "head", "sequence", "port", "workers", "url",
    "exception", "hint", "environment", "seconds", "channel", "serial", "ends_at",
}  # fmt: skip
_SECRETS = re.compile(
    r"(?<!\d)\d{15}(?:\d{2}[\dXx])?(?!\d)"  # citizen numbers, old and new (GB 11643)
    r"|(?<!\d)1[3-9]\d{9}(?!\d)"  # mobile telephones
    r"|(?<!\d)8[123]\d{18,}(?!\d)"  # codes
    r"|eyJ[\w-]{8,}(?:\.[\w-]+){1,2}"  # tokens, proofs, credentials
)


def configure_logs(*, as_json: bool, stream: Any = None) -> None:
    """Set up structlog once, at the top."""
    shown: Any = structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_fault,
            keep_allowed,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def writes_json() -> bool:
    """Tell whether lines are JSON, as opposed to words for a developer."""
    return isinstance(structlog.get_config()["processors"][-1], structlog.processors.JSONRenderer)


def keep_allowed(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not allowed and mask what looks like a citizen number, a telephone, a code or a token."""
    return {key: _masked(value) for key, value in line.items() if key in _ALLOWED and value is not None}


def _masked(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else _SECRETS.sub("***", str(value))


def _name_fault(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Tell where a fault came from by files and lines alone: its text could hold somebody's data."""
    fault = line.pop("exc_info", None)
    if isinstance(fault, BaseException):
        line["where"] = _frames(fault)
        line["kind"] = type(fault).__name__
    return line


def _frames(fault: BaseException) -> str:
    frames, trace = [], fault.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
        trace = trace.tb_next
    cause = fault.__cause__ or fault.__context__
    told = " < ".join(reversed(frames[-8:]))
    return f"{told} (caused by {type(cause).__name__})" if cause else told
