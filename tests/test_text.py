"""Text for people: nothing foreign moves a cursor, and every number has its unit."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.text import brief, clean, duration, short, size, utc


@given(st.text(max_size=400))
def test_cleaned_text_holds_no_character_that_could_mislead(text: str) -> None:
    assert not {unicodedata.category(char) for char in clean(text)} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=100))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


def test_escape_bidi_and_line_breaks_are_replaced() -> None:
    assert clean("a\x1b[31mred\u202eb\nc") == "a\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}b c"


def test_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (14_200, "14.2 kB"),
        (999_960, "1.0 MB"),
        (1_300_000, "1.3 MB"),
        (5 * 10**12, "5000.0 GB"),
    ],
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.009, "9 ms"), (0.42, "0.4 s"), (12, "12 s"), (180, "3 min"), (18_000, "5 h"), (30 * 86_400, "30 days")],
)
def test_durations_have_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_instants_are_utc_for_programs() -> None:
    assert utc(datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)) == "2026-11-24T12:00:00.123Z"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"model.EV-72.S7_RfIfX{'a' * 35}", "model.EV-72.S7_RfIfX…"),
        (f"grant eq sha-256:{'b' * 43}   is sha-256:{'c' * 43}", "grant eq sha-256:bbbbbbbb…   is sha-256:cccccccc…"),
        (f"sha-256:{'b' * 42} x.{'b' * 44} {'b' * 43}", f"sha-256:{'b' * 42} x.{'b' * 44} {'b' * 43}"),
    ],
)
def test_a_digest_is_told_by_its_beginning(text: str, told: str) -> None:
    assert brief(text) == told


def test_process_ids_are_shortened_and_other_ids_are_not() -> None:
    assert short("urn:uuid:7c1e0000-0000-0000-0000-000000000000") == "7c1e0000"
    assert short("model.EV-72.abc") == "model.EV-72.abc"
