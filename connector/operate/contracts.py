"""Negotiations and agreements from the operator's chair: open, follow, decide, end.

The rules of the conversation are the exchange's; this finds what the operator means, waits until something can be
said, and turns a peer's refusal into an error that answers what, why and next.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.errors import Clash, Hidden, Illegal, Malformed, Unavailable
from connector.exchange import negotiate, offers
from connector.exchange.retired import sentence
from connector.exchange.transfer import retire as retire_agreement
from connector.operate import catalogs, fit, names
from connector.operate.shapes import agreement_json, negotiation_json, refused, rules, step_json, title
from connector.ports import Move, Transaction, World
from connector.protocol.negotiation import FINAL
from connector.protocol.negotiation import Message as M
from connector.protocol.negotiation import State as S
from connector.records import Agreement, Asset, Json, Negotiation, Step, Transfer
from policies.errors import Invalid
from policies.odrl import parse_policy, render
from policies.terms import fill, narrows

PATIENCE = 30.0  # seconds that a request waits for a peer to answer
GLANCE = 0.25  # seconds between two looks when no change is told (the notice is a hint only)


async def open(
    world: World, peer: str, dataset: str, *, purpose: Sequence[str] = (), terms: Json | None = None, as_is: bool = False
) -> Negotiation:
    """Ask a peer for a dataset as its catalog offers it, narrowed to `purpose`, or under narrower `terms` of our own.

    `as_is` sends wider terms too: the provider may answer them with an offer of its own.

    Raises Hidden when the peer shows no such dataset, Malformed when the grant's bytes do not hash to the dataset's id
    or the terms are wider than offered, PeerUnreachable.
    """
    async with world.store.transaction() as tx:
        other = await names.peer(tx, peer)
    found = await catalogs.find(world, other, dataset)
    grant = await catalogs.grant(world, other, found.id)
    offer = catalogs.best_offer(world, found)
    asked = _with_terms(offer, terms) if terms else offer
    if purpose:
        asked = fit.narrow(asked, purpose)
    if not as_is:
        _check_narrower(asked, offer)
    return await negotiate.request(
        world, other, asked | {"target": found.id}, grant=grant, view=found.view, purpose=fit.purposes_of(parse_policy(rules(asked)))
    )


async def propose(world: World, peer: str, dataset: str) -> Negotiation:
    """Offer one of our datasets to a peer without being asked (provider side)."""
    async with world.store.transaction() as tx:
        other = await names.peer(tx, peer)
        asset = await _asset(tx, dataset)
    caller = await world.identity.caller(other.id)
    if caller is None:
        raise Clash(f"{other.name} is blocked.", other.blocked, f"saltbridge peer show {other.name}")
    async with world.store.transaction() as tx:
        standing = await offers.seen(world, tx, caller, asset)
        grant = await catalogs.stored_grant(tx, asset.grant)
    if not standing:
        raise Clash(f"{other.name} may not see an offer of {title(asset.id, asset.view)}.", next="saltbridge view list --offers")
    return await negotiate.offer(world, other, standing[0].offer | {"target": asset.id}, grant=grant, view=asset.view)


async def settled(world: World, id: str, seconds: float = PATIENCE) -> Negotiation:
    """The negotiation once it is over or waits for a person here; as it stands when the time is up."""
    until = world.clock.now().timestamp() + seconds
    while True:
        async with world.store.transaction() as tx:
            process = await names.negotiation(tx, id)
        left = until - world.clock.now().timestamp()
        if process.place.state in FINAL or process.waits_for or left <= 0:
            return process
        await world.changes.wait(process.id, min(GLANCE, left))


async def concluded(world: World, process: Negotiation, seconds: float = PATIENCE) -> Json:
    """Wait for the end: the negotiation as JSON; PeerRefused when it was terminated."""
    ended = await settled(world, process.id, seconds)
    async with world.store.transaction() as tx:
        peer = await names.peer_name(tx, ended.peer)
    if ended.place.state == S.TERMINATED:
        raise refused(ended, peer, f'your request for "{title(ended.dataset, ended.view)}"')
    return negotiation_json(ended, peer)


# --- reading -------------------------------------------------------------------------------------


async def list_negotiations(world: World, *, peer: str = "", state: str = "", waiting: bool = False, limit: int = 200) -> list[Json]:
    """Negotiations, the latest change first."""
    async with world.store.transaction() as tx:
        asked = {
            "peer": (await names.peer(tx, peer)).id if peer else "",
            "state": state.upper(),
            "waits_for": "operator" if waiting else "",
        }
        found = await tx.find(Negotiation, limit=10_000, **{key: value for key, value in asked.items() if value})
        found = sorted(found, key=lambda each: each.changed, reverse=True)[:limit]
        return [negotiation_json(each, await names.peer_name(tx, each.peer)) for each in found]


async def show(world: World, text: str) -> Json:
    """One negotiation, or the one that an agreement came from, with its offer, what was asked and the agreement."""
    async with world.store.transaction() as tx:
        process = await meant(tx, text)
        shown = negotiation_json(process, await names.peer_name(tx, process.peer))
        agreement = await tx.get(Agreement, str(process.agreement.get("@id", "")))
        shown["agreement_state"] = agreement_json(agreement, shown["peer"], world.clock.now())["state"] if agreement else ""
        letters = await tx.letters(process.id)
    waiting = [{"message": each.message or each.purpose, "attempts": each.attempts, "error": each.last_error} for each in letters]
    return shown | {"offer": process.offer, "asked": process.asked, "agreed": process.agreement, "letters": waiting}


async def timeline(world: World, text: str) -> Json:
    """Every message of a negotiation (or of a transfer), with the reasons of both sides."""
    async with world.store.transaction() as tx:
        process = await meant(tx, text)
        return await _timeline(tx, process) | {"title": title(process.dataset, process.view)}


async def transfer_timeline(world: World, text: str) -> Json:
    async with world.store.transaction() as tx:
        return await _timeline(tx, await names.transfer(tx, text))


async def _timeline(tx: Transaction, process: Negotiation | Transfer) -> Json:
    steps = await tx.find(Step, process=process.id)
    letters = await tx.letters(process.id)
    return {
        "id": process.id,
        "kind": process.kind,
        "side": process.side,
        "peer": await names.peer_name(tx, process.peer),
        "state": process.place.state or "OPENING",
        "decision": process.decision,
        "steps": [step_json(step, process.opened) for step in sorted(steps, key=lambda each: each.at)],
        "waiting": [{"message": each.message or each.purpose, "attempts": each.attempts, "error": each.last_error} for each in letters],
    }


async def list_agreements(world: World, *, peer: str = "") -> list[Json]:
    """Agreements, the latest first."""
    async with world.store.transaction() as tx:
        asked = {"peer": (await names.peer(tx, peer)).id} if peer else {}
        found = sorted(await tx.find(Agreement, limit=10_000, **asked), key=lambda each: each.signed, reverse=True)
        return [agreement_json(each, await names.peer_name(tx, each.peer), world.clock.now()) for each in found]


async def show_agreement(world: World, text: str) -> Json:
    """An agreement with its policy, its grant and its transfers."""
    async with world.store.transaction() as tx:
        found = await names.agreement(tx, text)
        shown = agreement_json(found, await names.peer_name(tx, found.peer), world.clock.now())
        transfers = await tx.find(Transfer, agreement=found.id)
    return shown | {"policy": found.policy, "grant": found.grant, "transfers": [each.id for each in transfers]}


async def meant(tx: Transaction, text: str) -> Negotiation:
    """The negotiation of this id, or the one that the agreement of this id came from."""
    try:
        return await names.negotiation(tx, text)
    except Hidden:
        agreement = await names.agreement(tx, text)
    return await names.negotiation(tx, agreement.negotiation)


# --- deciding ------------------------------------------------------------------------------------


async def approve(world: World, text: str) -> Negotiation:
    """Say yes to a request that waits for us."""
    return await negotiate.approve(world, (await _known(world, text)).id)


async def accept(world: World, text: str) -> Negotiation:
    """Accept the offer that stands (consumer)."""
    process = await _known(world, text)
    return await negotiate.act(world, process.id, Move(message=M.ACCEPT), **await _unseen(world, process))


async def decline(world: World, text: str, reason: str = "") -> Negotiation:
    """Say no to what waits for us: an offer of theirs, or a request that asks for our approval."""
    process = await _known(world, text)
    if not process.waits_for and process.place.state != S.OFFERED:
        raise Illegal(
            "Nothing here waits for your answer.", f"The negotiation is {process.place.state}.", "saltbridge contract list --waiting"
        )
    code = "offer.declined" if process.side == "consumer" else "request.declined"
    return await negotiate.act(world, process.id, _ending(code, reason or "The operator declined."))


async def counter(world: World, text: str, *, purpose: Sequence[str] = (), terms: Json | None = None) -> Negotiation:
    """Answer what stands with other terms: a request as consumer, an offer as provider."""
    process = await _known(world, text)
    if not purpose and not terms:
        raise Malformed("A counter needs terms.", next="Give --purpose or --policy FILE.", code="input.missing")
    offer = _with_terms(process.offer, terms) if terms else process.offer
    offer = fit.narrow(offer, purpose) if purpose else offer
    move = Move(
        message=M.REQUEST if process.side == "consumer" else M.OFFER, content={"offer": offer | {"target": process.dataset}}
    )
    return await negotiate.act(world, process.id, move, **await _unseen(world, process))


async def terminate(world: World, text: str, reason: str = "", *, dry_run: bool = False) -> Json:
    """End a running negotiation, or retire a finished agreement; `did` says which (`would` for a dry run).

    Raises Clash when it is over already.
    """
    async with world.store.transaction() as tx:
        process = await meant(tx, text)
        peer = await names.peer_name(tx, process.peer)
        agreement = await tx.get(Agreement, str(process.agreement.get("@id", "")))
        running = [each.id for each in await tx.find(Transfer, agreement=agreement.id) if _open(each)] if agreement else []
    about: Json = {"negotiation": process.id, "peer": peer, "title": title(process.dataset, process.view), "reason": reason}
    if process.place.state == S.FINALIZED and agreement is not None:
        about |= {"agreement": agreement.id, "transfers": running}
        if agreement.retired is not None:
            by = world.me.name if agreement.retired_by == world.me.id else peer
            raise Clash("This agreement is retired already.", sentence(agreement, by, world.clock.now()))
        return await retire(world, agreement.id, reason, dry_run=dry_run, about=about)
    if process.place.state in FINAL:
        raise Clash("This negotiation is over already.", f"It is {process.place.state}.", f"saltbridge contract timeline {text}")
    if dry_run:
        return about | {"would": "terminate the negotiation"}
    await negotiate.act(world, process.id, _ending("operator.terminated", reason or "The operator ended the negotiation."))
    return about | {"did": "terminated the negotiation"}


async def retire(world: World, text: str, reason: str = "", *, dry_run: bool = False, about: Json | None = None) -> Json:
    """End a finished agreement at once; open transfers under it are terminated with it."""
    async with world.store.transaction() as tx:
        found = await names.agreement(tx, text)
        said = about or {"agreement": found.id, "peer": await names.peer_name(tx, found.peer), "title": title(found.dataset, found.view)}
    if dry_run:
        return said | {"would": "retire the agreement"}
    retired = await retire_agreement(world, found.id, reason)
    return said | {"did": "retired the agreement", "retired": retired.retired.isoformat() if retired.retired else ""}


# --- inside --------------------------------------------------------------------------------------


async def _known(world: World, text: str) -> Negotiation:
    async with world.store.transaction() as tx:
        return await meant(tx, text)


async def _unseen(world: World, process: Negotiation) -> dict[str, str]:
    """The grant and the view's name behind an offer that came unasked: its dataset was never looked up before."""
    if process.side != "consumer" or process.grant:
        return {}
    async with world.store.transaction() as tx:
        peer = await names.peer(tx, process.peer)
    found = await catalogs.find(world, peer, process.dataset)
    return {"grant": await catalogs.grant(world, peer, found.id), "view": found.view}


async def _asset(tx: Transaction, text: str) -> Asset:
    exact = await tx.get(Asset, text)
    found = [exact] if exact else [each for each in await tx.find(Asset, view=text) if not each.withdrawn]
    if len(found) != 1:
        raise Hidden(f"{text!r} names {'no' if not found else 'more than one'} dataset on offer.", "saltbridge view list --offers")
    return found[0]


def _open(process: Transfer) -> bool:
    return process.place.state not in ("COMPLETED", "TERMINATED")


def _ending(code: str, reason: str) -> Move:
    return Move(message=M.TERMINATE, content={"code": code, "reason": [reason]})


def _with_terms(offer: Json, terms: Json) -> Json:
    """The offer under other terms; what they leave open stays as offered, so that both sides name the same in full."""
    kept = {key: value for key, value in offer.items() if key not in ("permission", "prohibition", "obligation")}
    try:
        return kept | rules(render(fill(parse_policy(rules(terms)), parse_policy(rules(offer)))))
    except Invalid as error:
        raise Malformed("The terms cannot be read.", error.what, error.next, where=error.where, code="input.invalid") from error


def _check_narrower(asked: Json, offered: Json) -> None:
    try:
        wider = narrows(parse_policy(rules(asked)), parse_policy(rules(offered)))
    except Invalid as error:
        raise Malformed("The terms cannot be read.", error.what, error.next, where=error.where, code="input.invalid") from error
    if wider:
        raise Malformed("Terms may only narrow.", "; ".join(wider), "Take the offer as it is, or shorten it.", code="terms.wider")


def still_running(process: Negotiation) -> Unavailable:
    """The error for a conversation that has not ended in time; it goes on without us."""
    return Unavailable(
        f"The negotiation is {process.place.state or 'not answered yet'} after {PATIENCE:.0f} s.",
        "It goes on in the background.",
        f"saltbridge contract timeline {process.id}",
        code="negotiation.running",
    )
