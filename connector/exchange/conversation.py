"""What negotiations and transfers have in common: hear a message, say one, keep the timeline.

A conversation is a record with a `Place`; its protocol table judges every step.  This module knows neither what an
offer is nor what a transfer carries.  One message is one transaction: the new state, the letter that follows and the
audit note commit together or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from connector.addresses import read_address
from connector.errors import Hidden, Illegal, Malformed, Unauthenticated, Unavailable
from connector.frozen import replace
from connector.ports import Caller, Conflict, Move, Replayed, Transaction, World
from connector.protocol import wire
from connector.protocol.machine import IllegalMove, Machine, Position, Repeated, Side
from connector.protocol.messages import NegotiationAck, NegotiationMessage, TransferAck, TransferMessage
from connector.records import Json, Letter, Negotiation, Note, Opening, Place, Step, Transfer

Spoken = NegotiationMessage | TransferMessage
P = TypeVar("P", Negotiation, Transfer)
T = TypeVar("T")

CROSSED = "state.crossed"  # why a message is refused that met a stronger one of ours; ours is on its way
HEARD = 64  # digests kept per process; a conversation that says more than this has long left those states
TRIES = 12  # optimistic writes of one process meet rarely; more means something else is wrong


@dataclass(frozen=True, slots=True)
class Talk:
    """One of the two protocols, as the delivery loop needs it."""

    name: str  # negotiation | transfer
    record: type[Any]
    machine: Machine
    state: type[StrEnum]
    message: type[StrEnum]
    final: frozenset[Any]
    compose: Callable[..., Spoken]  # (world, process, message kind, content) -> message
    path: Callable[..., str]  # (process, message kind) -> path below the peer's address
    speaking: Callable[..., Any]  # (process, message kind, content) -> the record with what the message says
    moved: Callable[..., Awaitable[Any]]  # (world, tx, before, after) -> the record with its own consequences
    decide: Callable[..., Awaitable[Move]]  # (world, tx, process)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an incoming message led to.  Release the letters once the answer has been flushed."""

    ack: NegotiationAck | TransferAck
    created: bool
    letters: tuple[str, ...] = ()


async def transact(world: World, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Run `work` in a transaction, again from the start when another writer was faster."""
    for _ in range(TRIES):
        try:
            async with world.store.transaction() as tx:
                return await work(tx)
        except Conflict:
            continue
        except Replayed as error:
            raise Unauthenticated("the token was used before") from error
    raise Unavailable("Too many writers at once.", next="Try again.", retry_after=1.0)


def position(talk: Talk, process: Negotiation | Transfer) -> Position:
    """The protocol's view of where the process stands."""
    place = process.place
    return Position(
        side=Side(process.side),
        state=talk.state(place.state) if place.state else None,
        sent=talk.message(place.sent) if place.sent else None,
        waiting=place.waiting,
        last=place.last or None,
    )


def at(place: Place, where: Position, **changes: Any) -> Place:
    """The place after a move of the machine."""
    return replace(
        place, state=str(where.state or ""), sent=str(where.sent or ""), waiting=where.waiting, last=where.last or "", **changes
    )


def is_final(talk: Talk, process: Negotiation | Transfer) -> bool:
    return process.place.state in talk.final


# --- hearing -------------------------------------------------------------------------------------


async def known(tx: Transaction, talk: Talk, caller: Caller, pid: str) -> Any:
    """The process by (own pid, authenticated peer): a foreign one and an unknown one look the same."""
    process = await tx.get(talk.record, pid)
    if process is None or process.peer != caller.participant:
        raise Hidden()
    return process


async def begun(tx: Transaction, talk: Talk, caller: Caller, pid: str) -> Any:
    """The same, once its opening was acknowledged: before that it has no state to tell."""
    process = await known(tx, talk, caller, pid)
    if not process.place.state:
        raise Unavailable("The answer to the opening message is still to come.", next="Ask again.", retry_after=1.0)
    return process


def check_callback(caller: Caller, address: str) -> str:
    """A callback address must lie at an origin of the peer's card."""
    if read_address(address, "/callbackAddress").origin not in caller.origins:
        raise Malformed(
            "The callbackAddress is not an address of yours that we know.",
            f"Messages go only to the origins on your card: {', '.join(caller.origins)}.",
            "Use an address there, or have the new card accepted first.",
            where="/callbackAddress",
        )
    return address.rstrip("/")


async def opened(tx: Transaction, talk: Talk, caller: Caller, pid: str, message: Spoken) -> str:
    """Our pid when this opening came before with the same content, else ''; other content under the same pid is refused."""
    opening = await tx.get(Opening, f"{talk.name}|{caller.participant}|{pid}")
    if opening is None:
        return ""
    if opening.digest != wire.content_digest(message):
        raise Malformed("This process was opened before with other content.", f"Your pid {pid} is taken.", "Use a new pid.")
    return opening.process


async def check_quota(world: World, tx: Transaction, talk: Talk, caller: Caller) -> None:
    """A peer may keep only so many processes open (503: passing, and no reason to terminate)."""
    running = await tx.count(talk.record, open=caller.participant)
    if running >= world.limits.open_processes:
        raise Unavailable(
            "Too many open processes.", f"{running} are open for you.", "Finish or end some.", code="quota.full", retry_after=5.0
        )


def hear(talk: Talk, process: P, message: Spoken) -> P | None:
    """Apply their message; None when it is a repetition.  Raises Illegal, changing nothing.

    A message without an @id is known by its content, and may well be meant again later: only the last one counts.
    """
    before, digest = position(talk, process), wire.digest(message)
    if message.id and digest in process.place.heard:
        return None
    try:
        after = talk.machine.received(before, message.kind, digest)
    except Repeated:
        return None
    except IllegalMove as error:
        raise Illegal(
            f"{message.type} is not allowed now.",
            f"This {talk.name} is {process.place.state or 'not acknowledged yet'}: {error}.",
            "Read its state with GET and go on from there.",
            code=CROSSED if _legal_alone(talk, before, message) and before.sent else "",
        ) from error
    crossed = process.place.crossed or _crosses(talk, before, after, message)
    heard = (*process.place.heard, digest)[-HEARD:]
    code, reason = getattr(message, "code", ""), getattr(message, "reason", ())  # what was said before is over, ours too
    return replace(process, place=at(process.place, after, heard=heard, by="peer", crossed=crossed, code=code, reason=reason))


def _crosses(talk: Talk, before: Position, after: Position, message: Spoken) -> bool:
    """Whether their message met ours on the way, or may have: one that was legal without ours too need not be a reply to it.

    DSP messages carry no order, so the states are compared once ours is answered (house.md 4).
    """
    return before.sent is not None and (after.sent is not None or _legal_alone(talk, before, message))


def _legal_alone(talk: Talk, before: Position, message: Spoken) -> bool:
    return (before.state, before.side.other, message.kind) in talk.machine.table


# --- saying --------------------------------------------------------------------------------------


def turn(world: World, talk: Talk, process: Negotiation | Transfer) -> Letter:
    """The letter that asks our decider for the next move, where it is not asked at once (`answers.next_move`)."""
    now = world.clock.now()
    return Letter(
        id=letter_id(), process_kind=talk.name, process=process.id, purpose="turn", posted=now, due=now
    )


async def say(world: World, tx: Transaction, talk: Talk, process: P, move: Move) -> tuple[P, Letter]:
    """Post the letter for a move; unless it is put off, it counts as in flight from this commit on."""
    kind = talk.message(move.message)
    now = world.clock.now()
    process = talk.speaking(process, kind, move.content)
    message = talk.compose(world, process, kind, move.content)
    late = move.due is not None and move.due > now
    letter = Letter(
        id=letter_id(),
        process_kind=talk.name,
        process=process.id,
        purpose="send",
        message=str(kind),
        path=talk.path(process, kind),
        body=wire.write(message).decode(),
        first_attempt=None if late else now,
        posted=now,
        due=move.due if late and move.due else now,
    )
    if not late:
        process = in_flight(talk, process, kind)
    if "code" in move.content:
        words = replace(process.place, code=move.content["code"], reason=tuple(move.content.get("reason", ())), by="us")
        process = replace(process, place=words)
    process = tx.put(replace(process, changed=now))
    tx.post(letter)
    return process, letter


async def end(world: World, tx: Transaction, talk: Talk, process: P, content: Json) -> tuple[P, Letter | None]:
    """Terminate: at once, or as soon as what is under way is answered; until then nothing else is said (`deliver`)."""
    if process.place.waiting:
        return tx.put(replace(process, ending=content, changed=world.clock.now())), None
    kind = next(kind for kind in talk.message if kind.name == "TERMINATE")
    return await say(world, tx, talk, process, Move(message=kind, content=content))


def in_flight(talk: Talk, process: P, kind: Any) -> P:
    """Mark our message as sent; Illegal when the table does not allow it from here."""
    try:
        after = talk.machine.send(position(talk, process), kind)
    except IllegalMove as error:
        raise Illegal(
            f"{kind} cannot be sent now.", f"This {talk.name} is {process.place.state or 'new'}: {error}.", "Look at its timeline."
        ) from error
    return replace(process, place=at(process.place, after))


# --- the record of it ----------------------------------------------------------------------------


async def keep(
    world: World, tx: Transaction, talk: Talk, before: P | None, after: P, step: Step | None
) -> P:
    """Write the process with its timeline step and, when the state changed, its consequences and the audit note."""
    now = world.clock.now()
    if before is None or before.place.state != after.place.state or after.place.state == "STARTED":
        after = await talk.moved(world, tx, before, after)
    after = tx.put(replace(after, changed=now))
    if step is not None:
        tx.put(step)
    was = before.place.state if before else ""
    if was != after.place.state:
        tx.note(
            Note(
                event=f"{talk.name}.state",
                subject=after.id,
                data={"from": was, "to": after.place.state, "peer": after.peer, "side": after.side, "by": after.place.by or "us"},
                beside={"code": after.place.code, "decision": after.decision},
            )
        )
    return after


def step_in(world: World, process: Negotiation | Transfer, message: Spoken, size: int) -> Step:
    """The timeline's line for a message of theirs (its reason is foreign text)."""
    code, reason = getattr(message, "code", ""), tuple(getattr(message, "reason", ()))
    return _step(world, process, "in", message.kind, size, code or "", reason)


def step_out(world: World, process: Negotiation | Transfer, letter: Letter, code: str = "", reason: tuple[str, ...] = ()) -> Step:
    """The timeline's line for a message of ours that was answered."""
    return _step(world, process, "out", letter.message, len(letter.body), code, reason)


def step_here(world: World, process: Negotiation | Transfer, what: str, code: str = "", reason: tuple[str, ...] = ()) -> Step:
    """The timeline's line for something that happened at this node only."""
    return _step(world, process, "here", what, 0, code, reason)


def _step(
    world: World, process: Negotiation | Transfer, direction: str, message: str, size: int, code: str, reason: tuple[str, ...]
) -> Step:
    now = world.clock.now()
    return Step(
        id=f"{process.id}/{int(now.timestamp() * 1_000_000):020d}-{secrets.token_hex(3)}",
        process=process.id,
        at=now,
        direction=direction,
        message=str(message),
        state=process.place.state,
        size=size,
        code=code,
        reason=reason,
        decision=process.decision,
    )


def letter_id() -> str:
    return f"l-{secrets.token_hex(8)}"

