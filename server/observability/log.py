"""Structured logs that cannot contain what a person said.

A line holds machine words (identifiers, numbers, states) and text that is known to be safe. A plain string with a space
or an @ may be somebody's words, so only its length is written. ``RawText`` is never written. Of exceptions the type and
the stack frames are logged, not the message.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
import uuid
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import structlog

from models.errors import VestibuleError
from models.text import RawText, RedactedText
from server.observability.line_budget import Kind, LineBudget

_MACHINE_WORD = re.compile(r"[\w.:/\[\]+=,-]{0,200}\Z", re.ASCII)
_OUR_OWN_KEYS = frozenset({"event", "level", "timestamp", "module"})


class Logger(Protocol):
    """The part of structlog that the server uses."""

    def debug(self, event: str, **values: object) -> None: ...  # noqa: D102
    def info(self, event: str, **values: object) -> None: ...  # noqa: D102
    def warning(self, event: str, **values: object) -> None: ...  # noqa: D102
    def error(self, event: str, **values: object) -> None: ...  # noqa: D102


def get_logger(name: str) -> Logger:
    """A logger for one module."""
    logger: Logger = structlog.get_logger(module=name)
    return logger


def correlation_id() -> str:
    """The correlation id of the call that is served now; empty outside a call."""
    return str(structlog.contextvars.get_contextvars().get("correlation_id", ""))


def new_correlation() -> AbstractContextManager[object]:
    """Within it, whatever is logged and queued has a correlation id of its own, as calls at the port have."""
    return structlog.contextvars.bound_contextvars(correlation_id=uuid.uuid4().hex)


def configure(level: str, style: str) -> None:
    """Configure the process to log to standard error, one line an event.

    Args:
        level: Least level that is logged.
        style: ``json``, ``console`` for people, or ``auto``: console if standard error is a terminal.
    """
    _log_to_standard_error(level, style)
    logging.basicConfig(handlers=[_StandardHandler()], level=logging.WARNING, force=True)


def configure_for_command() -> None:
    """Log warnings alone, and to standard error: what a command prints on standard output is its result."""
    _log_to_standard_error("warning", "auto")


def is_for_people(style: str) -> bool:
    """Whether a log of this style is read by people, and not by programs."""
    return style == "console" or (style == "auto" and sys.stderr.isatty())


def _log_to_standard_error(level: str, style: str) -> None:
    terminal = sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer()
    stamp = "iso"
    if is_for_people(style):
        renderer = structlog.dev.ConsoleRenderer(colors=terminal)
        stamp = "%Y-%m-%d %H:%M:%SZ"
    structlog.configure(
        processors=[
            LineBudget(time.monotonic, _summarize),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt=stamp, utc=True),
            withhold,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Looked up for every line, because the server, tests and tools replace sys.stderr.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _summarize(lines: int, kind: Kind) -> None:
    get_logger("log").warning("more_lines", lines=lines, like=list(kind))


def report_lost_lines(lines: int) -> None:
    """Log that lines could not be written, as on a full disk."""
    get_logger("log").warning("lines_lost", lines=lines)


def withhold(logger: object, method: str, values: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace every value that may be somebody's words. The last processor before the renderer."""
    return {key: value if key in _OUR_OWN_KEYS else _safe(value) for key, value in values.items()}


def _safe(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, RedactedText | RawText | str):
        return _safe_text(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(v) for v in value]
    if isinstance(value, Mapping):
        return {str(_safe(str(k))): _safe(v) for k, v in value.items()}
    return f"<{type(value).__name__}>"


def _safe_text(value: RedactedText | RawText | str) -> str:
    if isinstance(value, RedactedText):
        return value.value
    if isinstance(value, RawText):
        return "<withheld>"
    return str(value) if _MACHINE_WORD.match(value) else f"<{len(value)} characters withheld>"


def describe(error: BaseException) -> dict[str, object]:
    """What may be logged of an exception: type, reason, and stack frames, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]
    described: dict[str, object] = {"error_type": type(error).__name__, "frames": places}
    if isinstance(error, VestibuleError):
        described["reason"] = error.reason
    if error.__cause__ is not None:
        described["cause_type"] = type(error.__cause__).__name__
    return described


class _StandardHandler(logging.Handler):
    """Logs records of Python's own logging.

    Messages of libraries may hold anything, so only their logger's name is kept. ``ray_tasks``, which cannot import
    this module, logs as the server does: the message is a word, and the extra ``values`` holds the rest.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        if record.name.startswith("ray_tasks.") and _MACHINE_WORD.match(record.msg):
            getattr(get_logger("ray"), level)(record.msg, **getattr(record, "values", {}))
            return
        extra: dict[str, object] = {"library": record.name, "at": f"{record.filename}:{record.lineno}"}
        if record.exc_info and record.exc_info[1] is not None:
            extra |= describe(record.exc_info[1])
        getattr(get_logger("library"), level)("library_message", **extra)
