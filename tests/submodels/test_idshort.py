"""idShortPaths: read and written, and nothing else taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.errors import Invalid
from submodels.idshort import parse, written

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True)


@given(NAMES, st.lists(NAMES | st.integers(0, 999), max_size=6))
def test_a_path_is_read_as_it_was_written(first: str, rest: list[str | int]) -> None:
    assert parse(written((first, *rest))) == (first, *rest)


def test_lists_in_lists_have_a_place_each() -> None:
    assert parse("Documents[0].DocumentVersions[12].Title") == ("Documents", 0, "DocumentVersions", 12, "Title")
    assert parse("a[0][1].b-c_d") == ("a", 0, 1, "b-c_d")


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "[0]", "a[]", "a[-1]", "a[01]", "a[1", "a]b", "a b", "1a", "a[0]b", "ä", "a\n", "a" * 2001, "$value"],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="idShortPath"):
        parse(text)
