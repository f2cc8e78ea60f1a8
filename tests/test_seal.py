"""Secrets at rest: unreadable without the node's key, and bound to what they belong to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import SaltbridgeError
from connector.seal import seal, unseal

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.text(), st.text())
def test_what_was_sealed_opens_for_the_same_record(about: str, text: str) -> None:
    about, text = (each.encode("utf-8", "replace").decode() for each in (about, text))
    assert unseal(KEY, about, seal(KEY, about, text)) == text


def test_a_sealed_text_shows_nothing_and_is_never_the_same_twice() -> None:
    one, two = seal(KEY, "secret/a", "hunter2"), seal(KEY, "secret/a", "hunter2")
    assert one != two and "hunter2" not in one


@pytest.mark.parametrize(("key", "about"), [(OTHER, "secret/a"), (KEY, "secret/b"), (KEY, "asset/a")])
def test_another_key_or_another_record_does_not_open_it(key: bytes, about: str) -> None:
    with pytest.raises(SaltbridgeError) as caught:
        unseal(key, about, seal(KEY, "secret/a", "hunter2"))
    assert caught.value.code == "secret.unreadable" and "hunter2" not in str(caught.value)


@pytest.mark.parametrize("broken", ["", "AAAA", "not base64 at all", "\u00e9"])
def test_damage_is_said_as_damage(broken: str) -> None:
    with pytest.raises(SaltbridgeError):
        unseal(KEY, "secret/a", broken)


def test_a_changed_byte_does_not_open() -> None:
    sealed = seal(KEY, "secret/a", "hunter2")
    for place in range(0, len(sealed) - 1, 7):
        other = "A" if sealed[place] != "A" else "B"
        with pytest.raises(SaltbridgeError):
            unseal(KEY, "secret/a", sealed[:place] + other + sealed[place + 1 :])
