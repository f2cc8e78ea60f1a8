from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from policies.check import warnings
from policies.errors import Invalid
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.odrl import Constraint, Logical, constraints_of, operands_of, parse_agreement, parse_offer, parse_policy, render, spelled
from policies.operands import CX, DATE_TIME, ROLE, operand

from .test_evaluate import NOW

OFFER: dict[str, Any] = {
    "@id": "offer-1",
    "@type": "Offer",
    "target": "model.EV-72.x",
    "permission": [
        {"action": "use", "constraint": [{"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2027-12-31T23:59:59Z"}]}
    ],
}
ATOM = {"leftOperand": "role", "operator": "eq", "rightOperand": "recycler"}


def rules(constraint: Any) -> dict[str, Any]:
    return {"permission": [{"action": "use", "constraint": [constraint]}]}


def test_the_specifications_examples_come_back_as_they_were(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "dsp-2025-1").glob("*/example/*.json")):
        message = json.loads(path.read_text())
        for key, parse in (("offer", parse_offer), ("agreement", parse_agreement)):
            if key in message:
                assert render(parse(message[key])) == message[key], path.name
                seen += 1
    assert seen >= 5


def test_the_catena_x_samples_are_read_kept_and_what_is_unknown_in_them_is_never_satisfied(
    shared: Path, valid: Callable[[str, Any], bool]
) -> None:
    seen = 0
    for path in sorted((shared / "catenax" / "policies").rglob("*.json")):
        sample = json.loads(path.read_text())
        if "schema" in path.name or "@graph" in sample:
            continue
        policy = parse_policy(rules(sample) if "leftOperand" in sample else sample)
        assert valid("negotiation/contract-schema.json#/definitions/Offer", {"@id": "x", **render(policy)})
        unknown = [one.left for one in constraints_of(policy) if operand(one.left) is None]
        assert all(any(left in text for text in warnings(policy)) for left in unknown)
        if unknown:
            assert not evaluate(policy, Facts(), NOW).allowed
        seen += 1
    assert seen >= 30


def test_spelling_is_kept_and_meaning_is_canonical() -> None:
    policy = parse_policy(rules({**ATOM, "leftOperand": "odrl:dateTime", "rightOperand": ["2027-12-31T23:59:59Z"]}))
    (one,) = constraints_of(policy)
    assert (one.left, one.operand, one.values) == ("odrl:dateTime", DATE_TIME, ("2027-12-31T23:59:59Z",))
    assert operands_of(policy) == {DATE_TIME}
    assert render(policy)["permission"][0]["constraint"][0]["rightOperand"] == ["2027-12-31T23:59:59Z"]


def test_rendering_leaves_nothing_empty_and_wraps_lists_of_one() -> None:
    policy = parse_policy(
        {"@type": "Set", "permission": {"action": "use", "constraint": {"and": [ATOM]}}, "prohibition": [], "obligation": []}
    )
    assert render(policy) == {"permission": [{"action": "use", "constraint": [{"and": [ATOM]}]}]}
    assert render(parse_policy({"permission": [{"action": "use", "constraint": []}]})) == {"permission": [{"action": "use"}]}


@pytest.mark.parametrize("right", [{"@value": "recycler"}, {"@id": "recycler"}, {"@value": "recycler", "@type": "xsd:string"}, "recycler"])
def test_typed_literals_become_text(right: Any) -> None:
    policy = parse_policy(rules({**ATOM, "rightOperand": right}))
    assert render(policy) == rules(ATOM)


def test_days_that_catena_x_writes_as_numbers_become_text() -> None:
    (one,) = constraints_of(parse_policy(rules({"leftOperand": "DataUsageEndDurationDays", "operator": "eq", "rightOperand": 2})))
    assert (one.operand, one.right) == (CX + "DataUsageEndDurationDays", "2")


REFUSED = {
    "number on the right": rules({**ATOM, "rightOperand": 5}),
    "boolean on the right": rules({**ATOM, "rightOperand": True}),
    "null on the right": rules({**ATOM, "rightOperand": None}),
    "number in a list": rules({**ATOM, "rightOperand": ["a", 5]}),
    "empty list": rules({**ATOM, "rightOperand": []}),
    "strange object": rules({**ATOM, "rightOperand": {"@value": "a", "unit": "kg"}}),
    "no right operand": rules({"leftOperand": "role", "operator": "eq"}),
    "unknown operator": rules({**ATOM, "operator": "like"}),
    "stray operator of the schema": rules({**ATOM, "operator": "term-lteq"}),
    "operator as an object": rules({**ATOM, "operator": {"@id": "odrl:eq"}}),
    "refinement in a constraint": rules({**ATOM, "refinement": [ATOM]}),
    "unit in a constraint": rules({**ATOM, "unit": "urn:kg"}),
    "atomic and logical": rules({**ATOM, "and": [ATOM]}),
    "two connectives": rules({"and": [ATOM], "or": [ATOM]}),
    "empty connective": rules({"and": []}),
    "constraint as text": rules("role"),
    "action with refinement": {"permission": [{"action": {"@id": "use", "refinement": [ATOM]}}]},
    "no action": {"permission": [{"constraint": [ATOM]}]},
    "rule-level target": {"permission": [{"action": "use", "target": "x"}]},
    "rule-level assignee": {"permission": [{"action": "use", "assignee": "x"}]},
    "misspelled constraints": {"permission": [{"action": "use", "constraints": [ATOM]}]},
    "remedy": {"permission": [{"action": "use"}], "prohibition": [{"action": "sell", "remedy": [{"action": "delete"}]}]},
    "inheritFrom": {"permission": [{"action": "use"}], "inheritFrom": "urn:parent"},
    "conflict": {"permission": [{"action": "use"}], "conflict": "perm"},
    "conflict with a prefix": {"permission": [{"action": "use"}], "odrl:conflict": "perm"},
    "prohibition with a prefix": {"permission": [{"action": "use"}], "odrl:prohibition": [{"action": "use"}]},
    "obligation only": {"obligation": [{"action": "delete"}]},
    "no rule": {},
    "a list": [],
    "profile as number": {"permission": [{"action": "use"}], "profile": 5},
    "nested too deep": rules(reduce(lambda inner, _: {"and": [inner]}, range(20), ATOM)),
    "too many": {"permission": [{"action": "use", "constraint": [ATOM] * 501}]},
}


@pytest.mark.parametrize("policy", REFUSED.values(), ids=REFUSED.keys())
def test_what_could_lose_a_restriction_is_refused(policy: Any) -> None:
    with pytest.raises(Invalid):
        parse_policy(policy)


def test_a_refusal_says_where_by_json_pointer() -> None:
    with pytest.raises(Invalid) as refused:
        parse_offer({**OFFER, "permission": [{"action": "use", "constraint": [{"or": [ATOM, {**ATOM, "rightOperand": 5}]}]}]})
    assert refused.value.where == "offer/permission/0/constraint/0/or/1/rightOperand"
    assert refused.value.next


def test_offers_have_ids_and_agreements_have_parties() -> None:
    assert parse_offer(OFFER).target == "model.EV-72.x"
    parties = {"assigner": "did:web:a", "assignee": "did:web:b", "timestamp": "2026-11-24T09:00:00Z", "@type": "Agreement"}
    agreement = parse_agreement({**OFFER, **parties})
    assert agreement.agreed == NOW.replace(hour=9)
    assert render(agreement) == {**OFFER, **parties}
    for missing in ("@id", "target", "assigner", "assignee"):
        with pytest.raises(Invalid, match="missing"):
            parse_agreement({key: value for key, value in {**OFFER, **parties}.items() if key != missing})
    with pytest.raises(Invalid):
        parse_agreement({**OFFER, **parties, "timestamp": "2026-11-24T09:00:00"})
    with pytest.raises(Invalid):
        parse_offer({**OFFER, "@type": "Agreement"})
    with pytest.raises(Invalid, match="missing"):
        parse_offer({"permission": [{"action": "use"}]})


def test_a_condition_is_spelled_on_one_short_printable_line() -> None:
    line = spelled(Logical("or", (Constraint(ROLE, "isAnyOf", ("a", "b")), Constraint("spatial", "eq", "x\n\x1b[31m" + "y" * 500))))
    assert line.startswith("(role isAnyOf [a, b] or spatial eq x??[31m")
    assert len(line) <= 200


# --- read once -----------------------------------------------------------------------------------


def test_the_same_text_is_read_once_and_what_differs_by_type_alone_is_not_the_same() -> None:
    policy = {"permission": [{"action": "use", "constraint": [ATOM]}]}
    assert parse_policy(policy) is parse_policy(json.loads(json.dumps(policy)))
    text, number = ({**ATOM, "leftOperand": CX + "WarrantyDurationMonths", "rightOperand": value} for value in ("1", 1))
    for right, allowed in (("1", True), (1, True), (True, False), (1.0, False)):
        changed = {"permission": [{"action": "use", "constraint": [{**number, "rightOperand": right}]}]}
        if allowed:
            assert parse_policy(changed) == parse_policy({"permission": [{"action": "use", "constraint": [text]}]})
        else:
            with pytest.raises(Invalid):
                parse_policy(changed)


def test_a_change_inside_a_policy_that_was_read_is_seen() -> None:
    policy: dict[str, Any] = {"permission": [{"action": "use", "constraint": [dict(ATOM)]}]}
    before = parse_policy(policy)
    policy["permission"][0]["constraint"][0]["rightOperand"] = "oem"
    assert parse_policy(policy) != before


def test_a_refusal_names_the_place_below_where_the_caller_said_even_when_the_text_is_known() -> None:
    policy = {"permission": [{"action": 5}]}
    for where in ("", "/offer", ""):
        with pytest.raises(Invalid) as refused:
            parse_policy(policy, where)
        assert refused.value.where == f"{where}/permission/0/action"
