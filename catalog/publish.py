"""Offers: made from a definition, a dataset and terms; their ids minted and recognised; the guard of restricted views.

An offer's id is computed, never stored: base64url(definition):base64url(dataset):base64url(SHA-256 of its terms).  It is
the same until the terms change, and unknown afterwards.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import rfc8785

from policies.errors import Invalid as InvalidPolicy
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.imply import flat, normal
from policies.judge import possible
from policies.odrl import Condition, Constraint, Duty, Logical, Policy, Rule, action_of, constraints_of, parse_policy, render
from policies.operands import GRANT, PARTICIPANT, Enforcement, operand, wire_name
from policies.operators import NEVER, NO, OPEN, Truth, Truths, compare
from policies.terms import GRANT_PREFIX, grants_named

from .asset import split_view_asset_id
from .errors import Invalid

Json = dict[str, Any]
MAX_REMEMBERED = 1024  # characters: a longer id is read each time, so that a peer cannot fill the memory with them


def offer_for(definition_id: str, dataset_id: str, rules: Json, grant_digest: str = "") -> Json:
    """The catalog Offer of a dataset: rules as stored, left operands as they travel, and the grant in every permission.

    Raises Invalid when the rules cannot be read or name another grant.  Offers of the same terms share their lists: change none.
    """
    view = split_view_asset_id(dataset_id)
    terms, digest = _terms_of(_read(rules), grant_digest, view[1] if view else "")
    return {"@id": ":".join((_b64(definition_id.encode()), _b64(dataset_id.encode()), digest)), "@type": "Offer", **terms}


def offer_id(definition: str, dataset: str, rules: Json) -> str:
    """The id of the offer of these terms; a grant constraint that only repeats the dataset id's digest does not count."""
    view = split_view_asset_id(dataset)
    return ":".join((_b64(definition.encode()), _b64(dataset.encode()), _terms_digest(_read(rules), view[1] if view else "")))


def read_offer_id(text: str) -> tuple[str, str, str] | None:
    """(definition, dataset, digest of the terms in base64url) of an id of this form, or None."""
    return _read_offer_id(text) if len(text) <= MAX_REMEMBERED else _read_offer_id.__wrapped__(text)


@lru_cache(maxsize=1024)
def _read_offer_id(text: str) -> tuple[str, str, str] | None:
    parts = text.split(":")
    if len(parts) != 3 or any(_unb64(part) is None for part in parts):
        return None
    definition, dataset, digest = (_unb64(part) or b"" for part in parts)
    if len(digest) != 32 or not definition or not dataset:
        return None
    try:
        return definition.decode(), dataset.decode(), parts[2]
    except UnicodeDecodeError:
        return None


def definition_of(offer_id: str) -> str | None:
    """The definition an offer id names, or None."""
    read = read_offer_id(offer_id)
    return None if read is None else read[0]


def dataset_of(offer_id: str) -> str | None:
    """The dataset an offer id names, or None."""
    read = read_offer_id(offer_id)
    return None if read is None else read[1]


def grant_digest_of(policy: Policy) -> str | None:
    """The digest of the one grant the policy names (grant operand or Catena-X contract reference); None for none or several."""
    named = grants_named(policy)
    if len(named) != 1:
        return None
    value = next(iter(named))
    return value.removeprefix(GRANT_PREFIX) if value.startswith(GRANT_PREFIX) else None


def guard(access: Policy, contract: Policy, now: datetime) -> tuple[str, ...]:
    """Why a restricted view may not be offered under these two; empty when it may (grants.md 7).

    It may not when a participant for whom nobody vouches could satisfy both, now or at any other time: such a one has an
    id that no policy names, may ask for any grant, and declares whatever it is asked to declare.
    """
    both = [("access", access), ("contract", contract)]
    open_now = all(evaluate(policy, Facts(), now).allowed for _, policy in both)
    if not open_now and not all(Truth.TRUE in possible(policy, _stranger) for _, policy in both):
        return ()
    asked = {name: sorted({_named(one) for one in constraints_of(policy)}) for name, policy in both}
    told = "; ".join(f"the {name} policy asks for {', '.join(asked[name]) or 'nothing'}" for name, _ in both)
    return (
        f"a participant without any vouched fact could satisfy both policies: {told}",
        "a view with restricted elements needs a permission that asks for a vouched fact (role, participant, membership or a claim)",
    )


# --- the stranger --------------------------------------------------------------------------------


def _stranger(constraint: Constraint, prohibited: bool) -> Truths:
    """What a constraint may turn out to be for somebody about whom nothing is known, at some time."""
    row = operand(constraint.left)
    if row is None or constraint.operator not in row.operators:
        return NEVER
    if row.enforcement is Enforcement.TIME or row.iri == GRANT:
        return OPEN
    if row.enforcement is Enforcement.DECLARED:
        return NO if prohibited else OPEN  # it declares what suits it
    if row.iri != PARTICIPANT:
        return NEVER  # a fact that will not come
    return frozenset({compare(constraint.operator, ["urn:saltbridge:somebody-else"], constraint.values)})


def _named(constraint: Constraint) -> str:
    row = operand(constraint.left)
    return constraint.left[:80] if row is None else row.name


# --- terms ---------------------------------------------------------------------------------------


def _read(rules: Json) -> Policy:
    try:
        return parse_policy(rules)
    except InvalidPolicy as error:
        raise Invalid(error.where, error.what, error.next) from error


@lru_cache(maxsize=1024)
def _terms_of(policy: Policy, grant: str, view: str) -> tuple[Json, str]:
    """Terms as they are offered, and their digest: the same for every dataset of a view."""
    if grant:
        if grants_named(policy) - {GRANT_PREFIX + grant}:
            raise Invalid("grant", "the policy names another grant than the dataset's", "leave the grant out of the policy")
        policy = replace(policy, permissions=tuple(_with_grant(rule, grant) for rule in policy.permissions))
    terms = render(_travelling(replace(policy, id="")))
    return terms, _terms_digest(_read(terms), view)


def _with_grant(rule: Rule, digest: str) -> Rule:
    grant = Constraint(GRANT, "eq", GRANT_PREFIX + digest)
    rest = tuple(condition for condition in rule.constraints if normal(condition) != normal(grant))
    return replace(rule, constraints=(*rest, grant))


def _travelling(policy: Policy) -> Policy:
    """The same policy with left operands written so that they survive JSON-LD."""
    return replace(
        policy,
        permissions=tuple(map(_travelling_rule, policy.permissions)),
        prohibitions=tuple(map(_travelling_rule, policy.prohibitions)),
        obligations=tuple(map(_travelling_duty, policy.obligations)),
    )


def _travelling_rule(rule: Rule) -> Rule:
    return replace(rule, constraints=tuple(map(_travelling_condition, rule.constraints)), duties=tuple(map(_travelling_duty, rule.duties)))


def _travelling_duty(duty: Duty) -> Duty:
    return replace(duty, constraints=tuple(map(_travelling_condition, duty.constraints)))


def _travelling_condition(condition: Condition) -> Condition:
    if isinstance(condition, Logical):
        return replace(condition, of=tuple(map(_travelling_condition, condition.of)))
    # One value travels as plain text: EDC handles lists badly.
    right = condition.values[0] if len(condition.values) == 1 else condition.right
    return replace(condition, left=wire_name(condition.left), right=right)


def _terms_digest(policy: Policy, view: str) -> str:
    """base64url(SHA-256) of terms; `view` is the grant digest that the dataset's id says already."""
    implied = repr(normal(Constraint(GRANT, "eq", GRANT_PREFIX + view))) if view else ""
    profiles = [policy.profile] if isinstance(policy.profile, str) else list(policy.profile)
    terms: Json = {
        "profile": profiles,
        "permission": sorted((_terms(rule, implied) for rule in policy.permissions), key=repr),
        "prohibition": sorted((_terms(rule, "") for rule in policy.prohibitions), key=repr),
        "obligation": sorted((_terms(duty, "") for duty in policy.obligations), key=repr),
    }
    return _b64(hashlib.sha256(rfc8785.dumps(terms)).digest())


def _terms(rule: Rule | Duty, implied: str) -> list[Any]:
    duties = [_terms(duty, "") for duty in rule.duties] if isinstance(rule, Rule) else []
    return [action_of(rule), sorted(set(_conditions(rule)) - {implied}), duties]


def _conditions(rule: Rule | Duty) -> Iterator[str]:
    return (repr(normal(condition)) for condition in flat(rule.constraints))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return data if _b64(data) == text else None
