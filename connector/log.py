"""The log: one line per event, readable by eye (`key=value`) and by `jq` (`--log json`).

An event is a name and fields.  Values are quoted and made harmless; a field that by its name holds a secret is
never written.  No passport content and no body belongs here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TextIO

from .evidence import Note
from .text import clean, utc

SECRET = re.compile(r"token|secret|password|authorization|api.?key|private", re.IGNORECASE)
DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f-]{79}|[A-Za-z0-9_-]{43}")  # digests and fingerprints stand in the audit chain
PLAIN = re.compile(r"[\w.:/%+\-~@|]+")

# What the subject of a note is called, by the first word of its event; other nouns are called what they are.
_SUBJECTS = {"negotiation": "process", "transfer": "process", "pull": "battery", "received": "agreement"}
_ABOUT = {"transfer": "process"}  # so that all lines of a process are found by one word

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_logger = logging.getLogger("saltbridge")


def event(name: str, /, level: int = logging.INFO, **fields: object) -> None:
    """Write one line: `event("negotiation.changed", process=pid, peer=peer, state="AGREED")`; empty fields are left out."""
    if _logger.isEnabledFor(level):
        _logger.log(level, name, extra={"fields": fields})


def failure(name: str, error: BaseException, /, **fields: object) -> None:
    """The same for a bug: with the traceback, which goes nowhere else."""
    _logger.error(name, exc_info=error, extra={"fields": fields})


def note(told: Note) -> None:
    """The line of something that was committed: `negotiation.state process=... peer=... state=AGREED was=REQUESTED decision=d-...`."""
    noun, _, what = told.event.partition(".")
    fields: dict[str, object] = {_SUBJECTS.get(noun, noun): told.subject}
    if what == "state":
        data = told.data
        fields |= {"peer": data["peer"], "state": data["to"], "was": data["from"], "side": data["side"], "by": data["by"], **told.beside}
    else:
        fields |= {_ABOUT.get(name, name): value for name, value in told.data.items() if _worth_a_line(value)}
    if _logger.isEnabledFor(logging.INFO):
        _logger.info(told.event, extra={"fields": fields})


def _worth_a_line(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and not DIGEST.fullmatch(value))


def configure(form: str = "text", level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every log line to stderr in one form, `text` or `json`; other packages from WARNING on."""
    # What no line of ours shows is not looked up for each of them (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level)


class _Text(logging.Formatter):
    """`2026-11-24T22:36:00.123Z info request method=POST path=/dsp/2025-1/catalog/request status=200`."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_instant(record)} {record.levelname.lower()} {clean(record.getMessage())}"
        line = " ".join([head, *(f"{name}={_quoted(value)}" for name, value in _fields(record).items())])
        return f"{line}\n{_trace(record)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {"at": _instant(record), "level": record.levelname.lower(), "event": clean(record.getMessage()), **_fields(record)}
        if record.exc_info:
            entry["traceback"] = _trace(record)
        return _ENCODER.encode(entry)


def _instant(record: logging.LogRecord) -> str:
    return utc(datetime.fromtimestamp(record.created, UTC))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The fields worth a line, harmless: numbers as they are, everything else as clean text."""
    given: Mapping[str, object] = getattr(record, "fields", {})
    if record.name != _logger.name and not given:
        given = {"logger": record.name}
    return {name: "***" if _is_secret(name) else _harmless(value) for name, value in given.items() if value not in ("", None, ())}


@lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    return SECRET.search(name) is not None


def _harmless(value: object) -> object:
    if isinstance(value, bool | int | float) and not isinstance(value, Enum):
        return value
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return clean(value)


def _quoted(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "".join(traceback.format_exception(error)).rstrip() if error else ""
