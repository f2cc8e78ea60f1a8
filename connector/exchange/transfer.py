"""Transfer processes, both sides (pull): what comes in, what we open, where the data lies.

A provider starts what the agreement still allows; a consumer resumes only what it suspended itself.  The data token is
a function of (transfer, generation) and is made when a start is sent.  DSP 2025-1, "Transfer Process Protocol".
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.errors import Denied, Hidden, Illegal, Malformed
from connector.frozen import replace
from connector.ports import Caller, Move, Transaction, World, new_pid
from connector.protocol import wire
from connector.protocol.machine import Side
from connector.protocol.messages import TransferAck, TransferMessage, TransferRequest, TransferStart
from connector.protocol.negotiation import Message as N
from connector.protocol.negotiation import State as NS
from connector.protocol.transfer import FINAL, TRANSFER
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as S
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Agreement, Json, Negotiation, Note, Opening, Peer, Place, Transfer

from . import answers, compose, negotiate
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
    position,
    say,
    step_in,
    transact,
)
from .conversation import at as place_at
from .decide import decide_transfer
from .retired import NEXT, RETIRED, ending, reason_of, sentence

TOKEN_LIFE = timedelta(days=90)

# --- what comes in -------------------------------------------------------------------------------


async def receive(world: World, caller: Caller, message: TransferMessage, pid: str = "") -> Outcome:
    """Take a transfer message of an authenticated peer; `pid` is ours, from the path, empty for an opening.

    Raises Hidden (unknown or foreign process or agreement), Illegal (not now, or the agreement is retired), Malformed.
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


async def read(world: World, caller: Caller, pid: str) -> TransferAck:
    """The state of a transfer, for its other side."""
    async with world.store.transaction() as tx:
        process: Transfer = await begun(tx, TALK, caller, pid)
    return ack(process)


def ack(process: Transfer) -> TransferAck:
    consumer, provider = (process.id, process.peer_pid) if process.side == Side.CONSUMER else (process.peer_pid, process.id)
    return TransferAck(consumer_pid=consumer, provider_pid=provider, state=process.place.state)


async def _open(world: World, tx: Transaction, caller: Caller, message: TransferMessage) -> Outcome:
    if not isinstance(message, TransferRequest):
        raise Malformed(f"{message.type} does not open a transfer.", next="Send it to the transfer's own address.")
    if before := await opened(tx, TALK, caller, message.consumer_pid, message):
        return Outcome(ack(await known(tx, TALK, caller, before)), created=True)
    address = check_callback(caller, message.callback_address)
    agreement = await _agreement_for(world, tx, caller, message)
    await check_quota(world, tx, TALK, caller)
    now = world.clock.now()
    process = Transfer(
        id=new_pid(), side=str(Side.PROVIDER), peer=caller.participant, peer_pid=message.consumer_pid, address=address, place=Place(),
        agreement=agreement.id, format=message.format, opened=now, changed=now,
    )  # fmt: skip
    heard = hear(TALK, process, message)
    if heard is None:
        raise Illegal("This message opens nothing.")
    kept = await keep(world, tx, TALK, None, heard, step_in(world, heard, message, len(wire.write(message))))
    tx.put(Opening(id=f"{TALK.name}|{caller.participant}|{message.consumer_pid}", process=kept.id, digest=wire.content_digest(message)))
    return Outcome(ack(kept), created=True, letters=await answers.next_move(world, tx, TALK, kept))


async def _agreement_for(world: World, tx: Transaction, caller: Caller, message: TransferRequest) -> Agreement:
    agreement = await tx.get(Agreement, message.agreement_id)
    if agreement is None or agreement.peer != caller.participant or agreement.side != Side.PROVIDER:
        raise Hidden("No such agreement of yours here.", "Negotiate one first.")
    if agreement.retired is not None:
        by = world.me.name if agreement.retired_by == world.me.id else agreement.retired_by
        raise Illegal("The agreement is retired.", sentence(agreement, by, world.clock.now()), NEXT, code=RETIRED)
    if agreement.state == "AGREED":  # their request proves that our FINALIZE arrived
        agreement = await _proven(world, tx, agreement)
    if agreement.state != "FINALIZED":
        raise Illegal("The agreement is not in force.", f"Its negotiation is {agreement.state}.", "Wait for FINALIZED.")
    if message.format != HTTP_PULL:
        raise Malformed(f"Format {message.format} is not offered.", f"This dataset is pulled: {HTTP_PULL}.", where="/format")
    return agreement


async def _proven(world: World, tx: Transaction, agreement: Agreement) -> Agreement:
    process = await tx.get(Negotiation, agreement.negotiation)
    if process is None or process.place.state != NS.VERIFIED or process.place.sent != N.FINALIZE:
        return agreement
    there = negotiate.TALK.machine.delivered(position(negotiate.TALK, process))
    settled = replace(process, place=place_at(process.place, there))
    await keep(world, tx, negotiate.TALK, process, settled, None)
    return await tx.get(Agreement, agreement.id) or agreement


async def _continue(world: World, tx: Transaction, caller: Caller, message: TransferMessage, pid: str) -> Outcome:
    process: Transfer = await known(tx, TALK, caller, pid)
    process = _same_pids(process, message)
    heard = hear(TALK, process, message)
    if heard is None:
        return Outcome(ack(process), created=False)
    if isinstance(message, TransferStart):
        heard = _started(process, heard, message)
    kept = await keep(world, tx, TALK, process, heard, step_in(world, heard, message, len(wire.write(message))))
    if is_final(TALK, kept):
        return Outcome(ack(kept), created=False)
    return Outcome(ack(kept), created=False, letters=await answers.next_move(world, tx, TALK, kept))


def _started(process: Transfer, heard: Transfer, message: TransferStart) -> Transfer:
    if process.side == Side.CONSUMER:
        return replace(heard, data_address=message.data_address or process.data_address)
    if process.suspended_by == "us":
        raise Illegal(
            "The provider suspended this transfer and has not resumed it.",
            f"Reason: {'; '.join(process.place.reason) or 'none given'}.",
            "Wait for its start message.",
            code="transfer.suspended",
        )
    return replace(heard, renew=True)


def _same_pids(process: Transfer, message: TransferMessage) -> Transfer:
    consumer, provider = getattr(message, "consumer_pid", ""), getattr(message, "provider_pid", "")
    ours, theirs = (consumer, provider) if process.side == Side.CONSUMER else (provider, consumer)
    if ours != process.id or (process.peer_pid and theirs != process.peer_pid):
        raise Malformed(
            "The pids of the message are not those of this transfer.",
            "The path carries the receiver's pid, the body carries both.",
            "Send the pair that this transfer was opened with.",
            where="/consumerPid" if process.side == Side.PROVIDER else "/providerPid",
        )
    return replace(process, peer_pid=theirs)


async def moved(world: World, tx: Transaction, before: Transfer | None, after: Transfer) -> Transfer:
    """Remember who suspended, and that the peer retired the agreement when it ended the transfer, or refused it, for that."""
    state = after.place.state
    if state == S.TERMINATED and after.place.code == RETIRED:
        await _retired_by_peer(world, tx, after)
    if state == S.SUSPENDED:
        if before is None or before.place.state != S.SUSPENDED:
            return replace(after, suspended_by="peer" if after.place.by == "peer" else "us")
        return after
    return replace(after, suspended_by="") if after.suspended_by else after


async def _retired_by_peer(world: World, tx: Transaction, process: Transfer) -> None:
    """The peer says that the whole agreement is over: so it is here, from now on (retiring is open to both sides)."""
    agreement = await tx.get(Agreement, process.agreement)
    if agreement is not None and agreement.peer == process.peer and agreement.retired is None:
        why = reason_of(process.place.reason)[: world.limits.text_bytes]
        tx.put(replace(agreement, retired=world.clock.now(), retired_by=process.peer, retired_why=why))
        tx.note(Note(event="agreement.retired", subject=agreement.id, data={"by": process.peer}))


def speaking(process: Transfer, kind: T, content: Json) -> Transfer:
    """Every start of ours opens a new generation of the data token."""
    if kind == T.START and process.side == Side.PROVIDER:
        return replace(process, generation=process.generation + 1, renew=False)
    return process


# --- what our operator does ----------------------------------------------------------------------


async def request(world: World, agreement_id: str) -> Transfer:
    """Ask the provider to start a transfer under an agreement of ours (consumer side)."""

    async def work(tx: Transaction) -> tuple[Transfer, str]:
        agreement = await tx.get(Agreement, agreement_id)
        if agreement is None or agreement.side != Side.CONSUMER:
            raise Hidden(f"No agreement {agreement_id} of ours here.", "See contract list.")
        peer = await tx.get(Peer, agreement.peer)
        if agreement.retired is not None:
            by = world.me.name if agreement.retired_by == world.me.id else peer.name if peer else agreement.peer
            raise Denied("The agreement is not in force.", sentence(agreement, by, world.clock.now()), NEXT, code=RETIRED)
        if agreement.state != "FINALIZED":
            raise Denied("The agreement is not in force.", f"It is {agreement.state}.", NEXT, code="agreement.not.in.force")
        if peer is None:
            raise Hidden(f"{agreement.peer} is no peer any more.", "Add it again: peer add.")
        now = world.clock.now()
        process = Transfer(
            id=new_pid(), side=str(Side.CONSUMER), peer=peer.id, address=peer.address, place=Place(), agreement=agreement.id,
            format=HTTP_PULL, opened=now, changed=now,
        )  # fmt: skip
        said, letter = await say(world, tx, TALK, process, Move(message=T.REQUEST))
        tx.note(Note(event="transfer.opened", subject=said.id, data={"agreement": agreement.id, "peer": peer.id}))
        return said, letter.id

    said, letter_id = await transact(world, work)
    await world.store.release([letter_id])
    return said


async def act(world: World, pid: str, message: T, code: str = "", reason: tuple[str, ...] = ()) -> Transfer:
    """Send what the operator wants: suspend, resume (start), complete, terminate.  Illegal when the table forbids it.

    A termination waits for the answer to what is under way; a consumer resumes only what it suspended itself.
    """
    content: Json = {"code": code, "reason": list(reason)}

    async def work(tx: Transaction) -> tuple[Transfer, list[str]]:
        process = await tx.get(Transfer, pid)
        if process is None:
            raise Hidden(f"No transfer {pid} here.", "See transfers.")
        if message == T.START and process.side == Side.CONSUMER and process.suspended_by == "peer":
            why = f"Its reason: {'; '.join(process.place.reason) or 'none given'}."
            raise Illegal("The provider suspended this transfer.", why, "Wait until it resumes, or terminate.", code="transfer.suspended")
        if message == T.TERMINATE:
            said, letter = await end(world, tx, TALK, process, content)
        else:
            said, letter = await say(world, tx, TALK, process, Move(message=message, content=content))
        return said, [letter.id] if letter else []

    said, letter_ids = await transact(world, work)
    await world.store.release(letter_ids)
    return said


async def retire(world: World, agreement_id: str, why: str) -> Agreement:
    """End a finished agreement at once: marked, audited, and a termination posted for each open transfer, in one transaction."""

    async def work(tx: Transaction) -> tuple[Agreement, list[str]]:
        agreement = await tx.get(Agreement, agreement_id)
        if agreement is None:
            raise Hidden(f"No agreement {agreement_id} here.", "See contract list.")
        return await retired(world, tx, agreement, why)

    agreement, letters = await transact(world, work)
    await world.store.release(letters)
    return agreement


async def retired(world: World, tx: Transaction, agreement: Agreement, why: str) -> tuple[Agreement, list[str]]:
    """The same inside a transaction that ends more than this; release the letters once it is committed."""
    if agreement.retired is not None:
        return agreement, []
    over = tx.put(replace(agreement, retired=world.clock.now(), retired_by=world.me.id, retired_why=why))
    tx.note(Note(event="agreement.retired", subject=agreement.id, data={"by": world.me.id}))
    return over, await _end_transfers(world, tx, over, why)


async def _end_transfers(world: World, tx: Transaction, agreement: Agreement, why: str) -> list[str]:
    """Terminate what is open; where something is under way its answer comes first, and pulls are refused from now on."""
    letters = []
    reason = ending(world.me.name, why)
    for state in ("OPENING", *(state for state in S if state not in FINAL)):
        after = ""
        while found := await tx.find(Transfer, after=after, agreement=agreement.id, state=str(state)):
            after = found[-1].id
            for process in found:
                _, letter = await end(world, tx, TALK, process, {"code": RETIRED, "reason": reason})
                letters += [letter.id] if letter else []
    return letters


# --- where the data lies -------------------------------------------------------------------------


def token_expiry(process: Transfer) -> datetime:
    """The same for every re-send of a start."""
    return process.opened + TOKEN_LIFE


def start_address(world: World, process: Transfer) -> Json:
    """Provider: the data address of the present generation."""
    token = world.tokens.issue(process.id, process.generation, process.peer, token_expiry(process))
    return wire.data_address(world.me.data, token)


async def endpoint(world: World, pid: str) -> tuple[str, str, tuple[str, ...]]:
    """Consumer: (url, authorization, origins it may lie at) of a started transfer; Illegal when it is not started."""
    async with world.store.transaction() as tx:
        process = await tx.get(Transfer, pid)
        peer = await tx.get(Peer, process.peer) if process else None
    if process is None or peer is None or process.side != Side.CONSUMER:
        raise Hidden(f"No transfer {pid} of ours here.")
    if process.place.state != S.STARTED:
        reason = "; ".join(process.place.reason) or "no reason was given"
        raise Illegal("The transfer is not started.", f"It is {process.place.state or 'opening'}: {reason}.", "Request a new one.")
    url, token, _ = wire.read_data_address(process.data_address)
    if not url:
        raise Illegal("The provider's start message named no address.", next="Ask its operator.")
    return url, token, (*peer.origins, *peer.data_origins)


TALK = Talk(
    name="transfer", record=Transfer, machine=TRANSFER, state=S, message=T, final=FINAL,
    compose=compose.transfer, path=compose.transfer_path, speaking=speaking, moved=moved,
    decide=decide_transfer,
)  # fmt: skip
