"""The only loop in the product: takes due letters, asks deciders, calls peers, reads their answers (house.md 4).

A letter is a turn (ask the decider what we do now) or a message to send.  Each attempt is: commit that it is in
flight, send, commit what the answer means, together with our next turn.  Nothing is ever sent before it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector.errors import Illegal, PeerUnreachable, Refused, SaltbridgeError
from connector.ports import Answer, Move, Transaction, World
from connector.protocol import wire
from connector.protocol.machine import Side
from connector.protocol.transfer import Message as T
from connector.records import Letter, Peer

from . import compose, negotiate, transfer
from .conversation import Talk, at, in_flight, is_final, keep, position, say, step_here, step_out, transact, turn
from .facts import file

TALKS: dict[str, Talk] = {"negotiation": negotiate.TALK, "transfer": transfer.TALK}
AT_ONCE = 64  # conversations served side by side
GIVE_UP = timedelta(hours=24)
FIRST_RETRY, LAST_RETRY = 0.2, 300.0  # seconds
UNKNOWN_TRIES, UNKNOWN_PAUSE = 3, 1.0  # a 404 may only mean that the peer has not committed yet
BUSY_TRIES = 5  # 409s in a row before one counts as 404
RETRY = frozenset({409, 425, 429})

log = logging.getLogger("saltbridge.deliver")


async def run(world: World) -> None:
    """Serve the outbox until cancelled."""
    free = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        while True:
            await free.acquire()
            free.release()
            letters = await world.store.claim(world.clock.now(), AT_ONCE)
            if not letters:
                await world.store.wait(world.clock.now())
                continue
            for letter in letters:
                await free.acquire()
                tasks.create_task(_serve(world, letter, free))


async def _serve(world: World, letter: Letter, free: asyncio.Semaphore) -> None:
    current: Letter | None = letter
    try:
        while current is not None:
            current = await (_take_turn(world, current) if current.purpose == "turn" else _send(world, current))
            world.changes.tell(letter.process)
    except Exception as error:
        # One of the two places where everything is caught: a broken letter must not stop the others.
        log.exception("letter failed letter=%s process=%s", letter.id, letter.process)
        await _postpone(world, current or letter, f"{type(error).__name__}: {error}")
    finally:
        free.release()


async def _postpone(world: World, letter: Letter, error: str, pause: float | None = None) -> None:
    """Let the letter wait: back-off doubling, until the caller gives up."""
    attempts = letter.attempts + 1
    wait = pause if pause is not None else min(LAST_RETRY, FIRST_RETRY * 2 ** min(attempts - 1, 20))

    async def work(tx: Transaction) -> None:
        later = world.clock.now() + timedelta(seconds=wait)
        tx.replace(replace(letter, attempts=attempts, due=later, last_error=error[:500]))

    await transact(world, work)


# --- our turn ------------------------------------------------------------------------------------


async def _take_turn(world: World, letter: Letter) -> Letter | None:
    async def work(tx: Transaction) -> Letter | None:
        talk = TALKS[letter.process_kind]
        process = await tx.get(talk.record, letter.process)
        if process is None or is_final(talk, process) or process.place.waiting:
            tx.drop(letter.id)  # what is in flight asks again when it is answered
            return None
        move = await talk.decide(world, tx, process)
        if move.due is not None and move.due > world.clock.now() and not move.message:
            tx.replace(replace(letter, due=move.due))
            return None
        tx.drop(letter.id)
        return await _follow(world, tx, talk, process, move)

    return await transact(world, work)


async def _follow(world: World, tx: Transaction, talk: Talk, process: Any, move: Move) -> Letter | None:
    """Do what the decider wants; the letter it leads to is in flight and ours."""
    if move.decision is not None:
        process = replace(process, decision=file(tx, move.decision).id)
    if not move.message:
        if move.waits_for or move.decision is not None:
            waiting = replace(process, waits_for=move.waits_for, why_waiting=move.why) if move.waits_for else process
            tx.put(replace(waiting, changed=world.clock.now()))
            if move.waits_for:
                tx.put(step_here(world, waiting, f"waits for the {move.waits_for}", reason=move.why))
        return None
    _, letter = await say(world, tx, talk, process, move)
    if letter.first_attempt is None:
        tx.replace(letter)  # not in flight yet: free it to wait for its time
        return None
    return letter


# --- sending -------------------------------------------------------------------------------------


async def _send(world: World, letter: Letter) -> Letter | None:
    talk = TALKS[letter.process_kind]
    ready = await _ready(world, talk, letter)
    if ready is None:
        return None
    letter, process, origins = ready
    try:
        answer = await world.courier.post(process.address, letter.path, _body(world, letter, process), process.peer, origins)
    except Refused as error:  # our own guard: this address may not be called
        return await _refused(world, talk, letter, "peer.address", error.reasons())
    except PeerUnreachable as error:
        return await _again(world, talk, letter, error.what)
    return await _read(world, talk, letter, process, origins, answer)


async def _ready(world: World, talk: Talk, letter: Letter) -> tuple[Letter, Any, tuple[str, ...]] | None:
    """Mark a first attempt as in flight; None when the conversation has overtaken the letter."""

    async def work(tx: Transaction) -> tuple[Letter, Any, tuple[str, ...]] | None:
        process = await tx.get(talk.record, letter.process)
        if process is None or (letter.first_attempt is not None and not process.place.waiting):
            tx.drop(letter.id)
            return None
        peer = await tx.get(Peer, process.peer)
        caller = await world.identity.caller(process.peer)
        origins = caller.origins if caller else peer.origins if peer else ()
        if letter.first_attempt is not None:
            return letter, process, origins
        now = world.clock.now()
        if process.place.waiting:
            tx.replace(replace(letter, due=now + timedelta(seconds=FIRST_RETRY)))
            return None
        try:
            process = in_flight(talk, process, talk.message(letter.message))
        except Illegal as error:
            tx.drop(letter.id)
            tx.put(step_here(world, process, f"overtaken: {letter.message}", reason=(error.why,)))
            return None
        # the path may have waited for the peer's pid
        begun = replace(letter, first_attempt=now, path=talk.path(process, talk.message(letter.message)))
        process = tx.put(replace(process, changed=now))
        tx.replace(replace(begun, due=now + timedelta(seconds=30)))  # free again if this process dies while sending
        return begun, process, origins

    return await transact(world, work)


def _body(world: World, letter: Letter, process: Any) -> bytes:
    """The stored bytes; a provider's start gets its data address here, so that no token lies in the outbox."""
    if letter.message == T.START and letter.process_kind == "transfer" and process.side == Side.PROVIDER:
        return compose.with_address(letter.body, transfer.start_address(world, process))
    return letter.body.encode()


async def _read(
    world: World, talk: Talk, letter: Letter, process: Any, origins: tuple[str, ...], answer: Answer
) -> Letter | None:
    if 200 <= answer.status < 300:
        return await _settle(world, talk, letter, answer.body)
    code, reason = wire.read_error(answer.body)
    said = f"{answer.status} {code} {'; '.join(reason)}".strip()
    busy = letter.refusals + 1
    if answer.status in RETRY or answer.status >= 500:
        if answer.status != 409 or busy < BUSY_TRIES:
            return await _again(world, talk, replace(letter, refusals=busy if answer.status == 409 else 0), said, answer)
    elif (answer.status == 401 and letter.refusals < 1) or (answer.status == 404 and letter.refusals < UNKNOWN_TRIES):
        pause = 0.0 if answer.status == 401 else UNKNOWN_PAUSE
        await _postpone(world, replace(letter, refusals=busy), said, pause)
        return None
    if await _applied_there(world, talk, letter, process, origins):
        return await _settle(world, talk, letter, b"")
    why = list(reason) or [f"The peer answered {answer.status}, no reason given."]
    return await _refused(world, talk, letter, code or "peer.refused", why)


async def _settle(world: World, talk: Talk, letter: Letter, body: bytes) -> Letter | None:
    """The peer has it: move on, learn its pid, and take our next turn in the same commit."""
    answered = wire.read_ack(body, talk.name) if body else None

    async def work(tx: Transaction) -> tuple[Letter | None, bool]:
        before = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if before is None:
            return None, False
        if is_final(talk, before):  # their last word overtook the answer to ours: it belongs on the timeline all the same
            tx.put(step_out(world, before, letter))
            return None, False
        crossed = before.place.crossed
        here = talk.machine.answered(position(talk, before), accepted=True)
        after = replace(before, place=at(before.place, here, crossed=False), peer_pid=before.peer_pid or _their_pid(before, answered))
        if after.place.state != before.place.state and not after.place.code:
            after = replace(after, place=replace(after.place, by="us"))
        sent = step_out(world, after, letter, after.place.code, after.place.reason if after.place.by == "us" else ())
        kept = await keep(world, tx, talk, before, after, sent)
        if is_final(talk, kept):
            return None, False
        if crossed:
            return None, True
        move = await talk.decide(world, tx, kept)
        return await _follow(world, tx, talk, kept, move), False

    following, crossed = await transact(world, work)
    if crossed:
        await _compare(world, talk, letter.process)
    return following


def _their_pid(process: Any, answered: Any) -> str:
    if answered is None:
        return ""
    return str(answered.provider_pid if process.side == Side.CONSUMER else answered.consumer_pid)


async def _again(world: World, talk: Talk, letter: Letter, said: str, answer: Answer | None = None) -> Letter | None:
    """Passing trouble: wait and try again, for a day."""
    first = letter.first_attempt or world.clock.now()
    if world.clock.now() - first > GIVE_UP:
        return await _refused(world, talk, letter, "peer.unreachable", [f"No success for {GIVE_UP}: {said}"])
    pause = None
    if answer is not None and "retry-after" in answer.headers:
        asked = answer.headers["retry-after"]
        pause = min(LAST_RETRY, float(asked)) if asked.isdigit() else None
    log.info("retry process=%s message=%s attempts=%d said=%s", letter.process, letter.message, letter.attempts + 1, said[:200])
    await _postpone(world, letter, said, pause)
    return None


async def _refused(world: World, talk: Talk, letter: Letter, code: str, reason: list[str]) -> Letter | None:
    """Final: the conversation ends at our end, with the reason; where we gave up the peer is told once, best effort."""
    why = tuple(reason)

    async def work(tx: Transaction) -> Any:
        before = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if before is None or is_final(talk, before):
            return None
        place = replace(
            before.place, state="TERMINATED", sent="", waiting=False, code=code, reason=why, by="us", crossed=False
        )
        after = replace(before, place=place)
        step = step_here(world, after, f"ended: {letter.message} was not delivered", code, why)
        return await keep(world, tx, talk, before, after, step)

    ended = await transact(world, work)
    if ended is not None and code == "peer.unreachable" and ended.peer_pid:
        await _tell_once(world, talk, ended, code, reason)
    return None


async def _tell_once(world: World, talk: Talk, process: Any, code: str, reason: list[str]) -> None:
    kind = talk.message("TransferTerminationMessage" if talk.name == "transfer" else "ContractNegotiationTerminationMessage")
    message = talk.compose(world, process, kind, {"code": code, "reason": reason})
    caller = await world.identity.caller(process.peer)
    try:
        await world.courier.post(
            process.address, talk.path(process, kind), wire.write(message), process.peer, caller.origins if caller else ()
        )
    except SaltbridgeError as error:
        log.info("termination not delivered process=%s why=%s", process.id, error.what)


# --- asking where the peer stands ----------------------------------------------------------------


async def _there(world: World, talk: Talk, process: Any, origins: tuple[str, ...]) -> str:
    """The state at the peer's end, '' when it does not say."""
    if not process.peer_pid:
        return ""
    collection = "transfers" if talk.name == "transfer" else "negotiations"
    try:
        answer = await world.courier.get(process.address, f"/{collection}/{compose.path_id(process.peer_pid)}", process.peer, origins)
    except SaltbridgeError:
        return ""
    read = wire.read_ack(answer.body, talk.name) if 200 <= answer.status < 300 else None
    return str(read.state) if read else ""


async def _applied_there(world: World, talk: Talk, letter: Letter, process: Any, origins: tuple[str, ...]) -> bool:
    """Whether the peer's state shows that our message took effect although it was answered otherwise."""
    state = await _there(world, talk, process, origins)
    if not state or not process.place.state:
        return False
    to = talk.machine.table.get((talk.state(process.place.state), Side(process.side), talk.message(letter.message)))
    return state == to and state != process.place.state


async def _compare(world: World, talk: Talk, pid: str) -> None:
    """After a crossing: read the peer's state and terminate if it differs (the one race no rule can settle)."""
    async with world.store.transaction() as tx:
        process = await tx.get(talk.record, pid)
    if process is None or is_final(talk, process):
        return
    caller = await world.identity.caller(process.peer)
    state = await _there(world, talk, process, caller.origins if caller else ())
    if not state or state == process.place.state:
        await _ask_again(world, talk, pid)
        return
    reason = [f"Our messages crossed: you are {state}, we are {process.place.state}.", "Open a new one."]
    kind = "TransferTerminationMessage" if talk.name == "transfer" else "ContractNegotiationTerminationMessage"
    act = Move(message=kind, content={"code": "state.crossed", "reason": reason})

    async def work(tx: Transaction) -> str:
        differs: Any = await tx.get(talk.record, pid)
        _, letter = await say(world, tx, talk, differs, act)
        return letter.id

    await world.store.release([await transact(world, work)])


async def _ask_again(world: World, talk: Talk, pid: str) -> None:
    async def work(tx: Transaction) -> str | None:
        process = await tx.get(talk.record, pid)
        if process is None:
            return None
        letter = turn(world, talk, process)
        tx.post(letter)
        return letter.id

    letter_id = await transact(world, work)
    if letter_id:
        await world.store.release([letter_id])

