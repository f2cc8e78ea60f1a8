"""Contract negotiation, both sides: what comes in, what we open, what each step brings with it.

Decisions are taken in `decide`, sending is done by `deliver`.  Errors never change state.  DSP 2025-1, "Contract
Negotiation Protocol"; what is answered before a decider is asked is only the malformed, the unknown and the hidden.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connector.errors import Hidden, Illegal, Malformed
from connector.frozen import replace
from connector.ports import Caller, Move, Transaction, World, new_pid
from connector.protocol import wire
from connector.protocol.machine import Side
from connector.protocol.messages import ContractAgreement, ContractOffer, ContractRequest, NegotiationAck, NegotiationMessage
from connector.protocol.negotiation import FINAL, NEGOTIATION
from connector.protocol.negotiation import Message as M
from connector.protocol.negotiation import State as S
from connector.records import Agreement, Asset, Grant, Json, Negotiation, Note, Opening, Peer, Place
from policies.errors import Invalid
from policies.odrl import parse_policy
from policies.terms import purposes_of

from . import answers, compose, offers
from .conversation import (
    Outcome,
    Talk,
    begun,
    check_callback,
    check_quota,
    end,
    hear,
    is_final,
    keep,
    known,
    opened,
    say,
    step_in,
    transact,
    turn,
)
from .decide import decide_negotiation

# --- what comes in -------------------------------------------------------------------------------


async def receive(world: World, caller: Caller, message: NegotiationMessage, pid: str = "") -> Outcome:
    """Take a negotiation message of an authenticated peer; `pid` is ours, from the path, empty for an opening.

    Raises Hidden (unknown, foreign, hidden), Illegal (not now), Malformed, Unavailable (quota).
    """

    async def work(tx: Transaction) -> Outcome:
        if caller.nonce:
            tx.once(*caller.nonce)
        if not pid:
            return await _open(world, tx, caller, message)
        return await _continue(world, tx, caller, message, pid)

    outcome = await transact(world, work)
    world.changes.tell(outcome.ack.consumer_pid)
    world.changes.tell(outcome.ack.provider_pid)
    return outcome


async def read(world: World, caller: Caller, pid: str) -> NegotiationAck:
    """The state of a negotiation, for its other side."""
    async with world.store.transaction() as tx:
        process: Negotiation = await begun(tx, TALK, caller, pid)
    return ack(process)


def ack(process: Negotiation) -> NegotiationAck:
    consumer, provider = (process.id, process.peer_pid) if process.side == "consumer" else (process.peer_pid, process.id)
    return NegotiationAck(consumer_pid=consumer, provider_pid=provider, state=process.place.state)


async def _open(world: World, tx: Transaction, caller: Caller, message: NegotiationMessage) -> Outcome:
    if not isinstance(message, ContractRequest | ContractOffer):
        raise Malformed(f"{message.type} does not open a negotiation.", next="Send it to the negotiation's own address.")
    theirs = message.consumer_pid if isinstance(message, ContractRequest) else message.provider_pid
    if before := await opened(tx, TALK, caller, theirs, message):
        return Outcome(ack(await known(tx, TALK, caller, before)), created=True)
    address = check_callback(caller, message.callback_address)
    if isinstance(message, ContractRequest):
        process = await _requested(world, tx, caller, message, address)
    else:
        process = _offered(world, caller, message, address)
    await check_quota(world, tx, TALK, caller)
    heard = hear(TALK, process, message)
    if heard is None:
        raise Illegal("This message opens nothing.")
    kept = await keep(world, tx, TALK, None, heard, step_in(world, heard, message, len(wire.write(message))))
    tx.put(Opening(id=f"{TALK.name}|{caller.participant}|{theirs}", process=kept.id, digest=wire.content_digest(message)))
    return Outcome(ack(kept), created=True, letters=await answers.next_move(world, tx, TALK, kept))


async def _requested(world: World, tx: Transaction, caller: Caller, message: ContractRequest, address: str) -> Negotiation:
    found = await offers.find(world, tx, caller, str(message.offer["@id"]))
    _check_target(message.offer, found.asset.id)
    grant = await tx.get(Grant, found.asset.grant) if found.asset.grant else None
    return _new(
        world, Side.PROVIDER, caller.participant, message.consumer_pid, address, found.asset.id,
        offer=found.offer | {"target": found.asset.id}, asked=message.offer, offered=found.offer,
        grant=grant.content if grant else "", view=found.asset.view,
    )  # fmt: skip


def _offered(world: World, caller: Caller, message: ContractOffer, address: str) -> Negotiation:
    return _new(
        world, Side.CONSUMER, caller.participant, message.provider_pid, address, str(message.offer["target"]), offer=message.offer
    )


def _new(
    world: World, side: Side, peer: str, peer_pid: str, address: str, dataset: str, *, offer: Json, **more: Any
) -> Negotiation:
    now = world.clock.now()
    return Negotiation(
        id=new_pid(), side=str(side), peer=peer, peer_pid=peer_pid, address=address, place=Place(), dataset=dataset,
        offer=offer, opened=now, changed=now, **more,
    )  # fmt: skip


async def _continue(world: World, tx: Transaction, caller: Caller, message: NegotiationMessage, pid: str) -> Outcome:
    process: Negotiation = await known(tx, TALK, caller, pid)
    process = _same_pids(process, message)
    heard = hear(TALK, process, message)
    if heard is None:
        return Outcome(ack(process), created=False)
    if process.side == Side.PROVIDER and isinstance(message, ContractRequest):
        await offers.find(world, tx, caller, str(process.offered["@id"]))  # hidden since: as unknown
        _check_target(message.offer, process.dataset)
    heard = _apply(heard, message)
    kept = await keep(world, tx, TALK, process, heard, step_in(world, heard, message, len(wire.write(message))))
    if is_final(TALK, kept):
        return Outcome(ack(kept), created=False)
    return Outcome(ack(kept), created=False, letters=await answers.next_move(world, tx, TALK, kept))


def _apply(process: Negotiation, message: NegotiationMessage) -> Negotiation:
    """What the message says, beside the state it leads to."""
    process = replace(process, waits_for="", why_waiting=())
    match message:
        case ContractRequest():
            return replace(process, asked=message.offer, approved=False)
        case ContractOffer():
            _check_target(message.offer, process.dataset)
            return replace(process, offer=message.offer)
        case ContractAgreement():
            return replace(process, agreement=message.agreement, purpose=_purposes(message.agreement))
        case _:
            return process


def _purposes(terms: Json) -> tuple[str, ...]:
    """What an offer or agreement declares; one that cannot be read declares nothing, and is refused by the decider."""
    try:
        return purposes_of(parse_policy(terms))
    except Invalid:
        return ()


def _same_pids(process: Negotiation, message: NegotiationMessage) -> Negotiation:
    """Both pids of the body must be this process's; the peer's is learnt when its acknowledgement is still to come."""
    consumer, provider = getattr(message, "consumer_pid", ""), getattr(message, "provider_pid", "")
    ours, theirs = (consumer, provider) if process.side == Side.CONSUMER else (provider, consumer)
    if ours != process.id or (process.peer_pid and theirs != process.peer_pid):
        raise Malformed(
            "The pids of the message are not those of this negotiation.",
            "The path carries the receiver's pid, the body carries both.",
            "Send the pair that this negotiation was opened with.",
            where="/consumerPid" if process.side == Side.PROVIDER else "/providerPid",
        )
    return replace(process, peer_pid=theirs)


def _check_target(offer: Json, dataset: str) -> None:
    if offer.get("target", dataset) != dataset:
        raise Malformed(
            "The offer's target is not the dataset of this negotiation.",
            "An offer belongs to one dataset.",
            "Leave the target as the catalog gives it, or open another negotiation.",
            where="/offer/target",
        )


# --- what a change of state brings with it -------------------------------------------------------


async def moved(world: World, tx: Transaction, before: Negotiation | None, after: Negotiation) -> Negotiation:
    """Keep the agreement in step with the negotiation: there from AGREED on, in force from FINALIZED on."""
    state = after.place.state
    if not after.agreement or state not in (S.AGREED, S.VERIFIED, S.FINALIZED, S.TERMINATED):
        return after
    phase = str(state) if state in FINAL else "AGREED"
    stored = await tx.get(Agreement, after.agreement["@id"])
    if stored is None:
        if state != S.TERMINATED:
            tx.put(await _agreement(world, tx, after, phase))
        return after
    if stored.negotiation != after.id and state == S.TERMINATED:
        return after  # an id that was taken is no reason to go on with this one
    if stored.negotiation != after.id:
        raise Malformed("This agreement id is in use.", next="Mint a new id for each agreement.", where="/agreement/@id")
    if stored.state != phase:
        tx.put(replace(stored, state=phase))
    return after


async def _agreement(world: World, tx: Transaction, process: Negotiation, phase: str) -> Agreement:
    agreement = process.agreement
    return Agreement(
        id=agreement["@id"], side=process.side, peer=process.peer, negotiation=process.id, dataset=process.dataset,
        assigner=str(agreement["assigner"]), assignee=str(agreement["assignee"]), policy=agreement,
        offer_id=str(process.offer.get("@id", "")), scope=offers.scope_of(process.dataset), grant=process.grant,
        view=await _view_of(tx, process), purpose=process.purpose, state=phase, signed=_signed(world, agreement),
    )  # fmt: skip


async def _view_of(tx: Transaction, process: Negotiation) -> str:
    asset = None if process.view or process.side == Side.CONSUMER else await tx.get(Asset, process.dataset)
    return asset.view if asset else process.view


def _signed(world: World, agreement: Json) -> datetime:
    try:
        return datetime.fromisoformat(str(agreement["timestamp"]))
    except (KeyError, ValueError):
        return world.clock.now()


def speaking(process: Negotiation, kind: M, content: Json) -> Negotiation:
    """What a message of ours puts on record at our end, from the moment it is posted."""
    match kind:
        case M.REQUEST:
            return replace(process, asked=content["offer"], offer=content["offer"], purpose=_purposes(content["offer"]))
        case M.OFFER:
            again = bool(process.place.state)  # an offer out of the blue answers nothing yet
            return replace(process, offer=content["offer"], offered_again=again)
        case M.AGREEMENT:
            return replace(process, agreement=content["agreement"], purpose=purposes_of(parse_policy(content["agreement"])))
        case _:
            return process


# --- what our operator does ----------------------------------------------------------------------


async def request(
    world: World, peer: Peer, offer: Json, *, grant: str = "", view: str = "", purpose: tuple[str, ...] = ()
) -> Negotiation:
    """Open a negotiation as consumer with an offer as the peer's catalog showed it (or narrowed); needs `@id` and `target`."""
    process = _new(
        world, Side.CONSUMER, peer.id, "", peer.address, str(offer["target"]),
        offer=offer, asked=offer, grant=grant, view=view, purpose=purpose,
    )  # fmt: skip
    return await _say_first(world, process, Move(message=M.REQUEST, content={"offer": offer}))


async def offer(world: World, peer: Peer, offer: Json, *, grant: str = "", view: str = "") -> Negotiation:
    """Open a negotiation as provider with one of our offers (`target` is its dataset)."""
    process = _new(
        world, Side.PROVIDER, peer.id, "", peer.address, str(offer["target"]),
        offer=offer, offered={key: value for key, value in offer.items() if key != "target"}, grant=grant, view=view,
    )  # fmt: skip
    return await _say_first(world, process, Move(message=M.OFFER, content={"offer": offer}))


async def _say_first(world: World, process: Negotiation, move: Move) -> Negotiation:
    async def work(tx: Transaction) -> tuple[Negotiation, str]:
        said, letter = await say(world, tx, TALK, process, move)
        tx.note(Note(event="negotiation.opened", subject=said.id, data={"peer": said.peer, "side": said.side}))
        return said, letter.id

    said, letter_id = await transact(world, work)
    await world.store.release([letter_id])
    return said


async def act(world: World, pid: str, move: Move, *, grant: str = "", view: str = "") -> Negotiation:
    """Send a message that the operator wants: accept, counter, offer again, terminate.  Illegal when the table forbids it.

    A termination waits for the answer to what is under way.  `grant` and `view` are what an unasked offer turned out to be.
    """

    async def work(tx: Transaction) -> tuple[Negotiation, list[str]]:
        process = replace(await _ours(tx, pid), waits_for="", why_waiting=())
        process = replace(process, grant=process.grant or grant, view=process.view or view)
        if move.message == M.TERMINATE:
            said, letter = await end(world, tx, TALK, process, move.content)
        else:
            said, letter = await say(world, tx, TALK, process, move)
        return said, [letter.id] if letter else []

    said, letter_ids = await transact(world, work)
    await world.store.release(letter_ids)
    return said


async def approve(world: World, pid: str) -> Negotiation:
    """Say yes to a request that waits for the operator (`confirm = "ask"`): the decider takes it from there."""

    async def work(tx: Transaction) -> tuple[Negotiation, str]:
        process = await _ours(tx, pid)
        if process.waits_for != "operator" or process.side != Side.PROVIDER:
            raise Illegal("Nothing here waits for your approval.", f"The negotiation is {process.place.state}.", "See contract list.")
        kept = tx.put(replace(process, approved=True, waits_for="", why_waiting=(), changed=world.clock.now()))
        tx.note(Note(event="negotiation.approved", subject=pid))
        letter = turn(world, TALK, kept)
        tx.post(letter)
        return kept, letter.id

    kept, letter_id = await transact(world, work)
    await world.store.release([letter_id])
    return kept


async def _ours(tx: Transaction, pid: str) -> Negotiation:
    process = await tx.get(Negotiation, pid)
    if process is None:
        raise Hidden(f"No negotiation {pid} here.", "See contract list.")
    return process


TALK = Talk(
    name="negotiation", record=Negotiation, machine=NEGOTIATION, state=S, message=M, final=FINAL,
    compose=compose.negotiation, path=compose.negotiation_path, speaking=speaking, moved=moved,
    decide=decide_negotiation,
)  # fmt: skip
