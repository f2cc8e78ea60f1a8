"""The only loop in the product: takes due letters, asks deciders, calls peers, hands their answers to `answers`.

A letter is a turn (ask the decider what we do now), a message to send, or a farewell (the conversation is over here, and the
peer is to know).  Each attempt is: commit that it is in flight, send, commit what the answer means, together with our next
turn.  Nothing is ever sent before it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector import log
from connector.errors import Illegal, PeerUnreachable, Refused, SaltbridgeError, Unavailable
from connector.ports import Transaction, World
from connector.protocol.machine import Side
from connector.protocol.transfer import Message as T
from connector.records import Letter, Peer

from . import answers, compose, negotiate, transfer
from .conversation import Talk, in_flight, is_final, step_here, transact

TALKS: dict[str, Talk] = {"negotiation": negotiate.TALK, "transfer": transfer.TALK}
AT_ONCE = 64  # conversations served side by side
LEASE = timedelta(seconds=30)  # how long a first attempt may take before another process may take it up
STORE_PAUSE = 1.0  # seconds to wait when the store does not serve
SHELVE_PAUSES = (1, 1, 2, 4, 6, 8, 8)  # the same for one letter: as long as its lease lasts



async def run(world: World) -> None:
    """Serve the outbox until cancelled; a store that fails for a while does not end it."""
    free = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        while True:
            await free.acquire()
            free.release()
            try:
                letters = await world.store.claim(world.clock.now(), AT_ONCE)
                if not letters:
                    await world.store.wait(world.clock.now())
            except SaltbridgeError as error:
                log.event("letters.unread", logging.WARNING, why=error)
                await asyncio.sleep(STORE_PAUSE)
                continue
            for letter in letters:
                await free.acquire()
                tasks.create_task(_serve(world, letter, free))


async def _serve(world: World, letter: Letter, free: asyncio.Semaphore) -> None:
    current: Letter | None = letter
    try:
        while current is not None:
            current = await WORK[current.purpose](world, current)
            world.changes.tell(letter.process)
    except Exception as error:  # noqa: BLE001 - one of the two places where everything is caught: a broken letter must not stop the others
        if isinstance(error, Unavailable):  # the store is away; it says itself since when and until when
            log.event("letter.kept", logging.WARNING, letter=letter.id, process=letter.process, why=error)
        else:
            log.failure("letter.failed", error, letter=letter.id, process=letter.process)
        await _shelve(world, current or letter, f"{type(error).__name__}: {error}")
    finally:
        free.release()


async def _shelve(world: World, letter: Letter, error: str) -> None:
    """Try a broken letter again later; where not even that can be stored, its lease ends by itself in the end."""
    for pause in SHELVE_PAUSES:
        try:
            return await answers.postpone(world, letter, error)
        except SaltbridgeError:
            await asyncio.sleep(pause)
    log.event("letter.let-go", logging.WARNING, letter=letter.id, process=letter.process, why=error)
    return None


# --- our turn ------------------------------------------------------------------------------------


async def _take_turn(world: World, letter: Letter) -> Letter | None:
    async def work(tx: Transaction) -> Letter | None:
        talk = TALKS[letter.process_kind]
        process = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if process is None or is_final(talk, process) or process.place.waiting:
            return None  # what is in flight asks again when it is answered
        return await answers.follow(world, tx, talk, process, await answers.wanted(world, tx, talk, process))

    return await transact(world, work)


# --- sending -------------------------------------------------------------------------------------


async def _send(world: World, letter: Letter) -> Letter | None:
    talk = TALKS[letter.process_kind]
    ready = await _ready(world, talk, letter)
    if ready is None:
        return None
    letter, process, origins = ready
    if not process.place.sent:  # a message of theirs has settled it: it arrived, or it is overruled
        return await answers.settle(world, talk, letter, b"", unsent=letter.attempts == 0)
    try:
        answer = await world.courier.post(process.address, letter.path, _body(world, letter, process), process.peer, origins)
    except Refused as error:  # our own guard: this address may not be called
        return await answers.refused(world, talk, letter, "peer.address", error.reasons())
    except PeerUnreachable as error:
        return await answers.again(world, talk, letter, error.what)
    return await answers.read(world, talk, letter, process, origins, answer)


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
            tx.replace(replace(letter, due=now + timedelta(seconds=answers.FIRST_RETRY)))
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
        tx.replace(replace(begun, due=now + LEASE))  # free again if this process dies while sending
        return begun, process, origins

    return await transact(world, work)


def _body(world: World, letter: Letter, process: Any) -> bytes:
    """The stored bytes; a provider's start gets its data address here, so that no token lies in the outbox."""
    if letter.message == T.START and letter.process_kind == "transfer" and process.side == Side.PROVIDER:
        return compose.with_address(letter.body, transfer.start_address(world, process))
    return letter.body.encode()


# --- the last word -------------------------------------------------------------------------------


async def _say_farewell(world: World, letter: Letter) -> None:
    """Tell a peer that a conversation is over here: what may pass is tried again, for a day in all."""
    trouble = await _last_word(world, letter)
    if trouble and world.clock.now() - (letter.first_attempt or letter.posted) <= answers.GIVE_UP:
        await answers.postpone(world, letter, trouble)
        return

    async def work(tx: Transaction) -> None:
        tx.drop(letter.id)

    await transact(world, work)
    if trouble:
        log.event("termination.undelivered", process=letter.process, why=trouble)


async def _last_word(world: World, letter: Letter) -> str:
    """The passing trouble there was; '' when they have heard it, whatever they say to it, or never will."""
    async with world.store.transaction() as tx:
        process = await tx.get(TALKS[letter.process_kind].record, letter.process)
    caller = await world.identity.caller(process.peer) if process else None
    if process is None or caller is None:
        return ""
    try:
        answer = await world.courier.post(process.address, letter.path, letter.body.encode(), process.peer, caller.origins)
    except PeerUnreachable as error:
        return error.what
    except Refused:  # our own guard
        return ""
    return str(answer.status) if answer.status in answers.RETRY or answer.status >= 500 else ""


WORK: dict[str, Callable[[World, Letter], Awaitable[Letter | None]]] = {"turn": _take_turn, "send": _send, "farewell": _say_farewell}
