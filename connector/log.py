"""The log: one line per event, readable by eye (`key=value`) and by `jq` (`--log json`).

An event is a name and fields.  Values are quoted and made harmless; a field that by its name holds a secret is
never written.  No passport content and no body belongs here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TextIO

import orjson

from .evidence import Note
from .text import clean

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
        _say(name, level, fields)


def _say(name: str, level: int, fields: Mapping[str, object]) -> None:
    """By the shortest way where nobody listens but ourselves: a record costs more than the line, and a message writes four."""
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(ours := handlers[0], _Sink) and not _logger.handlers and ours.say(name, level, fields):
        return
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
        _say(told.event, logging.INFO, fields)


def _worth_a_line(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and not DIGEST.fullmatch(value))


def configure(form: str = "text", level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every log line to stderr in one form, `text` or `json`; other packages from WARNING on."""
    # What no line of ours shows is not looked up for each of them (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    handler = _Sink(stream or sys.stderr, _json if form == "json" else _text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level)


Form = Callable[[float, str, str, Mapping[str, object], str], str]  # (when, level, name, harmless fields, traceback) -> line


class _Sink(logging.StreamHandler[TextIO]):
    """The stream that lines go to, and the form they have."""

    def __init__(self, stream: TextIO, form: Form) -> None:
        super().__init__(stream)
        self._form = form

    def say(self, name: str, level: int, fields: Mapping[str, object]) -> bool:
        """Write the line of an event; False when the stream does not take it."""
        try:
            self.stream.write(self._form(time.time(), _level(level), clean(name), _fields(fields), "") + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def format(self, record: logging.LogRecord) -> str:
        given: Mapping[str, object] = getattr(record, "fields", {})
        if record.name != _logger.name and not given:
            given = {"logger": record.name}
        trace = _trace(record) if record.exc_info else ""
        return self._form(record.created, _level(record.levelno), clean(record.getMessage()), _fields(given), trace)


def _text(at: float, level: str, name: str, fields: Mapping[str, object], trace: str) -> str:
    """`2026-11-24T22:36:00.123Z info request method=POST path=/dsp/2025-1/catalog/request status=200`."""
    line = " ".join([f"{_instant(at)} {level} {name}", *(f"{name}={_quoted(value)}" for name, value in fields.items())])
    return f"{line}\n{trace}" if trace else line


def _json(at: float, level: str, name: str, fields: Mapping[str, object], trace: str) -> str:
    entry = {"at": _instant(at), "level": level, "event": name, **fields}
    if trace:
        entry["traceback"] = trace
    try:
        return orjson.dumps(entry).decode()
    except TypeError:  # an integer that is too large for it
        return _ENCODER.encode(entry)


@lru_cache(maxsize=16)
def _level(level: int) -> str:
    return logging.getLevelName(level).lower()


def _instant(at: float) -> str:
    second = int(at)
    return f"{_to_the_second(second)}.{int((at - second) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fields(given: Mapping[str, object]) -> dict[str, object]:
    """The fields worth a line, harmless: numbers as they are, everything else as clean text."""
    return {name: "***" if _is_secret(name) else _harmless(value) for name, value in given.items() if value not in ("", None, ())}


@lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    return SECRET.search(name) is not None


def _harmless(value: object) -> object:
    if type(value) is str:
        return clean(value)
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
