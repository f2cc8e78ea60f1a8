from __future__ import annotations

from connector.kept import Kept


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    kept: Kept[str, int] = Kept(2)
    assert kept.hold("a", 1) == 1
    kept.hold("b", 2)
    assert kept.get("a") == 1
    kept.hold("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), len(kept)) == (1, None, 3, 2)


def test_a_key_has_one_value_the_last_one() -> None:
    kept: Kept[str, int] = Kept(2)
    kept.hold("a", 1)
    kept.hold("a", 2)
    assert (kept.get("a"), len(kept)) == (2, 1)
