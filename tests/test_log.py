"""One line per event, for eyes and for jq; nothing secret, nothing that moves a cursor."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from connector import log


@pytest.fixture
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root, own = logging.getLogger(), logging.getLogger("saltbridge")
    before = root.handlers[:], root.level, own.level
    log.configure(getattr(request, "param", "text"), stream=stream)
    yield stream
    root.handlers[:], root.level = before[0], before[1]
    own.setLevel(before[2])


def test_an_event_is_one_line_of_key_and_value(written: io.StringIO) -> None:
    log.event("negotiation.changed", process="urn:uuid:1", state="AGREED", ms=1.5, peer="", why="two words")
    head, line = written.getvalue().rstrip("\n").split(" ", 1)
    assert head.endswith("Z")
    assert line == 'info negotiation.changed process=urn:uuid:1 state=AGREED ms=1.5 why="two words"'


@pytest.mark.parametrize("written", ["json"], indirect=True)
def test_the_same_event_is_one_json_object_for_jq(written: io.StringIO) -> None:
    log.event("negotiation.changed", process="urn:uuid:1", ms=1.5, ok=True)
    entry = json.loads(written.getvalue())
    assert entry.pop("at").endswith("Z")
    assert entry == {"level": "info", "event": "negotiation.changed", "process": "urn:uuid:1", "ms": 1.5, "ok": True}


@pytest.mark.parametrize("name", ["token", "Authorization", "api_key", "password", "client_secret", "private_key"])
def test_a_field_named_like_a_secret_is_never_written(written: io.StringIO, name: str) -> None:
    log.event("call", **{name: "hunter2"})
    assert "hunter2" not in written.getvalue()


def test_foreign_text_can_forge_no_second_line(written: io.StringIO) -> None:
    log.event("refused", reason="no\n2026-01-01 info paid amount=1\x1b[2J\u202e")
    assert written.getvalue().count("\n") == 1
    assert "\x1b" not in written.getvalue() and "\u202e" not in written.getvalue()


def test_a_bug_comes_with_its_traceback(written: io.StringIO) -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        log.failure("bug", error, id="ab12")
    assert "error bug id=ab12" in written.getvalue() and "ZeroDivisionError: by zero" in written.getvalue()
