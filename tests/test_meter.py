"""The counts: what a peer writes never becomes a label, and every code of ours is on the list."""

from __future__ import annotations

import pytest

from connector.meter import OTHER, REASONS, Meter, reason
from connector.records import Note


@pytest.mark.parametrize("code", ["policy.aaaa", "EV-72.000017", "did:web:recycler.example", "x" * 10_000, "grant.path\n"])
def test_a_code_that_is_not_ours_is_other(code: str) -> None:
    assert reason(code) == OTHER


def test_codes_of_ours_and_no_code_stand_for_themselves() -> None:
    assert {reason(code) for code in REASONS} == REASONS and reason("") == ""


def test_a_note_that_nobody_counts_changes_nothing() -> None:
    meter = Meter()
    meter.hear(Note(event="view.changed", subject="dismantling", data={"grant": "x"}))
    assert not any(meter.counts.values())


def test_a_question_that_is_new_is_other() -> None:
    meter = Meter()
    meter.hear(Note(event="decision", subject="d-1", data={"question": "EV-72", "outcome": "no", "code": "EV-72", "about": "pull x"}))
    assert meter.counts["decisions"] == {("other", "no", "other"): 1}
    assert meter.counts["pulls"] == {("refused", "other"): 1}
