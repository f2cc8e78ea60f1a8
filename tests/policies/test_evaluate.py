from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evaluate import Outcome, Verdict, allows, evaluate
from policies.facts import Facts
from policies.odrl import parse_policy
from policies.operands import CLAIM, FIGURE, GRANT, MEMBERSHIP, PARTICIPANT, PURPOSE, ROLE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NOBODY = Facts()
RECYCLER = NOBODY.with_fact(ROLE, "recycler", source="maker")


def atom(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


IS_RECYCLER, IS_OEM = atom(ROLE, "isAnyOf", "recycler"), atom(ROLE, "isAnyOf", "oem")
UNKNOWN = atom("spatial", "eq", "EU")


def judge(*constraints: Any, facts: Facts = NOBODY, now: datetime = NOW, agreed: datetime | None = None, **more: Any) -> Verdict:
    return evaluate(parse_policy({"permission": [{"action": "use", "constraint": list(constraints)}], **more}), facts, now, agreed)


def test_a_bare_permission_is_for_everyone() -> None:
    assert judge().allowed


def test_a_vouched_role_says_yes_another_says_no_and_none_leaves_it_undecided() -> None:
    assert judge(IS_RECYCLER, facts=RECYCLER).outcome is Outcome.YES
    assert judge(IS_RECYCLER, facts=NOBODY.with_fact(ROLE, "oem")).outcome is Outcome.NO
    assert judge(IS_RECYCLER).outcome is Outcome.UNDECIDED
    assert not judge(IS_RECYCLER).allowed


def test_a_fact_that_has_run_out_is_missing() -> None:
    until = NOBODY.with_fact(ROLE, "recycler", until=NOW)
    assert judge(IS_RECYCLER, facts=until).allowed
    assert judge(IS_RECYCLER, facts=until, now=NOW + SECOND).outcome is Outcome.UNDECIDED


def test_several_roles_satisfy_a_set_operator_and_no_single_one() -> None:
    both = NOBODY.with_fact(ROLE, "recycler", "oem")
    assert judge(IS_RECYCLER, facts=both).allowed
    assert judge(atom(ROLE, "eq", "recycler"), facts=both).code == "policy.constraint.never"
    assert judge(atom(ROLE, "neq", "supplier"), facts=both).outcome is Outcome.NO


@pytest.mark.parametrize("spelling", ["dateTime", "odrl:dateTime", "http://www.w3.org/ns/odrl/2/dateTime"])
def test_a_last_instant_is_inclusive(spelling: str) -> None:
    until = atom(spelling, "lteq", "2026-11-24T12:00:00Z")
    assert judge(until).allowed
    assert judge(until, now=NOW + timedelta(microseconds=1)).code == "policy.constraint.false"


@pytest.mark.parametrize(
    ("text", "span"),
    [("30d", timedelta(days=30)), ("12h", timedelta(hours=12)), ("90m", timedelta(minutes=90)), ("5s", timedelta(seconds=5))],
)
def test_a_period_counts_from_the_agreement(text: str, span: timedelta) -> None:
    lasting = atom("inForceDate", "lteq", f"contractAgreement+{text}")
    assert judge(lasting, agreed=NOW, now=NOW + span).allowed
    assert judge(lasting, agreed=NOW, now=NOW + span + SECOND).outcome is Outcome.NO
    assert judge(lasting).allowed  # an offer: it would be agreed now


def test_in_force_takes_instants_too() -> None:
    assert (
        judge(atom("edc:inForceDate", "gteq", "2026-11-24T12:00:00Z"), atom("inForceDate", "lt", "2026-11-24T13:00:00+00:30")).allowed
        is True
    )
    assert judge(atom("inForceDate", "lt", "2026-11-24T13:00:00+01:00")).outcome is Outcome.NO


@pytest.mark.parametrize("right", ["2026-12-31", "2026-12-31T00:00:00", "soon", "contractAgreement+30d"])
def test_a_date_that_is_no_instant_is_never_satisfied(right: str) -> None:
    verdict = judge(atom("dateTime", "lteq", right))
    assert (verdict.outcome, verdict.code) == (Outcome.NO, "policy.constraint.never")


def test_figures_are_compared_as_numbers_and_claims_as_text() -> None:
    grown = NOBODY.with_fact(FIGURE + "employees", "10.0").with_fact(CLAIM + "level", "10.0")
    assert judge(atom(FIGURE + "employees", "gt", "9"), atom(FIGURE + "employees", "eq", "10"), facts=grown).allowed
    assert judge(atom(CLAIM + "level", "eq", "10"), facts=grown).outcome is Outcome.NO
    assert judge(atom(CLAIM + "level", "gt", "9"), facts=grown).code == "policy.constraint.never"
    assert (
        judge(atom(FIGURE + "employees", "gt", "9"), facts=NOBODY.with_fact(FIGURE + "employees", "many")).code == "policy.constraint.never"
    )


def test_participant_membership_and_grant_are_checked() -> None:
    facts = NOBODY.with_fact(PARTICIPANT, "did:web:r").with_fact(MEMBERSHIP, "active").with_fact(GRANT, "sha-256:x")
    constraints = [
        atom(PARTICIPANT, "isAnyOf", ["did:web:r", "did:web:s"]),
        atom("Membership", "eq", "active"),
        atom(GRANT, "eq", "sha-256:x"),
    ]
    assert judge(*constraints, facts=facts).allowed
    assert judge(*constraints).outcome is Outcome.UNDECIDED
    assert judge(*constraints, facts=facts.with_fact(GRANT, "sha-256:y")).outcome is Outcome.NO


def test_a_purpose_is_declared_not_checked_and_the_verdict_says_so() -> None:
    verdict = judge(atom(PURPOSE, "isAnyOf", ["dismantling", "repair"]))
    assert verdict.allowed
    assert [(reason.code, reason.public) for reason in verdict.reasons] == [
        ("policy.declared", "permission 1, constraint 1: purpose isAnyOf [dismantling, repair] - declared, not checked")
    ]
    assert judge(atom(PURPOSE, "eq", "repair"), facts=NOBODY.with_fact(PURPOSE, "dismantling")).outcome is Outcome.NO


def test_a_promise_in_a_prohibition_refuses_nobody() -> None:
    promise = [{"action": "use", "constraint": [atom(PURPOSE, "eq", "repair")]}]
    assert judge(prohibition=promise).allowed
    assert judge(prohibition=promise, facts=NOBODY.with_fact(PURPOSE, "repair")).code == "policy.prohibited"
    assert judge(prohibition=[{"action": "odrl:sell"}]).allowed


def test_an_unknown_operand_is_never_satisfied_and_no_fact_helps() -> None:
    for constraint in (UNKNOWN, {"or": [UNKNOWN]}, {"xone": [UNKNOWN, IS_RECYCLER]}, {"and": [UNKNOWN, IS_RECYCLER]}):
        assert judge(constraint, facts=RECYCLER.with_fact("spatial", "EU")).outcome is Outcome.NO
    assert judge(UNKNOWN).code == "policy.operand.unknown"
    assert judge({"or": [UNKNOWN, IS_RECYCLER]}, facts=RECYCLER).allowed
    assert judge(UNKNOWN, IS_RECYCLER).outcome is Outcome.NO  # even with the role it would be no


def test_a_prohibition_beats_every_permission_and_doubt_counts_against() -> None:
    def barred(*constraints: Any, facts: Facts = NOBODY) -> Verdict:
        return judge(facts=facts, prohibition=[{"action": "use", "constraint": list(constraints)}])

    assert barred(IS_RECYCLER, facts=RECYCLER).code == "policy.prohibited"
    assert barred(IS_RECYCLER, facts=NOBODY.with_fact(ROLE, "oem")).allowed
    assert barred(IS_RECYCLER).outcome is Outcome.UNDECIDED
    assert barred(UNKNOWN).outcome is Outcome.NO
    assert barred().outcome is Outcome.NO  # a prohibition without constraint
    assert barred(UNKNOWN, IS_RECYCLER, facts=NOBODY.with_fact(ROLE, "oem")).allowed  # false and never is false


def test_one_permission_suffices() -> None:
    policy = parse_policy({"permission": [{"action": "use", "constraint": [IS_OEM]}, {"action": "use", "constraint": [IS_RECYCLER]}]})
    assert evaluate(policy, RECYCLER, NOW).allowed
    assert [reason.where for reason in evaluate(policy, NOBODY, NOW).reasons] == [
        "permission 1, constraint 1",
        "permission 2, constraint 1",
    ]


def test_what_is_not_permitted_is_refused() -> None:
    assert evaluate(parse_policy({"prohibition": [{"action": "sell"}]}), RECYCLER, NOW).code == "policy.default.no"
    assert evaluate(parse_policy({"permission": [{"action": "odrl:display"}]}), RECYCLER, NOW).code == "policy.action.other"
    assert evaluate(parse_policy({"permission": [{"action": "odrl:use"}]}), NOBODY, NOW).allowed
    assert (
        evaluate(parse_policy({"permission": [{"action": "use", "duty": [{"action": "compensate"}]}]}), NOBODY, NOW).code
        == "policy.duty.open"
    )
    assert judge(profile="urn:unheard").code == "policy.profile.unknown"


def test_obligations_are_handed_back_and_decide_nothing() -> None:
    verdict = judge(obligation=[{"action": "odrl:delete", "constraint": [atom("dateTime", "lteq", "2020-01-01T00:00:00Z")]}])
    assert verdict.allowed
    assert [duty.action for duty in verdict.duties] == ["odrl:delete"]


def test_reasons_number_rule_and_constraint_and_say_no_more_than_the_offer_does() -> None:
    secret = NOBODY.with_fact(ROLE, "competitor-x", source="our list of rivals")
    verdict = judge(atom(PURPOSE, "eq", "repair"), {"and": [IS_RECYCLER, atom("dateTime", "lteq", "2020-01-01T00:00:00Z")]}, facts=secret)
    assert [reason.public for reason in verdict.reasons] == [
        "permission 1, constraint 2.1: role isAnyOf recycler - the role vouched for is another",
        "permission 1, constraint 2.2: dateTime lteq 2020-01-01T00:00:00Z - that time has passed",
    ]
    assert "competitor-x" not in str(verdict.reasons)
    assert "rivals" not in str(verdict.reasons)
    assert "competitor-x" in str(verdict.tree)
    assert "rivals" in str(verdict.tree)
    assert judge(atom(ROLE, "eq", "recycler")).reasons[0].text == "role eq recycler - no role is vouched for"


def test_the_code_of_a_no_names_what_no_fact_could_remove() -> None:
    verdict = judge(IS_RECYCLER, atom("dateTime", "lteq", "2020-01-01T00:00:00Z"))
    assert (verdict.outcome, verdict.code) == (Outcome.NO, "policy.constraint.false")
    assert judge(IS_RECYCLER).code == "policy.constraint.unknown"


def test_the_tree_keeps_every_value_its_source_and_its_truth() -> None:
    tree = judge({"or": [IS_OEM, IS_RECYCLER, UNKNOWN]}, facts=RECYCLER, agreed=NOW).tree
    assert (tree["outcome"], tree["agreed"]) == ("yes", NOW.isoformat())
    rule = tree["permission"][0]
    assert (rule["active"], rule["constraint"][0]["truth"]) == ("true", "true")
    assert [node["truth"] for node in rule["constraint"][0]["or"]] == ["false", "true", "never"]
    assert rule["constraint"][0]["or"][1]["values"] == ["recycler"]
    assert rule["constraint"][0]["or"][1]["source"] == "maker"


# --- properties ----------------------------------------------------------------------------------

ATOMS = st.builds(
    atom,
    st.sampled_from([ROLE, PARTICIPANT, PURPOSE, "spatial", CLAIM + "x"]),
    st.sampled_from(["eq", "neq", "isAnyOf", "isNoneOf", "isAllOf", "isPartOf"]),
    st.one_of(st.sampled_from("ab"), st.lists(st.sampled_from("abc"), min_size=1, max_size=3)),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(
        lambda name, members: {name: members},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
FACTS = st.dictionaries(
    st.sampled_from([ROLE, PARTICIPANT, PURPOSE, CLAIM + "x"]), st.lists(st.sampled_from("abc"), max_size=3).map(tuple), max_size=4
).map(lambda known: Facts.from_json({iri: {"values": list(values)} for iri, values in known.items()}))


@given(st.lists(CONDITIONS, max_size=3), CONDITIONS, FACTS)
def test_a_further_constraint_never_widens(some: list[Any], further: Any, facts: Facts) -> None:
    if judge(*some, further, facts=facts).allowed:
        assert judge(*some, facts=facts).allowed


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(CONDITIONS, max_size=2), FACTS, FACTS)
def test_a_no_stays_no_whatever_facts_arrive_and_undecided_is_never_allowed(
    permit: list[Any], bar: list[Any], facts: Facts, later: Facts
) -> None:
    more = {"prohibition": [{"action": "use", "constraint": bar}]} if bar else {}
    before = judge(*permit, facts=facts, **more)
    known = {iri: fact for iri, fact in facts.of.items() if fact.values}
    after = judge(*permit, facts=Facts({**later.of, **known}), **more)
    declared_later = PURPOSE not in known and PURPOSE in later.of  # a promise may be broken, or made more precise
    if not declared_later:
        assert not (before.outcome is Outcome.NO and after.allowed)
        assert not (before.allowed and not after.allowed)
    assert before.allowed == (before.outcome is Outcome.YES)


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(CONDITIONS, max_size=2), FACTS)
def test_the_short_way_says_what_the_long_one_says(permit: list[Any], bar: list[Any], facts: Facts) -> None:
    barred = {"prohibition": [{"action": "use", "constraint": bar}]} if bar else {}
    policy = parse_policy({"permission": [{"action": "use", "constraint": permit}]} | barred)
    assert allows(policy, facts, NOW) == evaluate(policy, facts, NOW).allowed
