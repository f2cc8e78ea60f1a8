"""JSON that two readers could understand differently is refused."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Malformed, TooLarge
from connector.ports import Limits
from connector.protocol.plain import cut, digest_of, pointer, read_json

LIMITS = Limits()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": {"b": 1, "b": 2}}', "'b' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 9007199254740992}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (rb'{"a": "\ud800"}', "surrogate"),
        (rb'{"\udfff": 1}', "surrogate"),
        (rb'{"a": "x\u0000y"}', "NUL"),
    ],
)
def test_refused(body, says):
    with pytest.raises(Malformed, match=says):
        read_json(body, LIMITS)


def test_a_syntax_error_says_where():
    with pytest.raises(Malformed) as caught:
        read_json(b'{\n "a": }', LIMITS)
    assert caught.value.where == "line 2, column 7"


def test_surrogate_pairs_and_safe_integers_are_read():
    assert read_json(rb'{"a": "\ud83d\udd0b", "b": -9007199254740991}', LIMITS) == {"a": "🔋", "b": -9007199254740991}


@pytest.mark.parametrize(
    ("limits", "fits", "over"),
    [
        ({"message_bytes": 10}, b'{"a":"bc"}', b'{"a":"bcd"}'),
        ({"message_depth": 3}, b'{"a":{"b":1}}', b'{"a":{"b":[1]}}'),
        ({"message_nodes": 4}, b"[1,2,3]", b"[1,2,3,4]"),
    ],
)
def test_limits_are_sharp(limits, fits, over):
    tight = dataclasses.replace(LIMITS, **limits)
    read_json(fits, tight)
    with pytest.raises(TooLarge):
        read_json(over, tight)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_bottomless_nesting_is_refused_not_survived(opening):
    with pytest.raises(TooLarge):
        read_json(opening * 50_000 + b"1", LIMITS)


def test_a_message_of_the_full_size_is_read():
    read_json(b'"' + b"a" * (LIMITS.message_bytes - 2) + b'"', LIMITS)


@given(st.text(), st.integers(0, 40))
def test_cut_text_fits_and_begins_the_same(text, limit):
    short = cut(text, limit)
    assert len(short.encode()) <= limit
    assert short == text.encode("utf-8", "replace").decode() or text.startswith(short.removesuffix("…"))


def test_pointers_escape():
    assert pointer(["a/b", "~", 0]) == "/a~1b/~0/0"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(1 - 2**53, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_digests_do_not_depend_on_the_order_of_keys(tree):
    assert digest_of(tree) == digest_of(dict(reversed(list(tree.items()))))
    assert len(digest_of(tree)) == 43
