"""What is decided without a person, for both protocols and both sides (house.md 4).

A provider agrees to its own published terms, same or narrower, when the policies say yes.  A consumer accepts what
answers its own request and verifies the agreement it asked for.  Everything else waits for an operator or ends with a
reason.  The input is always the stored offer, narrowed where the request validly narrows it, never the peer's text.
"""

from __future__ import annotations

from datetime import timedelta

from catalog.publish import grant_digest_of, read_offer_id
from connector.ports import Caller, Move, Transaction, World, new_pid
from connector.protocol.machine import Side
from connector.protocol.negotiation import Message as N
from connector.protocol.negotiation import State as NS
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as TS
from connector.records import Agreement, Asset, ContractDefinition, Decision, Json, Negotiation, Transfer
from policies.errors import Invalid
from policies.odrl import Policy, operands_of, parse_policy, render
from policies.terms import fill, grant_mismatch, narrows, same_terms

from . import offers
from .facts import decision, file, gather, judge, refusal

UNASKED = timedelta(days=7)  # how long an offer that nobody asked for waits for the operator


class ProductDecider:
    """The decider of a node in production; tests bring their own (ports.Decider)."""

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        return await (provide(world, tx, process) if process.side == Side.PROVIDER else consume(world, tx, process))

    async def transfer(self, world: World, tx: Transaction, process: Transfer) -> Move:
        return await serve(world, tx, process) if process.side == Side.PROVIDER else Move()


# --- provider ------------------------------------------------------------------------------------


async def provide(world: World, tx: Transaction, process: Negotiation) -> Move:
    """REQUESTED: agree, offer once again, or refuse; ACCEPTED: agree; VERIFIED: finalize."""
    match process.place.state:
        case NS.REQUESTED:
            return await _answer_request(world, tx, process)
        case NS.ACCEPTED:
            return await _agree(world, tx, process, _rules(process.offer))
        case NS.VERIFIED:
            return Move(message=N.FINALIZE)
        case _:
            return Move()


async def _answer_request(world: World, tx: Transaction, process: Negotiation) -> Move:
    offered = _rules(process.offered)
    try:
        asked = fill(_rules(process.asked), offered)
    except Invalid as error:
        return _refuse(world, tx, process, "terms.unreadable", f"{error.where}: {error.what}", error.next)
    if grant_mismatch(asked, offered):
        return _refuse(
            world, tx, process, "grant.mismatch", "The request names another grant than the dataset's.",
            "Attributes are not negotiated: ask for the dataset whose grant you want.",
        )  # fmt: skip
    wider = narrows(asked, offered)
    if not wider:
        return await _agree(world, tx, process, asked)
    if not process.offered_again:
        again = process.offered | {"target": process.dataset}
        return Move(message=N.OFFER, content={"offer": again}, why=wider)
    return _refuse(
        world, tx, process, "terms.not.narrower", f"The terms asked for are not those offered: {'; '.join(wider)}.",
        "Terms may only narrow: take them as offered, or shorten them.",
    )  # fmt: skip


async def _agree(world: World, tx: Transaction, process: Negotiation, terms: Policy) -> Move:
    caller = await world.identity.caller(process.peer)
    if caller is None:
        return _refuse(world, tx, process, "peer.blocked", "You are no longer a peer of this node.", "Ask its operator.")
    definition = await _standing(world, tx, caller, process)
    if definition is None:
        return _refuse(world, tx, process, "offer.withdrawn", "The offer does not stand any more.", "Ask for the catalog again.")
    rules = render(terms)
    facts = gather(caller, grant=grant_digest_of(terms) or "")
    now = world.clock.now()
    verdict = judge(rules, facts, now, now)
    decided = decision(world, f"negotiation {process.id}", process.peer, "contract policy", rules, facts, verdict, now)
    if not verdict.allowed:
        return _no(decided, f'your request for "{process.view or process.dataset}"', process.view)
    if definition.confirm == "ask" and not process.approved:
        return Move(waits_for="operator", why=("The contract definition asks for an operator's approval.",), decision=decided)
    agreement = _agreement(world, process, rules)
    return Move(message=N.AGREEMENT, content={"agreement": agreement}, decision=decided)


async def _standing(world: World, tx: Transaction, caller: Caller, process: Negotiation) -> ContractDefinition | None:
    named = read_offer_id(str(process.offered.get("@id", "")))
    if named is None:
        return None
    definition = await tx.get(ContractDefinition, named[0])
    asset = await tx.get(Asset, process.dataset)
    found = await offers.standing(tx, definition, asset, world) if definition and asset else None
    if found is None or not offers.visible(world, caller, found.access, found.asset.grant):
        return None
    return found.definition


def _agreement(world: World, process: Negotiation, rules: Json) -> Json:
    """assigner and assignee are ours to write, from the authenticated ids."""
    return {
        "@id": new_pid(),
        "@type": "Agreement",
        "target": process.dataset,
        "assigner": world.me.id,
        "assignee": process.peer,
        "timestamp": world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    } | {key: rules[key] for key in ("permission", "prohibition", "obligation") if rules.get(key)}


async def serve(world: World, tx: Transaction, process: Transfer) -> Move:
    """REQUESTED, or resumed by the consumer: start (a fresh address) or refuse, by the agreed policy as of now."""
    if process.place.state != TS.REQUESTED and not (process.place.state == TS.STARTED and process.renew):
        return Move()
    agreement = await tx.get(Agreement, process.agreement)
    caller = await world.identity.caller(process.peer)
    if agreement is None or caller is None:
        refused = refusal(world, f"transfer {process.id}", process.peer, "agreement", "agreement.unknown", "The agreement is gone.")
        return _no(refused, "your transfer", "")
    facts = gather(caller, grant=grant_digest_of(parse_policy(agreement.policy)) or "")
    verdict = judge(agreement.policy, facts, world.clock.now(), agreement.signed)
    decided = decision(world, f"transfer {process.id}", process.peer, "agreed policy", agreement.policy, facts, verdict, agreement.signed)
    if not verdict.allowed:
        return _no(decided, f'your transfer of "{agreement.view or agreement.dataset}"', agreement.view)
    return Move(message=T.START, decision=decided)


# --- consumer ------------------------------------------------------------------------------------


async def consume(world: World, tx: Transaction, process: Negotiation) -> Move:
    """OFFERED: accept what we asked for or less; AGREED: verify what stood; else wait."""
    match process.place.state:
        case NS.OFFERED:
            return _answer_offer(world, process)
        case NS.AGREED:
            return _check_agreement(world, tx, process)
        case _:
            return Move()


def _answer_offer(world: World, process: Negotiation) -> Move:
    if not process.asked:
        return _unasked(world, process)
    try:
        offered, asked = _rules(process.offer), _rules(process.asked)
    except Invalid as error:
        return Move(waits_for="operator", why=(f"The offer cannot be read: {error.where}: {error.what}",))
    wider = narrows(offered, asked)
    foreign = sorted(operands_of(offered) - world.accept)
    if not wider and not foreign:
        return Move(message=N.ACCEPT)
    why = [f"The offer is wider or other than you asked: {item}" for item in wider]
    why += [f"Operand {operand} is not on your accept list ([negotiation] accept)." for operand in foreign]
    return Move(waits_for="operator", why=tuple(why))


def _unasked(world: World, process: Negotiation) -> Move:
    """An offer out of the blue waits for the operator, for a week."""
    until = process.opened + UNASKED
    if world.clock.now() < until:
        return Move(waits_for="operator", due=until, why=("The offer came unasked: it is stored, never accepted by itself.",))
    reason = [f"your offer of {process.opened:%Y-%m-%d}", f"Nobody answered it within {UNASKED.days} days.", "Offer it again."]
    return Move(message=N.TERMINATE, content={"code": "offer.unanswered", "reason": reason})


def _check_agreement(world: World, tx: Transaction, process: Negotiation) -> Move:
    wrong = agreement_differences(world, process)
    if not wrong:
        return Move(message=N.VERIFY)
    why = f"The agreement is not what stood: {'; '.join(wrong)}."
    return _refuse(world, tx, process, "agreement.differs", why, "Send what was agreed.")


def agreement_differences(world: World, process: Negotiation) -> tuple[str, ...]:
    """Target, grant digest, assigner, assignee (us) and terms must equal what stood."""
    agreement, stood = process.agreement, process.offer
    wrong = [
        f"{field} is {agreement.get(field)!r}, not {expected!r}"
        for field, expected in (("target", process.dataset), ("assigner", process.peer), ("assignee", world.me.id))
        if agreement.get(field) != expected
    ]
    try:
        agreed, offered = _rules(agreement), _rules(stood)
        wrong += same_terms(offered, agreed)
        if grant_digest_of(agreed) != grant_digest_of(offered):
            wrong.append("it names another grant")
    except Invalid as error:
        wrong.append(f"its terms cannot be read: {error.where}: {error.what}")
    return tuple(wrong)


# --- shared --------------------------------------------------------------------------------------


def _rules(offer: Json) -> Policy:
    return parse_policy({key: offer[key] for key in ("permission", "prohibition", "obligation") if offer.get(key)})


def _refuse(world: World, tx: Transaction, process: Negotiation, code: str, why: str, next: str) -> Move:
    decided = refusal(world, f"negotiation {process.id}", process.peer, "terms", code, why)
    what = f'your {"request" if process.side == Side.PROVIDER else "agreement"} for "{process.view or process.dataset}"'
    return Move(message=N.TERMINATE, content={"code": code, "reason": [what, why, next, f"decision {decided.id}"]}, decision=decided)


def _no(decided: Decision, what: str, view: str) -> Move:
    """A termination that answers the four questions and says nothing that the offer does not show."""
    next = "Ask the provider to vouch for what is missing (peer add ... --claim), or ask for another view in its catalog."
    content = {"code": decided.code, "reason": [what, *decided.reasons, next, f"decision {decided.id}"]}
    return Move(message=str(N.TERMINATE if decided.about.startswith("negotiation") else T.TERMINATE), content=content, decision=decided)


async def decide_negotiation(world: World, tx: Transaction, process: Negotiation) -> Move:
    return await world.decider.negotiation(world, tx, process)


async def decide_transfer(world: World, tx: Transaction, process: Transfer) -> Move:
    return await world.decider.transfer(world, tx, process)


__all__ = ["ProductDecider", "agreement_differences", "decide_negotiation", "decide_transfer", "file"]
