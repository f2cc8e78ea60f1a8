from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policies.facts import Facts
from policies.odrl import parse_policy
from policies.operands import GRANT, PARTICIPANT, PURPOSE, ROLE
from policies.profiles import ready
from policies.words import explain, in_words

UNTIL = datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)


def atom(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def words(*constraints: Any, **more: Any) -> str:
    return in_words(parse_policy({"permission": [{"action": "use", "constraint": list(constraints)}], **more}))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (ready("recycler", until=UNTIL), "to recyclers · for dismantling · to 2027-12-31"),
        (ready("second-life"), "to second life · 30 days"),
        (ready("second-life", until=UNTIL), "to second life · 30 days · to 2027-12-31"),
        (ready("supplier", purposes=["due-diligence", "carbon-accounting"]), "to suppliers · for due diligence or carbon accounting"),
        (ready("authority"), "to market surveillance"),
        (ready("public"), "everyone, by contract"),
    ],
)
def test_ready_policies_read_like_the_catalog(rules: Any, text: str) -> None:
    assert in_words(parse_policy(rules)) == text


def test_the_grant_is_not_repeated_and_an_open_offer_is_for_everyone_by_contract() -> None:
    grant = atom(GRANT, "eq", "sha-256:" + "a" * 43)
    assert words(atom(ROLE, "eq", "recycler"), grant) == "to recyclers"
    assert words(grant, **{"@id": "offer"}) == words(**{"@id": "foreign-offer"}) == "everyone, by contract"


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (atom("dateTime", "lteq", "2027-06-30T12:00:00Z"), "to 2027-06-30 12:00Z"),
        (atom("dateTime", "gteq", "2027-06-30T00:00:00Z"), "from 2027-06-30"),
        (atom("inForceDate", "lteq", "contractAgreement+12h"), "12 hours"),
        (atom("inForceDate", "lteq", "contractAgreement+1d"), "1 day"),
        (atom("inForceDate", "gteq", "contractAgreement+2d"), "2 days after signing"),
        (atom(PARTICIPANT, "eq", "did:web:x"), "to did:web:x"),
        (atom(ROLE, "isNoneOf", ["oem"]), "not to vehicle makers"),
        (atom("Membership", "eq", "active"), "to members"),
        (atom(PURPOSE, "eq", "art"), "for art"),
        ({"or": [atom(ROLE, "eq", "recycler"), atom(ROLE, "eq", "dismantler")]}, "to recyclers or dismantlers"),
        (atom("spatial", "eq", "EU"), "spatial eq EU (not understood here)"),
        (atom("dateTime", "lteq", "soon"), "dateTime lteq soon"),
    ],
)
def test_constraints_in_words(constraint: Any, text: str) -> None:
    assert words(constraint) == text


def test_prohibitions_and_duties_are_said() -> None:
    delete = {"action": "odrl:delete", "constraint": [atom("dateTime", "lteq", "2028-01-31T23:59:59Z")]}
    assert words(atom(ROLE, "eq", "oem"), prohibition=[{"action": "odrl:sell"}], obligation=[delete]) == (
        "to vehicle makers · not to sell · must delete by 2028-01-31"
    )


def test_foreign_text_cannot_move_the_cursor() -> None:
    assert "\x1b" not in words(atom(PURPOSE, "eq", "x\x1b[2J"), atom("a\x1bb", "eq", "c\nd"))


def test_an_explanation_shows_values_sources_and_the_reason() -> None:
    facts = Facts().with_fact(ROLE, "oem", source="maker")
    lines = explain(parse_policy(ready("recycler", until=UNTIL)), facts, datetime(2026, 11, 24, tzinfo=UTC))
    assert lines == [
        "no: to recyclers · for dismantling · to 2027-12-31",
        "permission 1: use - does not hold",
        "  constraint 1: role isAnyOf recycler = false · known: oem (maker) · the role vouched for is another",
        "  constraint 2: purpose eq dismantling = true · declared, not checked",
        "  constraint 3: dateTime lteq 2027-12-31T23:59:59Z = true",
        "why: permission 1, constraint 1: role isAnyOf recycler - the role vouched for is another (policy.constraint.false)",
    ]
