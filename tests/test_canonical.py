"""Canonical JSON is what rfc8785 writes, byte for byte, whichever way it is written."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from connector import canonical as module
from connector.canonical import canonical

TEXT = st.text() | st.text(st.characters(max_codepoint=0x7F)) | st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**53), 2**53) | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def by_the_book(value: Any) -> bytes | None:
    try:
        return rfc8785.dumps(value)
    except ValueError:
        return None


@given(VALUES)
def test_the_bytes_are_those_of_rfc8785_and_what_it_refuses_is_refused(value: Any) -> None:
    expected = by_the_book(value)
    if expected is None:
        with pytest.raises(ValueError):
            canonical(value)
    else:
        assert canonical(value) == expected


def test_every_character_is_written_as_the_book_has_it() -> None:
    for code in [*range(0xD800), *range(0xE000, 0x110000, 7)]:
        assert canonical(chr(code)) == rfc8785.dumps(chr(code)), hex(code)


class Word(StrEnum):
    SAID = "said"


@pytest.mark.parametrize(
    "value", [Word.SAID, {"a": Word.SAID}, {Word.SAID: 1}, {"é": 1, "e": 2, "\U0001f600": 3, "\ufb33": 4}, 2**53 - 1, [[[]]] * 3, 1.0]
)
def test_what_only_one_of_them_knows_goes_by_the_book(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800", {"\ud800": 1}])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical(value)


def test_common_entries_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "rfc8785", None)
    assert canonical({"to": "AGREED", "by": None, "n": 3, "all": ["x", True]}) == b'{"all":["x",true],"by":null,"n":3,"to":"AGREED"}'
