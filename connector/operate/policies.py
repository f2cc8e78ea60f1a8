"""Policy definitions: terms under a name, the ready-made ones among them, and what a participant would be told.

Writing one never opens a restricted view: every contract definition that uses it is guarded again first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from catalog.publish import guard, offer_for
from connector.errors import Clash, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.exchange.offers import restricted
from connector.operate import names
from connector.operate.all_of import all_of
from connector.operate.reading import END_OF_DAY, checked_id, reading
from connector.ports import Transaction, World
from connector.records import Asset, ContractDefinition, Json, Note, PolicyDefinition
from policies.check import check_text
from policies.evaluate import evaluate
from policies.facts import Facts
from policies.odrl import Condition, Constraint, Policy, Rule, parse_policy, render
from policies.operands import DATE_TIME, IN_FORCE, PARTICIPANT, claim_iri, wire_name
from policies.operands import instant as to_instant
from policies.profiles import READY, ready
from policies.words import explain as explain_policy
from policies.words import in_words

ANY_PEER = "any-peer"  # the access policy of an offer that everyone we know may see


async def put(world: World, id: str, policy: Json, *, exists: bool | None = None) -> Json:
    """Create or replace a definition; what nobody can satisfy is stored with a warning.  Returns it with its words.

    Raises Malformed when it is no policy, Clash when a definition that uses it would open a restricted view.  `exists` says
    that it must be there already (else Hidden) or must not (else Clash).
    """
    checked_id("The policy", id)
    if id in READY:
        raise Clash(
            f"{id} is the name of a ready-made policy.", next=f"Choose another name, or offer with --policy {id}.", code="policy.ready"
        )
    rules = render(read(policy))
    warnings = _warnings(rules)

    async def work(tx: Transaction) -> Json:
        stored = await tx.get(PolicyDefinition, id)
        if exists is False and stored is not None:
            raise Clash(f"There is a policy {id} already.", next="Update it, or choose another id.", code="policy.taken")
        if exists and stored is None:
            raise Hidden(f"There is no policy {id}.", "saltbridge policy list")
        version, created = (stored.version, stored.created) if stored else (0, world.clock.now())
        definition = PolicyDefinition(id=id, version=version, policy=rules, warnings=warnings, created=created)
        if definition != stored:
            tx.put(definition)
            await _guard_users(tx, id, world.clock.now())
            tx.note(Note(event="policy.changed", subject=id, data={}))
        return shown(definition) | {"changed": definition != stored}

    return await transact(world, work)


async def get(world: World, id: str) -> Json:
    """A stored definition, or a ready-made policy, with its rules and its words."""

    async def work(tx: Transaction) -> Json:
        definition = await tx.get(PolicyDefinition, id)
        if definition is None and id in READY:
            return shown(PolicyDefinition(id=id, policy=ready(id)), ready_made=True)
        if definition is None:
            raise Hidden(f"There is no policy {id}.", "saltbridge policy list")
        used = await all_of(tx, ContractDefinition, policy=id)
        return shown(definition) | {"used_by": [each.id for each in used]}

    return await transact(world, work)


async def list_policies(world: World) -> list[Json]:
    """All stored definitions, then the ready-made policies that are not stored under their own name."""

    async def work(tx: Transaction) -> list[Json]:
        stored = [shown(each, ready_made=each.id in READY) for each in await all_of(tx, PolicyDefinition)]
        known = {each["policy"] for each in stored}
        return stored + [shown(PolicyDefinition(id=name, policy=ready(name)), ready_made=True) for name in READY if name not in known]

    return await transact(world, work)


async def delete(world: World, id: str) -> Json:
    """Forget a definition; refused while a contract definition uses it."""

    async def work(tx: Transaction) -> Json:
        if await tx.get(PolicyDefinition, id) is None:
            raise Hidden(f"There is no stored policy {id}.", "saltbridge policy list")
        used = [each.id for each in await all_of(tx, ContractDefinition, policy=id)]
        if used:
            raise Clash(
                f"The policy {id} is in use.", "These contract definitions stand on it.", "Withdraw their offers first.", details=used
            )
        tx.delete(PolicyDefinition, id)
        tx.note(Note(event="policy.deleted", subject=id, data={}))
        return {"policy": id, "deleted": True}

    return await transact(world, work)


async def explain(world: World, policy: str | Json, *, participant: str = "", facts: Mapping[str, Sequence[str]] | None = None) -> Json:
    """What a participant would be told under a policy, nothing sent: outcome, reasons, a line each.

    `policy` is a ready name, a definition's id, or ODRL JSON (an offer too); the participant is a known peer (name or
    id), or made up by `facts` (`{"role": ["recycler"]}`, short names or IRIs).
    """
    rules = policy if isinstance(policy, dict) else (await get(world, policy))["rules"]
    parsed = read(rules)
    known = await facts_of(world, participant, facts)
    now = world.clock.now()
    verdict = evaluate(parsed, known, now)
    return {
        "terms": in_words(parsed),
        "participant": participant,
        "facts": known.to_json(),
        "outcome": verdict.outcome.value,
        "reasons": [{"code": reason.code, "where": reason.where, "text": reason.text} for reason in verdict.reasons],
        "lines": list(explain_policy(parsed, known, now)),
    }


def check(text: str) -> list[Json]:
    """What would silently never match in a policy file, with its line."""
    return [{"line": finding.line, "what": finding.what, "next": finding.next} for finding in check_text(text)]


# --- for the other operator functions ------------------------------------------------------------


def read(policy: Any) -> Policy:
    """ODRL JSON as a policy; Malformed when it is none."""
    if not isinstance(policy, dict):
        raise Malformed("A policy is a JSON object.", next='Write {"permission": [{"action": "use", ...}]}.', code="input.invalid")
    with reading("The policy"):
        return parse_policy(policy)


async def ensure(
    tx: Transaction, name: str, until: datetime | None = None, purposes: Sequence[str] = (), *, created: datetime | None = None
) -> PolicyDefinition:
    """The definition to offer under: a ready-made one, or the stored one of this id, with an end if there is one.

    Its id is a function of the input: `recycler`, `recycler-to-2027-12-31`.  Raises Hidden for an unknown name and
    Clash when that id is taken by other terms.
    """
    id = f"{name}{_suffix(until, purposes)}"
    if name in READY:
        with reading(f"The policy {name}"):
            rules = ready(name, until=until, purposes=tuple(purposes))
    else:
        base = await tx.get(PolicyDefinition, name)
        if base is None:
            raise Hidden(f"There is no policy {name}.", f"Ready-made are {', '.join(sorted(READY))}; or write one: saltbridge policy put")
        if purposes:
            raise Malformed("Purposes go with a ready-made policy only.", next=f"Write them into {name}.", code="input.invalid")
        if until is None:
            return base
        rules = _ending(base.policy, until)
    definition = PolicyDefinition(id=id, policy=render(read(rules)), warnings=_warnings(rules), created=created)
    stored = await tx.get(PolicyDefinition, id)
    if stored is None:
        tx.note(Note(event="policy.changed", subject=id, data={}))
        return tx.put(definition)
    if stored.policy != definition.policy:
        raise Clash(f"The policy {id} is stored with other terms.", next=f"saltbridge policy show {id}", code="policy.taken")
    return stored


async def guard_pair(tx: Transaction, definition: ContractDefinition, now: datetime) -> None:
    """Refuse a definition whose two policies would open a restricted view to a participant without any fact."""
    access = await tx.get(PolicyDefinition, definition.access_policy)
    contract = await tx.get(PolicyDefinition, definition.contract_policy)
    if access is None or contract is None:
        missing = definition.contract_policy if access else definition.access_policy
        raise Clash(f"There is no policy {missing}.", next="saltbridge policy list", code="policy.missing")
    with reading(f"The policy {contract.id}"):
        offer_for(definition.id, "any", contract.policy)
    # Views only: a plain asset is granted whole, and its operator has allowed that.
    named = [await tx.get(Asset, id) for id in definition.assets]
    views = {each.id: each for each in (*named, *await all_of(tx, Asset, definition=definition.id, form="view")) if each is not None}
    for asset in views.values():
        with reading(f"The policy {contract.id}"):
            offer_for(definition.id, asset.id, contract.policy, asset.grant)
        if not await restricted(tx, asset):
            continue
        if why := guard(read(access.policy), read(contract.policy), now):
            raise Clash(
                f"The view {asset.view} would stand open to everyone.",
                f"Access policy {access.id} with contract policy {contract.id}: {why[0]}",
                "Offer it under a policy that asks for something, a role for example: --policy recycler",
                code="offer.guard",
                details=why[1:],
            )


async def facts_of(world: World, participant: str, made_up: Mapping[str, Sequence[str]] | None = None) -> Facts:
    """What is known of a peer (by name or id), with made-up facts over it; Hidden when there is no such peer."""
    known = Facts()
    if participant:
        async with world.store.transaction() as tx:
            id = (await names.peer(tx, participant)).id
        caller = await world.identity.caller(id)
        known = (caller.facts if caller else Facts()).with_fact(PARTICIPANT, id, source="its own token")
    for name, values in (made_up or {}).items():
        known = known.with_fact(claim_iri(name), *values, source="made up")
    return known


def end_of(policy: Json) -> str:
    """The instant after which nothing is permitted any more, '' when there is none (or only one counted from an agreement)."""
    if not policy:
        return ""
    ends = [_end_of_rule(rule) for rule in read(policy).permissions]
    known = [end for end in ends if end is not None]
    return max(known).isoformat().replace("+00:00", "Z") if known and len(known) == len(ends) else ""


def who(policy: Json) -> str:
    """The terms in words without their last day, which is told apart: whom, for what, how long."""
    parsed = read(policy)
    open_ended = tuple(
        replace(rule, constraints=tuple(each for each in rule.constraints if not _is_end(each))) for rule in parsed.permissions
    )
    return in_words(replace(parsed, permissions=open_ended))


def shown(definition: PolicyDefinition, *, ready_made: bool = False) -> Json:
    """A definition for people and for JSON."""
    return {
        "policy": definition.id,
        "terms": in_words(read(definition.policy)),
        "rules": definition.policy,
        "warnings": list(definition.warnings),
        "ready": ready_made,
    }


# --- inside --------------------------------------------------------------------------------------


def _warnings(rules: Json) -> tuple[str, ...]:
    return tuple(" - ".join(text for text in (finding.what, finding.next) if text) for finding in check_text(json.dumps(rules)))


def _suffix(until: datetime | None, purposes: Sequence[str]) -> str:
    aims = f"-for-{'-'.join(sorted(purposes))}" if purposes else ""
    if until is None:
        return aims
    day = until.time().replace(tzinfo=None) == END_OF_DAY
    return f"{aims}-to-{until.date().isoformat() if day else until.isoformat().replace('+00:00', 'Z')}"


def _ending(rules: Json, until: datetime) -> Json:
    """The same terms with an end: a further constraint on every permission can only narrow."""
    policy = read(rules)
    end = Constraint(wire_name(DATE_TIME), "lteq", until.isoformat().replace("+00:00", "Z"))
    permissions = tuple(replace(rule, constraints=(*rule.constraints, end)) for rule in policy.permissions)
    return render(replace(policy, permissions=permissions))


def _is_end(condition: Condition) -> bool:
    """`dateTime lteq <instant>` and its like: an end that stands in the calendar."""
    return (
        isinstance(condition, Constraint)
        and condition.operand in (DATE_TIME, IN_FORCE)
        and condition.operator in ("lt", "lteq")
        and to_instant(condition.values[0]) is not None
    )


def _end_of_rule(rule: Rule) -> datetime | None:
    ends = [to_instant(each.values[0]) for each in rule.constraints if isinstance(each, Constraint) and _is_end(each)]
    return min((end for end in ends if end is not None), default=None)


async def _guard_users(tx: Transaction, id: str, now: datetime) -> None:
    for definition in await all_of(tx, ContractDefinition, policy=id):
        await guard_pair(tx, definition, now)
