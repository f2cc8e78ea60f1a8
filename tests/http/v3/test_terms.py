"""Policies as clients spell them: nothing of a rule is dropped, and what a rule cannot say is refused."""

from __future__ import annotations

from typing import Any

import pytest

from connector.http.manage.v3 import shapes, terms
from connector.http.manage.v3.jsonld import understand
from policies.errors import Invalid
from policies.odrl import parse_policy, render

EDC = "https://w3id.org/edc/v0.0.1/ns/"
ODRL = "http://www.w3.org/ns/odrl/2/"
W3C = "http://www.w3.org/ns/odrl.jsonld"
NS = "https://w3id.org/saltbridge/v1/"

USE = {"permission": [{"action": "use", "constraint": [{"leftOperand": f"{EDC}inForceDate", "operator": "lteq", "rightOperand": "x"}]}]}


def rules(policy: Any) -> Any:
    node = understand({"policy": policy}).node("policy")
    assert node is not None
    return terms.rules(node)


@pytest.mark.parametrize(
    "policy",
    [
        {"@context": W3C, "@type": "Set", **USE},
        {"@context": W3C, "@type": "Set", "permission": {"action": "use", "constraint": {
            "leftOperand": "inForceDate", "operator": {"@id": "odrl:lteq"}, "rightOperand": {"@value": "x"}}}},
        {"@type": "odrl:Set", "odrl:permission": [{"odrl:action": {"@id": "odrl:use"}, "odrl:constraint": [{
            "odrl:leftOperand": {"@id": "edc:inForceDate"}, "odrl:operator": {"@id": "odrl:lteq"}, "odrl:rightOperand": "x"}]}]},
        {"@type": [f"{ODRL}Set"], f"{ODRL}permission": [{f"{ODRL}action": [{"@id": f"{ODRL}use"}], f"{ODRL}constraint": [{
            f"{ODRL}leftOperand": [{"@id": f"{EDC}inForceDate"}], f"{ODRL}operator": [{"@id": f"{ODRL}lteq"}],
            f"{ODRL}rightOperand": [{"@value": "x"}]}]}]},
        {"@context": W3C, "@type": "Set", "permission": [{"action": {"type": "USE"}, "constraint": USE["permission"][0]["constraint"]}]},
        USE,  # without ODRL's context EDC would lose every rule of it
    ],
)  # fmt: skip
def test_every_spelling_is_the_same_rule(policy: Any) -> None:
    assert rules(policy) == USE


def test_an_empty_set_is_what_edc_makes_of_it() -> None:
    assert rules({"@context": W3C, "@type": "Set"}) == {"permission": [{"action": "use"}]}
    assert rules({"@context": W3C, "@type": "Set", "permission": []}) == {"permission": [{"action": "use"}]}


@pytest.mark.parametrize("name", ["role", "participant", "purpose", "grant"])
def test_our_own_operands_may_be_written_bare(name: str) -> None:
    constraint = {"leftOperand": name, "operator": "eq", "rightOperand": "recycler"}
    for context in (W3C, []):
        found = rules({"@context": context, "permission": [{"action": "use", "constraint": [constraint]}]})
        [kept] = parse_policy(found).permissions[0].constraints
        assert kept.operand == NS + name  # type: ignore[union-attr]


def test_an_operand_that_nobody_knows_stays_unknown() -> None:
    constraint = {"leftOperand": "unheard-of", "operator": "eq", "rightOperand": 5}
    found = rules({"@context": W3C, "permission": [{"action": "use", "constraint": [constraint]}]})
    assert found["permission"][0]["constraint"] == [{"leftOperand": f"{EDC}unheard-of", "operator": "eq", "rightOperand": "5"}]


@pytest.mark.parametrize("context", [W3C, []])
@pytest.mark.parametrize(
    "policy",
    [
        {"permission": [{"action": "use", "constraint": [{"leftOperand": "role", "operator": "eq", "rightOperand": "x", "refinement": []},
                                                         {"leftOperand": "role", "operator": "eq", "rightOperand": "x", "unit": "kg"}]}]},
        {"permission": [{"action": "use", "refinement": {"leftOperand": "role", "operator": "eq", "rightOperand": "x"}}]},
        {"permission": [{"action": "use", "target": "asset-1"}]},
        {"permission": [{"action": "use", "limit": "5"}]},
        {"permission": [{"action": "use"}], "conflict": "perm"},
        {"permission": [{"action": "use"}], "inheritFrom": "other"},
        {"permission": [{"action": "use", "constraint": [{"leftOperand": "role", "operator": "sameAs", "rightOperand": "x"}]}]},
        {"permission": [{"action": "use", "constraint": [{"leftOperand": "role", "operator": "eq"}]}]},
        {"permission": ["use"]},
        {"permission": [{"constraint": []}]},
    ],
)  # fmt: skip
def test_what_a_rule_cannot_say_is_refused_never_dropped(policy: Any, context: Any) -> None:
    with pytest.raises(Invalid):
        parse_policy(rules({"@context": context, **policy}))


@pytest.mark.parametrize("connective", ["and", "or", "xone", "andSequence"])
def test_connectives_keep_what_they_join(connective: str) -> None:
    one = {"leftOperand": f"{NS}role", "operator": "eq", "rightOperand": "recycler"}
    other = {"leftOperand": f"{NS}role", "operator": "isAnyOf", "rightOperand": ["oem", "maker"]}
    sent = {"@context": W3C, "permission": [{"action": "use", "constraint": [{connective: [one, other]}]}]}
    stored = rules(sent)
    assert stored == {"permission": [{"action": "use", "constraint": [{connective: [one, other]}]}]}
    assert render(parse_policy(rules(shapes.policy(stored, "Set")))) == stored  # what is read comes back the same


def test_prohibitions_duties_and_obligations_come_back_the_same() -> None:
    duty = {"action": "inform", "constraint": [{"leftOperand": f"{NS}role", "operator": "eq", "rightOperand": "auditor"}]}
    stored = {
        "permission": [{"action": "use", "duty": [duty]}],
        "prohibition": [{"action": "distribute"}],
        "obligation": [{"action": "delete"}],
    }
    assert render(parse_policy(rules(shapes.policy(stored, "Set")))) == stored


def test_parties_and_target_of_an_offer_are_read_as_text_or_reference() -> None:
    for party in ("maker", {"@id": "maker"}, {"@value": "maker"}):
        node = understand({"policy": {"@context": W3C, "@type": "Offer", "@id": "o", "assigner": party, "target": party}}).node("policy")
        assert node is not None
        assert terms.policy(node) == {"@id": "o", "assigner": "maker", "target": "maker"}
