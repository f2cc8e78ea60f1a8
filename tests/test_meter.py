"""The counts: what a peer writes never becomes a label, and every code of ours is on the list."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from connector.meter import OTHER, REASONS, Meter, reason
from connector.records import Note

ROOT = Path(__file__).resolve().parents[1]
SPOKEN = ("policies/[ej]*.py", "connector/exchange/*.py", "connector/operate/contracts.py", "connector/operate/transfers.py")
NOUNS = ("policy", "terms", "agreement", "grant", "offer", "request", "operator", "peer", "message", "state", "transfer")
ELSEWHERE = {"input.invalid", "input.missing", "negotiation.running", "transfer.opened"}  # answers to the operator, events of the chain


@pytest.mark.parametrize("code", ["policy.aaaa", "EV-72.000017", "did:web:recycler.example", "x" * 10_000, "grant.path\n"])
def test_a_code_that_is_not_ours_is_other(code: str) -> None:
    assert reason(code) == OTHER


def test_codes_of_ours_and_no_code_stand_for_themselves() -> None:
    assert {reason(code) for code in REASONS} == REASONS and reason("") == ""


def test_every_code_that_ends_refuses_or_suspends_is_on_the_list() -> None:
    written = set()
    for path in sorted(file for pattern in SPOKEN for file in ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(node.value)
    codes = {text for text in written if re.fullmatch(rf"({'|'.join(NOUNS)})(\.[a-z]+)+", text)} - ELSEWHERE
    assert len(codes) > 20
    assert codes <= REASONS


def test_a_note_that_nobody_counts_changes_nothing() -> None:
    meter = Meter()
    meter.hear(Note(event="view.changed", subject="dismantling", data={"grant": "x"}))
    assert not any(meter.counts.values())


def test_a_question_that_is_new_is_other() -> None:
    meter = Meter()
    meter.hear(Note(event="decision", subject="d-1", data={"question": "EV-72", "outcome": "no", "code": "EV-72", "about": "pull x"}))
    assert meter.counts["decisions"] == {("other", "no", "other"): 1}
    assert meter.counts["pulls"] == {("refused", "other"): 1}
