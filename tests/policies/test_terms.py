from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from policies import terms as module
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.imply import implies
from policies.odrl import Policy, parse_offer, parse_policy, render
from policies.operands import CLAIM, CONTRACT_REFERENCE, DATE_TIME, FIGURE, GRANT, IN_FORCE, PURPOSE, ROLE
from policies.operators import SETS
from policies.profiles import READY, ready
from policies.terms import fill, grant_mismatch, grants_named, narrows, purposes_of, same_terms

DIGEST, OTHER = "sha-256:" + "a" * 43, "sha-256:" + "b" * 43


def atom(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def policy(*constraints: Any, **more: Any) -> Policy:
    return parse_policy({"permission": [{"action": "use", "constraint": list(constraints)}], **more})


IS_RECYCLER = atom(ROLE, "isAnyOf", "recycler")
PURPOSES = atom(PURPOSE, "isAnyOf", ["dismantling", "repair"])
UNTIL = atom("odrl:dateTime", "lteq", "2027-12-31T23:59:59Z")
THE_GRANT = atom(GRANT, "eq", DIGEST)
OFFERED = policy(IS_RECYCLER, PURPOSES, UNTIL, THE_GRANT)
BARE = policy()


def outcome(*constraints: Any, offered: Policy = OFFERED) -> bool:
    return not narrows(fill(policy(*constraints), offered), offered)


# --- narrowing, as grants.md has it --------------------------------------------------------------


@pytest.mark.parametrize(
    "constraint",
    [
        atom(PURPOSE, "eq", "dismantling"),
        atom(PURPOSE, "isAnyOf", ["repair"]),
        atom("odrl:purpose", "eq", "repair"),
        atom("dateTime", "lteq", "2027-06-30T00:00:00Z"),
        atom("dateTime", "lt", "2027-12-31T23:59:59Z"),
        atom("dateTime", "lteq", "2028-01-01T00:59:59+01:00"),
        atom(ROLE, "eq", "recycler"),
        atom("inForceDate", "lteq", "contractAgreement+30d"),  # a further bound
        {"and": [atom(PURPOSE, "eq", "repair"), atom("dateTime", "lteq", "2027-01-01T00:00:00Z")]},
    ],
)
def test_a_request_may_narrow(constraint: Any) -> None:
    assert outcome(constraint)


@pytest.mark.parametrize(
    "constraint",
    [
        atom(PURPOSE, "eq", "resale"),
        atom(PURPOSE, "isAnyOf", ["dismantling", "repair", "resale"]),
        atom("dateTime", "lteq", "2028-06-30T00:00:00Z"),
        atom("dateTime", "lteq", "2027-12-31"),
        atom(ROLE, "isAnyOf", ["recycler", "oem"]),
        atom(ROLE, "isPartOf", ["recycler", "oem"]),
        {"or": [atom(ROLE, "eq", "recycler"), atom(ROLE, "eq", "oem")]},
        {"or": [IS_RECYCLER, PURPOSES]},
        {"xone": [IS_RECYCLER]},
        {"and": [IS_RECYCLER, {"or": [atom("spatial", "eq", "EU"), IS_RECYCLER]}]},
        atom("dateTime", "isAnyOf", "2027-06-30T00:00:00Z"),
        atom(GRANT, "eq", OTHER),
    ],
)
def test_a_request_may_not_widen_or_say_what_we_do_not_know(constraint: Any) -> None:
    assert not outcome(constraint)


def test_what_nobody_understands_is_not_narrower_unless_it_was_offered() -> None:
    strange = atom("spatial", "eq", "EU")
    assert narrows(fill(policy(strange), OFFERED), OFFERED) == ("permission 1: spatial eq EU is not understood",)
    assert narrows(fill(policy(), policy(strange)), policy(strange)) == ()
    assert narrows(policy(atom("spatial", "eq", "DE")), policy(strange))


def test_a_request_that_contradicts_the_offer_keeps_it_and_is_never_satisfied() -> None:
    filled = fill(policy(atom(GRANT, "neq", DIGEST)), OFFERED)
    facts = Facts().with_fact(ROLE, "recycler").with_fact(GRANT, DIGEST)
    assert not evaluate(filled, facts, NOW).allowed
    assert evaluate(OFFERED, facts, NOW).allowed


def test_what_a_request_leaves_out_is_as_offered() -> None:
    assert same_terms(fill(BARE, OFFERED), OFFERED) == ()
    assert render(fill(BARE, OFFERED)) == render(OFFERED)
    narrowed = fill(policy(atom(PURPOSE, "eq", "repair")), OFFERED)
    assert render(narrowed) == render(policy(IS_RECYCLER, atom(PURPOSE, "eq", "repair"), UNTIL, THE_GRANT))
    window = policy(atom("dateTime", "gteq", "2027-01-01T00:00:00Z"), UNTIL)
    assert (
        same_terms(
            fill(policy(atom("dateTime", "lteq", "2027-06-30T00:00:00Z")), window),
            policy(atom("dateTime", "gteq", "2027-01-01T00:00:00Z"), atom("dateTime", "lteq", "2027-06-30T00:00:00Z")),
        )
        == ()
    )


def test_prohibitions_and_obligations_are_filled_too_and_may_not_change() -> None:
    delete, sell = [{"action": "odrl:delete"}], [{"action": "odrl:sell"}]
    offered = policy(IS_RECYCLER, obligation=delete, prohibition=sell)
    assert same_terms(fill(BARE, offered), offered) == ()
    assert narrows(policy(IS_RECYCLER, obligation=delete), offered) == ("the prohibitions differ",)
    assert narrows(policy(IS_RECYCLER, prohibition=sell, obligation=[{"action": "compensate"}]), offered) == ("the obligations differ",)


def test_a_request_keeps_its_own_id_and_target() -> None:
    request = parse_offer({"@id": "theirs", "@type": "Offer", "target": "ds", "permission": [{"action": "use"}]})
    filled = fill(request, OFFERED)
    assert (filled.id, filled.target, filled.permissions) == ("theirs", "ds", OFFERED.permissions)


def test_the_kits_unconstrained_counter_offer_gets_what_was_offered_and_no_more() -> None:
    for name in READY:
        offered = parse_policy(ready(name))
        assert same_terms(fill(BARE, offered), offered) == ()


def test_another_action_is_not_narrower() -> None:
    request = parse_policy({"permission": [{"action": "odrl:distribute"}]})
    assert narrows(fill(request, OFFERED), OFFERED)


def test_why_not_names_both_constraints() -> None:
    why = narrows(fill(policy(atom(PURPOSE, "eq", "resale")), OFFERED), OFFERED)
    assert why == ("permission 1: purpose isAnyOf [dismantling, repair] is not kept by purpose eq resale",)


def test_an_empty_request_against_an_offer_is_wider_before_it_is_filled() -> None:
    assert narrows(BARE, OFFERED)
    assert narrows(OFFERED, BARE) == ()


# --- sameness ------------------------------------------------------------------------------------


def test_the_same_terms_in_another_spelling_are_the_same() -> None:
    other = parse_policy(
        {
            "@id": "x",
            "permission": {
                "action": "odrl:use",
                "constraint": [
                    {"and": [atom("dateTime", "lteq", "2028-01-01T00:59:59+01:00"), THE_GRANT]},
                    atom(PURPOSE, "isAnyOf", ["repair", "dismantling"]),
                    atom("role", "isAnyOf", ["recycler"]),
                ],
            },
        }
    )
    assert same_terms(OFFERED, other) == same_terms(other, OFFERED) == ()


def test_differences_are_named() -> None:
    assert same_terms(OFFERED, policy(IS_RECYCLER, PURPOSES, UNTIL, atom(GRANT, "eq", OTHER))) == (
        f"permission 1: grant eq {DIGEST} is missing",
        f"permission 1: grant eq {OTHER} is added",
    )
    assert same_terms(OFFERED, policy(IS_RECYCLER, PURPOSES, UNTIL, THE_GRANT, profile="urn:p")) == ("the profile differs",)
    assert same_terms(BARE, policy(prohibition=[{"action": "sell"}])) == ("1 prohibitions instead of 0",)
    assert same_terms(policy({"andSequence": [IS_RECYCLER, UNTIL]}), policy({"andSequence": [UNTIL, IS_RECYCLER]}))
    assert same_terms(policy({"xone": [IS_RECYCLER, IS_RECYCLER]}), policy({"xone": [IS_RECYCLER]}))


# --- grants --------------------------------------------------------------------------------------


def test_another_grant_is_reported_as_such() -> None:
    assert grant_mismatch(policy(atom(GRANT, "eq", OTHER)), OFFERED)
    assert grant_mismatch(policy({"or": [THE_GRANT, atom(GRANT, "eq", OTHER)]}), OFFERED)
    assert grant_mismatch(policy(THE_GRANT), BARE)
    assert not grant_mismatch(BARE, OFFERED)
    assert not grant_mismatch(policy(THE_GRANT), OFFERED)


def test_a_catena_x_contract_reference_names_a_grant_too() -> None:
    reference = policy(atom(CONTRACT_REFERENCE, "isAllOf", ["AGB9832", DIGEST]))
    assert grants_named(reference) == {DIGEST}
    assert not grant_mismatch(policy(THE_GRANT), reference)
    assert grant_mismatch(policy(atom("ContractReference", "isAllOf", [OTHER])), OFFERED)


def test_accepting_declares_the_purposes_that_are_permitted_and_no_other() -> None:
    barred = [{"action": "use", "constraint": [atom(PURPOSE, "eq", "resale")]}]
    assert purposes_of(OFFERED) == ("dismantling", "repair")
    assert purposes_of(policy({"or": [atom("odrl:purpose", "eq", "audit"), PURPOSES]}, prohibition=barred)) == (
        "audit",
        "dismantling",
        "repair",
    )
    assert purposes_of(policy(atom(PURPOSE, "isNoneOf", ["resale"]))) == ()


# --- the property --------------------------------------------------------------------------------

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SMALL = st.sampled_from("abc")
INSTANTS = st.integers(0, 4).map(lambda days: (NOW + timedelta(days=days)).isoformat())
PERIODS = st.builds("contractAgreement+{}d".format, st.integers(-1, 4))


def sometimes_list(values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


ORDER = ["lt", "lteq", "gt", "gteq", "eq", "neq"]
FAMILIES = [
    *[
        st.builds(atom, st.just(left), st.sampled_from(["eq", "neq", *sorted(SETS)]), sometimes_list(SMALL))
        for left in (ROLE, PURPOSE, CLAIM + "x")
    ],
    st.builds(atom, st.just(FIGURE + "n"), st.sampled_from(ORDER), st.integers(0, 4).map(str)),
    st.builds(atom, st.just(DATE_TIME), st.sampled_from(ORDER), INSTANTS),
    st.builds(atom, st.just(IN_FORCE), st.sampled_from(ORDER), INSTANTS | PERIODS),
]
ATOMS = st.one_of(FAMILIES)
PAIRS = st.one_of([st.tuples(family, family) for family in FAMILIES])
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, members: {name: members},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=4,
)
POLICIES = st.lists(st.lists(CONDITIONS, max_size=3), min_size=1, max_size=2).map(
    lambda rules: parse_policy({"permission": [{"action": "use", "constraint": rule} for rule in rules]})
)
WORLDS = st.tuples(
    st.dictionaries(st.sampled_from([ROLE, PURPOSE, CLAIM + "x"]), st.lists(SMALL, max_size=3, unique=True), max_size=3),
    st.lists(st.integers(0, 4).map(str), max_size=1),
    st.integers(-1, 5),
    st.integers(-1, 2),
)


def allowed(terms: Policy, world: Any) -> bool:
    known, figures, day, signed = world
    facts = Facts().with_fact(FIGURE + "n", *figures)
    for iri, values in known.items():
        facts = facts.with_fact(iri, *values)
    return evaluate(terms, facts, NOW + timedelta(days=day), NOW + timedelta(days=signed)).allowed


@settings(max_examples=400, deadline=None)
@given(PAIRS, st.lists(WORLDS, min_size=4, max_size=8))
def test_wherever_one_constraint_holds_the_one_it_implies_holds(pair: tuple[Any, Any], worlds: list[Any]) -> None:
    a, b = map(policy, pair)
    implied = implies(a.permissions[0].constraints[0], b.permissions[0].constraints[0])
    event(f"implied: {implied}")
    if implied:
        assert all(allowed(b, world) for world in worlds if allowed(a, world))


@settings(max_examples=400, deadline=None)
@given(POLICIES, POLICIES, st.lists(WORLDS, min_size=3, max_size=6))
def test_whatever_satisfies_the_narrower_satisfies_the_wider(requested: Policy, offered: Policy, worlds: list[Any]) -> None:
    for narrower in (requested, fill(requested, offered)):
        if not narrows(narrower, offered):
            event("narrows")
            assert all(allowed(offered, world) for world in worlds if allowed(narrower, world))


@settings(max_examples=200, deadline=None)
@given(POLICIES, st.lists(CONDITIONS, max_size=2), st.lists(WORLDS, min_size=3, max_size=6))
def test_every_added_constraint_narrows(offered: Policy, further: list[Any], worlds: list[Any]) -> None:
    first = render(offered)["permission"][0]
    requested = parse_policy({"permission": [{**first, "constraint": [*first.get("constraint", []), *further]}]})
    assert narrows(requested, offered) == ()
    assert all(allowed(offered, world) for world in worlds if allowed(requested, world))


@settings(max_examples=200, deadline=None)
@given(POLICIES)
def test_the_long_way_round_says_of_the_same_words_what_the_short_one_says(terms: Policy) -> None:
    long = terms, replace(terms, id="urn:other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_word_by_word", lambda *_: False)
        assert narrows(*long) == ()
        assert same_terms(*long) == ()
        assert narrows(fill(*long), terms) == ()
    assert narrows(terms, terms) == () == same_terms(terms, terms)
    assert fill(terms, terms) == terms
