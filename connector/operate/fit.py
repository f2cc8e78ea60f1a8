"""Is an offer for us?  Terms judged with what we know of ourselves, narrowed to our purposes, or seen to have run out.

What the other side vouches for is not known here: a claim of our own makes a *yes, if* out of a no, never a yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.publish import grant_digest_of
from connector.errors import Malformed
from connector.operate.shapes import rules, words
from connector.ports import World
from connector.records import Json
from connector.text import clean
from policies.errors import Invalid
from policies.evaluate import Outcome, Verdict, evaluate
from policies.facts import Facts
from policies.odrl import Policy, atoms, operands_of, parse_policy
from policies.operands import GRANT, PARTICIPANT, PURPOSE, canonical, claim_iri
from policies.terms import narrows


@dataclass(frozen=True, slots=True)
class ForYou:
    """yes; undecided: yes, if the peer vouches for something; no."""

    outcome: Outcome
    text: str
    reasons: tuple[str, ...] = ()


def for_you(world: World, peer: str, offer: Json) -> ForYou:
    """Whether we could accept an offer: as we are, or if the peer vouched for what we claim of ourselves."""
    try:
        policy = parse_policy(rules(offer))
    except Invalid as error:
        return ForYou(Outcome.NO, clean(f"no: its terms cannot be read: {error.what}", 200), (error.what,))
    now = world.clock.now()
    bare = facts(world, grant_digest_of(policy) or "")
    if evaluate(policy, bare, now, now).allowed:
        return ForYou(Outcome.YES, "yes")
    claims = {name: values for name, values in world.me.wishes.items() if values and claim_iri(name) in operands_of(policy)}
    claimed = bare
    for name, values in claims.items():
        claimed = claimed.with_fact(claim_iri(name), *values, source="claimed by ourselves")
    verdict = evaluate(policy, claimed, now, now)
    if verdict.allowed:
        named = " and ".join(f"{name}={'/'.join(values)}" for name, values in claims.items())
        return ForYou(Outcome.UNDECIDED, f"yes, if {peer} confirms {named}")
    return ForYou(Outcome.NO, _no(verdict), tuple(reason.text for reason in verdict.reasons))


def facts(world: World, digest: str) -> Facts:
    """What we know of ourselves without anybody vouching: our id, and the grant we ask for."""
    known = Facts().with_fact(PARTICIPANT, world.me.id, source="ourselves")
    return known.with_fact(GRANT, f"sha-256:{digest}", source="the dataset") if digest else known


def expired(world: World, policy: Json, signed: datetime) -> bool:
    """Whether time alone (or a prohibition) ends an agreed policy: no fact that we do not know could make it a yes."""
    try:
        verdict = evaluate(parse_policy(rules(policy)), facts(world, ""), world.clock.now(), signed)
    except Invalid:
        return True
    return verdict.outcome is Outcome.NO


def purposes_of(policy: Policy) -> tuple[str, ...]:
    """The purposes that accepting these terms declares."""
    said = [atom for rule in policy.permissions for atom in atoms(rule.constraints) if atom.operand == PURPOSE]
    return tuple(dict.fromkeys(value for atom in said for value in atom.values))


def narrow(offer: Json, purpose: Sequence[str]) -> Json:
    """The offer for these purposes only: its purpose constraints are narrowed, absent ones added."""
    wanted = list(dict.fromkeys(purpose))
    constraint = {
        "leftOperand": PURPOSE,
        "operator": "eq" if len(wanted) == 1 else "isAnyOf",
        "rightOperand": wanted[0] if len(wanted) == 1 else wanted,
    }
    permissions = [_narrow_rule(rule, constraint) for rule in offer.get("permission", ())]
    narrowed = offer | {"permission": permissions}
    wider = narrows(parse_policy(rules(narrowed)), parse_policy(rules(offer)))
    if wider:
        raise Malformed(
            f"The offer is not for {', '.join(wanted)}.", "; ".join(wider), f"It is {words(offer)}.", code="purpose.not-offered"
        )
    return narrowed


def _narrow_rule(rule: Json, constraint: Json) -> Json:
    """The permission with this purpose constraint in the place of its own, which must allow it."""
    given = rule.get("constraint", [])
    kept = [each for each in given if canonical(str(each.get("leftOperand", ""))) != PURPOSE]
    return rule | {"constraint": [*kept, constraint]}


# How an operator reads on after "role": what the provider demands of us.
_MUST = {
    "eq": "must be",
    "neq": "must not be",
    "isAnyOf": "must be one of",
    "isNoneOf": "must be none of",
    "lteq": "was over at",
    "lt": "was over at",
    "gteq": "begins at",
    "gt": "begins at",
}


def _no(verdict: Verdict) -> str:
    """`no: role must be second-life`, from the first cause."""
    if not verdict.reasons:
        return "no: its terms allow nobody"
    said, _, note = verdict.reasons[0].text.partition(" - ")
    words_ = said.split(" ", 2)
    if len(words_) == 3 and words_[1] in _MUST:
        value = words_[2].strip("[]")
        must = "must be" if words_[1] == "isAnyOf" and "," not in value else _MUST[words_[1]]
        said, note = f"{words_[0]} {must} {value}", ""
    return clean(f"no: {said}{f' - {note}' if note else ''}", 200)
