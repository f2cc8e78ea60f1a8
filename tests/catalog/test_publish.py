from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.asset import view_asset_id
from catalog.errors import Invalid
from catalog.publish import dataset_of, definition_of, grant_digest_of, guard, offer_for, offer_id, read_offer_id
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.odrl import parse_offer, parse_policy
from policies.operands import CONTRACT_REFERENCE, GRANT, PARTICIPANT, PURPOSE, ROLE
from policies.profiles import READY, ready

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DIGEST, OTHER = "a" * 43, "b" * 43
VIEW = view_asset_id("model.EV-72", DIGEST)
RECYCLER = ready("recycler")


def atom(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def rules(*constraints: Any, **more: Any) -> dict[str, Any]:
    return {"permission": [{"action": "use", "constraint": list(constraints)}], **more}


# --- offers and their ids ------------------------------------------------------------------------


def test_the_grant_stands_in_every_permission_and_is_read_back() -> None:
    twice = {"permission": [*RECYCLER["permission"], *ready("authority")["permission"]]}
    offer = offer_for("d", VIEW, twice, DIGEST)
    assert [rule["constraint"][-1] for rule in offer["permission"]] == [atom(GRANT, "eq", f"sha-256:{DIGEST}")] * 2
    assert grant_digest_of(parse_offer(offer)) == DIGEST
    assert "target" not in offer


def test_left_operands_travel_in_a_form_that_json_ld_keeps() -> None:
    offer = offer_for("d", VIEW, rules(atom("role", "isAnyOf", ["recycler"]), {"or": [atom("dateTime", "lteq", "2027-12-31T23:59:59Z")]}))
    assert offer["permission"][0]["constraint"] == [
        atom(ROLE, "isAnyOf", "recycler"),
        {"or": [atom("odrl:dateTime", "lteq", "2027-12-31T23:59:59Z")]},
    ]


def test_an_id_is_the_same_until_the_terms_change() -> None:
    first = offer_for("d", VIEW, RECYCLER, DIGEST)["@id"]
    spelled = {
        "@id": "stored",
        "@type": "Set",
        "permission": {
            "action": "odrl:use",
            "constraint": {"and": [atom("odrl:purpose", "eq", "dismantling"), atom("role", "isAnyOf", ["recycler"])]},
        },
    }
    assert offer_for("d", VIEW, spelled, DIGEST)["@id"] == first
    assert offer_id("d", VIEW, RECYCLER) == first  # the dataset id says the grant already
    changed = [
        offer_for("e", VIEW, RECYCLER, DIGEST)["@id"],
        offer_for("d", view_asset_id("model.EV-73", DIGEST), RECYCLER, DIGEST)["@id"],
        offer_for("d", VIEW, ready("recycler", until=NOW), DIGEST)["@id"],
        offer_for("d", VIEW, ready("recycler", purposes=["repair"]), DIGEST)["@id"],
        offer_for("d", VIEW, {**RECYCLER, "prohibition": [{"action": "sell"}]}, DIGEST)["@id"],
        offer_for("d", VIEW, {**RECYCLER, "obligation": [{"action": "delete"}]}, DIGEST)["@id"],
    ]
    assert len({first, *changed}) == 7


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_definition_and_dataset_come_back_from_an_id_whatever_they_contain(definition: str, dataset: str) -> None:
    id = offer_id(definition, dataset, RECYCLER)
    assert re.fullmatch(r"[A-Za-z0-9\-._~:]+", id)
    read = read_offer_id(id)
    assert read is not None
    assert read[:2] == (definition, dataset) == (definition_of(id), dataset_of(id))
    assert len(read[2]) == 43


@pytest.mark.parametrize(
    "id",
    [
        "",
        "a:b",
        "a:b:c",
        "CD123:ACN0102:456",
        "urn:uuid:0",
        "ZA:ZA:ZA",
        "ZA::" + "A" * 43,
        "ZA=:ZA:" + "A" * 43,
        "Z:ZA:" + "A" * 43,
        "_w:ZA:" + "A" * 43,
        "ZA:ZA:" + "A" * 42 + "B",
    ],
)
def test_foreign_ids_are_not_taken_for_ours(id: str) -> None:
    assert read_offer_id(id) is definition_of(id) is dataset_of(id) is None


def test_rules_that_name_another_grant_or_cannot_be_read_make_no_offer() -> None:
    with pytest.raises(Invalid, match="another grant"):
        offer_for("d", VIEW, rules(atom(GRANT, "eq", f"sha-256:{OTHER}")), DIGEST)
    with pytest.raises(Invalid, match="another grant"):
        offer_for("d", VIEW, rules(atom(GRANT, "eq", DIGEST)), DIGEST)
    with pytest.raises(Invalid):
        offer_for("d", VIEW, rules(atom(ROLE, "eq", 5)), DIGEST)
    assert len(offer_for("d", VIEW, rules(atom("grant", "eq", f"sha-256:{DIGEST}")), DIGEST)["permission"][0]["constraint"]) == 1


def test_the_digest_is_read_from_a_contract_reference_too_and_never_guessed() -> None:
    assert grant_digest_of(parse_policy(rules(atom(CONTRACT_REFERENCE, "isAllOf", [f"sha-256:{DIGEST}"])))) == DIGEST
    assert grant_digest_of(parse_policy(rules())) is None
    assert grant_digest_of(parse_policy(rules({"or": [atom(GRANT, "eq", f"sha-256:{one}") for one in (DIGEST, OTHER)]}))) is None
    assert grant_digest_of(parse_policy(rules(atom(GRANT, "eq", DIGEST)))) is None


# --- the guard -----------------------------------------------------------------------------------

ANY = rules()
TIME = atom("dateTime", "gteq", "2030-01-01T00:00:00Z")

OPEN = [
    ANY,
    rules(atom(PURPOSE, "eq", "dismantling")),
    rules(atom("dateTime", "lteq", "2027-12-31T23:59:59Z")),
    rules(TIME),  # not yet, but one day
    rules(atom("inForceDate", "lteq", "contractAgreement+30d")),
    rules(atom(GRANT, "eq", f"sha-256:{DIGEST}")),  # whoever asks names it
    rules(atom(PARTICIPANT, "neq", "did:web:rival")),  # everybody has some id
    rules(atom(PARTICIPANT, "isNoneOf", ["did:web:rival"])),
    rules({"or": [atom(ROLE, "eq", "recycler"), TIME]}),
    rules({"xone": [atom(PURPOSE, "eq", "repair"), TIME]}),
    {"permission": [*RECYCLER["permission"], {"action": "use"}]},
    rules(prohibition=[{"action": "sell"}]),
    rules(prohibition=[{"action": "use", "constraint": [TIME]}]),
]
CLOSED = [
    *[ready(name) for name in READY if name not in ("public", "any-peer")],
    rules(atom(PARTICIPANT, "isAnyOf", ["did:web:friend"])),
    rules(atom("Membership", "eq", "active")),
    rules(atom(ROLE, "neq", "oem")),  # for whom no role is vouched it is not evaluable
    rules(atom(ROLE, "isNoneOf", ["oem"])),
    rules(atom("spatial", "eq", "EU")),
    rules({"xone": [atom(ROLE, "eq", "recycler"), TIME]}),
    rules(prohibition=[{"action": "use", "constraint": [atom(ROLE, "eq", "oem")]}]),
    rules(prohibition=[{"action": "use"}]),
    rules(profile="urn:unheard"),
]


@pytest.mark.parametrize("terms", OPEN)
def test_a_restricted_view_may_not_stand_under_what_a_stranger_could_satisfy(terms: dict[str, Any]) -> None:
    why = guard(parse_policy(ANY), parse_policy(terms), NOW)
    assert why
    assert why == guard(parse_policy(ANY), parse_policy(terms), NOW.replace(year=2040))


@pytest.mark.parametrize("terms", CLOSED)
def test_it_may_stand_when_either_policy_asks_for_a_vouched_fact(terms: dict[str, Any]) -> None:
    assert guard(parse_policy(ANY), parse_policy(terms), NOW) == ()
    assert guard(parse_policy(terms), parse_policy(ANY), NOW) == ()


@pytest.mark.parametrize("terms", OPEN + CLOSED)
@pytest.mark.parametrize("participant", [(), ("did:web:somebody",)])
def test_whatever_the_guard_lets_stand_refuses_those_without_vouched_facts(terms: dict[str, Any], participant: tuple[str, ...]) -> None:
    policy = parse_policy(terms)
    if not guard(policy, policy, NOW):
        facts = Facts().with_fact(PARTICIPANT, *participant).with_fact(GRANT, f"sha-256:{DIGEST}")
        assert not any(evaluate(policy, facts, NOW.replace(year=year), NOW).allowed for year in (2026, 2031))


ATOMS = st.one_of(
    st.builds(
        atom,
        st.sampled_from([ROLE, PARTICIPANT, PURPOSE, GRANT, "spatial"]),
        st.sampled_from(["eq", "neq", "isAnyOf", "isNoneOf", "isAllOf"]),
        st.one_of(st.sampled_from("ab"), st.lists(st.sampled_from("ab"), min_size=1, max_size=2)),
    ),
    st.builds(
        atom,
        st.sampled_from(["dateTime", "inForceDate"]),
        st.sampled_from(["lt", "lteq", "gt", "gteq", "eq", "neq"]),
        st.sampled_from(["2025-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "contractAgreement+30d", "soon"]),
    ),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, members: {name: members}, st.sampled_from(["and", "or", "xone"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)
TERMS = st.builds(
    lambda permitted, prohibited: rules(
        *permitted, **({"prohibition": [{"action": "use", "constraint": prohibited}]} if prohibited else {})
    ),
    st.lists(CONDITIONS, max_size=3),
    st.lists(CONDITIONS, max_size=1),
)


@given(TERMS, TERMS, st.sampled_from([2024, 2026, 2031]))
def test_what_the_guard_says_of_two_policies_never_changes_with_time(access: Any, contract: Any, year: int) -> None:
    """So its verdict may be kept as long as the policies are the same."""
    policies = parse_policy(access), parse_policy(contract)
    assert guard(*policies, NOW) == guard(*policies, NOW.replace(year=year))
