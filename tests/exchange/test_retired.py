"""One sentence says that an agreement was ended, and the operator's own reason can be read back from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.exchange import retired
from connector.records import Agreement

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _agreement(why: str, ago: float = 0.2) -> Agreement:
    return Agreement(
        id="urn:uuid:a1", side="provider", peer="did:web:recycler.example", negotiation="urn:uuid:n1", dataset="d", assigner="p",
        assignee="c", policy={}, signed=NOW, retired=NOW - timedelta(seconds=ago), retired_by="did:web:maker.example", retired_why=why,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("why", "ago", "said"),
    [
        ("the demo is over", 0.2, "Agreement retired by maker 0.2 s ago: the demo is over."),
        ("The demo is over.", 200, "Agreement retired by maker 3 min ago: The demo is over."),
        ("", 864_000, "Agreement retired by maker 10 days ago."),
        (" . ", -5, "Agreement retired by maker 0 ms ago."),
    ],
)
def test_the_sentence_says_by_whom_when_and_why(why: str, ago: float, said: str) -> None:
    assert retired.sentence(_agreement(why, ago), "maker", NOW) == said


@given(st.text(max_size=80), st.sampled_from(["maker", "did:web:localhost%3A7401", "three words ago: here"]))
def test_only_the_operators_reason_is_read_back(why: str, by: str) -> None:
    whole = retired.sentence(_agreement(why), by, NOW)
    if by == "three words ago: here":  # a name made to confuse: the reason is still in what is read
        assert retired.own_reason(whole).endswith(why.rstrip(". ") if why.strip(". ") else "")
    else:
        assert retired.own_reason(whole) == (why.rstrip(". ") if why.strip(". ") else "")
    assert retired.reason_of(retired.ending(by, why)) == retired.own_reason(why)


@pytest.mark.parametrize(
    ("reasons", "own"),
    [
        (["The agreement is retired.", "Agreement retired by maker 9 ms ago: model recalled.", "Negotiate a new one."], "model recalled"),
        (["Agreement retired by maker.", "Negotiate a new one."], ""),
        (["We stop here"], "We stop here"),
        ([], ""),
    ],
)
def test_a_reason_is_found_in_terminations_and_refusals_alike(reasons: list[str], own: str) -> None:
    assert retired.reason_of(reasons) == own
