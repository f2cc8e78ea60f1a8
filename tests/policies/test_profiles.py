from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.publish import offer_for
from policies.check import findings
from policies.errors import Invalid
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.odrl import parse_agreement, parse_offer, parse_policy, render
from policies.operands import ROLE, ROLES
from policies.profiles import READY, ready

NOW, UNTIL = datetime(2026, 11, 24, tzinfo=UTC), datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
EVERY = [(name, until, purposes) for name in READY for until in (None, UNTIL) for purposes in ((), ("repair",), ("repair", "recycling"))]


@pytest.mark.parametrize(("name", "until", "purposes"), EVERY)
def test_every_ready_policy_is_valid_dsp_in_offer_message_and_agreement(
    name: str, until: Any, purposes: Any, valid: Callable[[str, Any], bool]
) -> None:
    schema = "negotiation/contract-schema.json#/definitions/"
    offer = offer_for("d", "model.EV-72." + "a" * 43, ready(name, until=until, purposes=purposes), "a" * 43)
    assert valid(schema + "Offer", offer)
    message = {**offer, "target": "model.EV-72." + "a" * 43}
    assert valid(schema + "MessageOffer", render(parse_offer(message)))
    agreement = {**message, "@type": "Agreement", "assigner": "did:web:a", "assignee": "did:web:b", "timestamp": "2026-11-24T09:00:00Z"}
    assert valid(schema + "Agreement", render(parse_agreement(agreement)))


@pytest.mark.parametrize(("name", "until", "purposes"), EVERY)
def test_nothing_in_a_ready_policy_is_idle(name: str, until: Any, purposes: Any) -> None:
    assert findings(parse_policy(ready(name, until=until, purposes=purposes)), NOW) == ()


@pytest.mark.parametrize("name", READY)
def test_a_ready_policy_is_satisfied_by_its_role_and_by_no_other(name: str) -> None:
    policy = parse_policy(ready(name, until=UNTIL))
    admitted = {role for role in ROLES if evaluate(policy, Facts().with_fact(ROLE, role), NOW).allowed}
    assert admitted == (set(ROLES) if name in ("public", "any-peer") else {name})
    assert evaluate(policy, Facts(), NOW).allowed == (name in ("public", "any-peer"))
    assert evaluate(policy, Facts().with_fact(ROLE, "oem", name), NOW).allowed  # one of several roles
    assert not evaluate(policy, Facts().with_fact(ROLE, name), UNTIL.replace(year=2028), NOW).allowed


def test_every_permission_is_one_with_scalar_right_sides_where_one_value_is_meant() -> None:
    for name in READY:
        (permission,) = ready(name, until=UNTIL)["permission"]
        assert all(isinstance(one["rightOperand"], str) for one in permission.get("constraint", []))


@pytest.mark.parametrize(("name", "purposes"), [("recyclr", ()), ("recycler", ("resale",))])
def test_unknown_names_are_refused_with_the_list(name: str, purposes: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as refused:
        ready(name, purposes=purposes)
    assert "recycl" in refused.value.next
