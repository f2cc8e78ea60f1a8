"""How the demo is told: whole on a pipe, within the terminal for people."""

from __future__ import annotations

import io
import sys

import pytest

from scripts.lib.foreign import joined
from scripts.lib.telling import Teller

WHY = "permission 1, constraint 1: role isAnyOf recycler - no role is vouched for, and what is not permitted is refused"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("to", "lines"), [(io.StringIO, 2), (Terminal, 4)])
def test_the_last_column_is_whole_on_a_pipe_and_wraps_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, to: type[io.StringIO], lines: int
) -> None:
    monkeypatch.setattr(sys, "stdout", shown := to())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    Teller(quiet=False).table(("WHO", "WHY"), [("stranger", WHY)])
    told = shown.getvalue().splitlines()
    assert len(told) == lines
    assert to is io.StringIO or max(len(line) for line in told) <= 60
    assert " ".join(" ".join(told[1:]).split()) == f"stranger {WHY}"
    assert {line[:16].strip() for line in told[2:]} <= {""}


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["Not authenticated.", "Send a valid token."], "Not authenticated. Send a valid token."),
        (["no role", "no time"], "no role; no time"),
        (["", "only"], "only"),
        ([], ""),
    ],
)
def test_reasons_are_joined_as_sentences(texts: list[str], line: str) -> None:
    assert joined(texts) == line
