from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from policies.errors import Invalid
from policies.facts import Fact, Facts

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_fact_holds_until_its_last_instant() -> None:
    fact = Fact(("recycler",), "us", NOON)
    assert fact.holds(NOON)
    assert not fact.holds(NOON + timedelta(microseconds=1))
    assert Fact(("recycler",)).holds(datetime.max.replace(tzinfo=UTC))


def test_facts_come_back_from_json_as_they_were() -> None:
    facts = Facts().with_fact("urn:role", "recycler", "oem", source="us", until=NOON).with_fact("urn:id", "did:web:x")
    assert Facts.from_json(facts.to_json()) == facts


def test_the_digest_tells_facts_apart_and_ignores_their_order() -> None:
    one = Facts().with_fact("urn:a", "1").with_fact("urn:b", "2")
    other = Facts().with_fact("urn:b", "2").with_fact("urn:a", "1")
    assert one.digest() == other.digest()
    assert (
        len({one.digest(), one.with_fact("urn:a", "2").digest(), one.with_fact("urn:a", "1", until=NOON).digest(), Facts().digest()}) == 4
    )
    assert len(one.digest()) == 43


def test_the_same_instant_in_another_zone_is_the_same_fact() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    assert Facts().with_fact("urn:a", "1", until=NOON).digest() == Facts().with_fact("urn:a", "1", until=there).digest()


def test_a_later_fact_replaces_the_earlier() -> None:
    assert Facts().with_fact("urn:a", "1").with_fact("urn:a", "2").get("urn:a") == Fact(("2",))
    assert Facts().get("urn:a") is None


@pytest.mark.parametrize(
    "json",
    [
        {"urn:a": "x"},
        {"urn:a": {"values": "x"}},
        {"urn:a": {"values": [1]}},
        {"urn:a": {"values": [], "until": "2026-01-01T00:00:00"}},
        {"urn:a": {"until": 5}},
    ],
)
def test_facts_that_are_none_are_refused(json: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Facts.from_json(json)
