"""What a peer's answer to our message means: delivered, try again, or over (house.md 4, "How an answer is read").

    2xx                     delivered: we move, and take our next turn in the same commit
    409 425 429 5xx, none   again with back-off, for a day; from the fifth 409 in a row on as 404
    401                     one fresh token, then as 403
    404                     three more tries within 3 s: the peer may not have committed yet
    then, and other 4xx     the peer's state decides: ours took effect there, or the conversation ends here

A message that one of theirs has settled meanwhile (proved, or overruled) is owed nothing any more, whatever the answer.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from connector import log
from connector.errors import PeerUnreachable, SaltbridgeError
from connector.frozen import replace
from connector.ports import Answer, Move, Transaction, World
from connector.protocol import wire
from connector.protocol.machine import Side
from connector.records import Letter, Step

from . import compose
from .conversation import CROSSED, Talk, at, is_final, keep, letter_id, position, say, step_here, step_out, transact, turn
from .facts import file

GIVE_UP = timedelta(hours=24)
FIRST_RETRY, LAST_RETRY = 0.2, 300.0  # seconds
UNKNOWN_TRIES, UNKNOWN_PAUSE = 3, 1.0  # after a 404
BUSY_TRIES = 4  # 409s in a row that are passing trouble
RETRY = frozenset({409, 425, 429})
ELSEWHERE = frozenset({401, 403, 404})  # the peer does not have this conversation, or not with us: it is not told of its end,
# unless it shows us where the conversation stands there: then something on the way said so, and it would wait for us for ever
LOOKS = 3  # at the peer's state: after a crossing its own answer may still be on the way, and a look may fail



async def read(
    world: World, talk: Talk, letter: Letter, process: Any, origins: tuple[str, ...], answer: Answer
) -> Letter | None:
    """Commit what the answer means; returns the letter it leads to, already in flight."""
    if 200 <= answer.status < 300:
        return await settle(world, talk, letter, answer.body)
    code, reason = wire.read_error(answer.body)
    said = f"{answer.status} {code} {'; '.join(reason)}".strip()
    in_row = letter.refusals + 1 if letter.refused_with == answer.status else 1
    counted = replace(letter, refusals=in_row, refused_with=answer.status)
    unknown = in_row - BUSY_TRIES if answer.status == 409 else in_row if answer.status == 404 else UNKNOWN_TRIES + 1
    if (answer.status in RETRY or answer.status >= 500) and not (answer.status == 409 and unknown > 0):
        return await again(world, talk, counted, said, answer)
    if answer.status == 401 and in_row == 1:
        await postpone(world, counted, said, 0.0)
        return None
    if unknown <= UNKNOWN_TRIES:
        await postpone(world, counted, said, UNKNOWN_PAUSE)
        return None
    if code == CROSSED and answer.status == 400:
        return await _overruled(world, talk, letter, list(reason))
    there = await _there(world, talk, process, origins)
    if _applied(talk, letter, process, there):
        return await settle(world, talk, letter, b"")
    why = list(reason) or [f"The peer answered {answer.status}, no reason given."]
    return await refused(world, talk, letter, code or "peer.refused", why, tell=bool(there) or answer.status not in ELSEWHERE)


# --- delivered -----------------------------------------------------------------------------------


async def settle(world: World, talk: Talk, letter: Letter, body: bytes, *, unsent: bool = False) -> Letter | None:
    """The peer has it, or is owed it no more (`unsent`): move on, learn its pid, take our next turn in the same commit."""
    answered = wire.read_ack(body, talk.name) if body else None

    async def work(tx: Transaction) -> tuple[Letter | None, bool]:
        before = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if before is None:
            return None, False
        if is_final(talk, before):  # their last word overtook the answer to ours: it belongs on the timeline all the same
            tx.put(_told(world, before, letter, unsent))
            _rest(tx, before)
            return None, False
        here = talk.machine.answered(position(talk, before), accepted=True)
        after = replace(before, place=at(before.place, here, crossed=False), peer_pid=before.peer_pid or _their_pid(before, answered))
        if after.place.state != before.place.state:
            after = replace(after, place=replace(after.place, by="us"))
        kept = await keep(world, tx, talk, before, after, _told(world, after, letter, unsent))
        if is_final(talk, kept) or before.place.crossed:
            return None, before.place.crossed
        return await follow(world, tx, talk, kept, await wanted(world, tx, talk, kept)), False

    following, crossed = await transact(world, work)
    if crossed:
        await compare(world, talk, letter.process)
    return following


def _rest(tx: Transaction, process: Any) -> None:
    """What is over waits for no answer any more."""
    if process.place.waiting:
        tx.put(replace(process, place=replace(process.place, sent="", waiting=False, crossed=False)))


def _told(world: World, process: Any, letter: Letter, unsent: bool) -> Step:
    """The timeline's line for a message of ours: said, or overtaken before it could be."""
    if unsent:
        return step_here(world, process, f"overtaken: {letter.message}")
    ours = process.place.by == "us"
    return step_out(world, process, letter, process.place.code if ours else "", process.place.reason if ours else ())


def _their_pid(process: Any, answered: Any) -> str:
    if answered is None:
        return ""
    return str(answered.provider_pid if process.side == Side.CONSUMER else answered.consumer_pid)


# --- our next move -------------------------------------------------------------------------------


async def wanted(world: World, tx: Transaction, talk: Talk, process: Any) -> Move:
    """What we do now: end it where an operator said so meanwhile, else what the decider wants."""
    if process.ending:
        return Move(message=ending_of(talk), content=process.ending)
    return await talk.decide(world, tx, process)


async def next_move(world: World, tx: Transaction, talk: Talk, process: Any) -> tuple[str, ...]:
    """Decide what their message leads to in the commit that keeps it; the letter that follows waits until they have our answer.

    One commit instead of two.  It counts as in flight from here on, as what a decider wants always does from its commit on.
    """
    if process.place.waiting:
        return ()  # what is in flight asks again when it is answered
    letter = await follow(world, tx, talk, process, await wanted(world, tx, talk, process))
    return (letter.id,) if letter else ()


async def follow(world: World, tx: Transaction, talk: Talk, process: Any, move: Move) -> Letter | None:
    """Do what is wanted; the letter it leads to is in flight and ours."""
    if move.decision is not None:
        process = replace(process, decision=file(tx, move.decision).id)
    if not move.message:
        await _wait(world, tx, talk, process, move)
        return None
    if getattr(process, "waits_for", ""):
        process = replace(process, waits_for="", why_waiting=())
    _, letter = await say(world, tx, talk, process, move)
    if letter.first_attempt is None:
        tx.replace(letter)  # not in flight yet: free it to wait for its time
        return None
    return letter


async def _wait(world: World, tx: Transaction, talk: Talk, process: Any, move: Move) -> None:
    """Nothing to say now: remember for whom we wait, and look again at `due`."""
    if move.due is not None and move.due > world.clock.now():
        later = replace(turn(world, talk, process), posted=move.due, due=move.due)  # no one waits for it before
        if not any(letter.purpose == "turn" and letter.due == later.due for letter in await tx.letters(process.id)):
            tx.post(later)
    if not move.waits_for:
        if move.decision is not None:
            tx.put(replace(process, changed=world.clock.now()))
        return
    told = process.waits_for == move.waits_for and process.why_waiting == move.why
    waiting = tx.put(replace(process, waits_for=move.waits_for, why_waiting=move.why, changed=world.clock.now()))
    if not told:
        tx.put(step_here(world, waiting, f"waits for the {move.waits_for}", reason=move.why))


def ending_of(talk: Talk) -> str:
    return str(next(kind for kind in talk.message if kind.name == "TERMINATE"))


# --- not delivered -------------------------------------------------------------------------------


async def again(world: World, talk: Talk, letter: Letter, said: str, answer: Answer | None = None) -> Letter | None:
    """Passing trouble: wait and try again, for a day."""
    first = letter.first_attempt or world.clock.now()
    if world.clock.now() - first > GIVE_UP:
        return await refused(world, talk, letter, "peer.unreachable", [f"No success for {GIVE_UP}: {said}"], tell=True)
    if answer is None or answer.status != 409:
        letter = replace(letter, refusals=0, refused_with=0)
    pause = None
    asked = answer.headers.get("retry-after", "") if answer else ""
    if asked.isascii() and asked.isdigit():
        pause = min(LAST_RETRY, max(FIRST_RETRY, float(asked)))
    log.event("letter.retry", process=letter.process, message=letter.message, attempts=letter.attempts + 1, said=said[:200])
    await postpone(world, letter, said, pause)
    return None


async def postpone(world: World, letter: Letter, error: str, pause: float | None = None) -> None:
    """Let the letter wait: back-off doubling, until the caller gives up."""
    attempts = letter.attempts + 1
    wait = pause if pause is not None else min(LAST_RETRY, FIRST_RETRY * 2 ** min(attempts - 1, 20))

    async def work(tx: Transaction) -> None:
        later = world.clock.now() + timedelta(seconds=wait)
        tx.replace(replace(letter, attempts=attempts, due=later, last_error=error[:500]))

    await transact(world, work)


async def refused(
    world: World, talk: Talk, letter: Letter, code: str, reason: list[str], *, tell: bool = False
) -> Letter | None:
    """Final: the conversation ends at our end, with the reason; `tell` writes so to the peer, which may well wait for us.

    A message that theirs overruled meanwhile was rightly refused: nothing ends, the two states are compared.
    """
    why = tuple(reason)

    async def work(tx: Transaction) -> tuple[Letter | None, bool]:
        before = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if before is None:
            return None, False
        if is_final(talk, before):
            tx.put(step_out(world, before, letter, code, why))
            _rest(tx, before)
            return None, False
        if before.place.waiting and not before.place.sent:
            here = talk.machine.answered(position(talk, before), accepted=False)
            overruled = replace(before, place=at(before.place, here, crossed=False))
            await keep(world, tx, talk, before, overruled, step_out(world, overruled, letter, code, why))
            return None, True
        place = replace(
            before.place, state="TERMINATED", sent="", waiting=False, code=code, reason=why, by="us", crossed=False
        )
        after = replace(before, place=place)
        step = step_here(world, after, f"ended: {letter.message} was not delivered", code, why)
        kept = await keep(world, tx, talk, before, after, step)
        if not tell or not kept.peer_pid or letter.message == ending_of(talk):
            return None, False
        last = _farewell(world, talk, kept, letter, reason)
        tx.post(last)
        return last, False

    following, goes_on = await transact(world, work)
    if goes_on:
        await compare(world, talk, letter.process)
    return following


async def _overruled(world: World, talk: Talk, letter: Letter, reason: list[str]) -> Letter | None:
    """Ours met a stronger message of theirs, which they say is coming: we stand where we stood, and wait for it.

    The decider is not asked for our next move: a peer that only pretends must not make us repeat ourselves for ever.
    """

    async def work(tx: Transaction) -> Letter | None:
        before = await tx.get(talk.record, letter.process)
        tx.drop(letter.id)
        if before is None:
            return None
        if is_final(talk, before):
            tx.put(step_out(world, before, letter, CROSSED, tuple(reason)))
            _rest(tx, before)
            return None
        here = talk.machine.answered(position(talk, before), accepted=False)
        after = replace(before, place=at(before.place, here, crossed=False, code="", reason=()))
        kept = await keep(world, tx, talk, before, after, step_out(world, after, letter, CROSSED, tuple(reason)))
        if not kept.ending or letter.message == ending_of(talk):
            return None
        return await follow(world, tx, talk, kept, await wanted(world, tx, talk, kept))

    return await transact(world, work)


def _farewell(world: World, talk: Talk, process: Any, undelivered: Letter, reason: list[str]) -> Letter:
    """Our last word of a conversation that is over here; its day began with what was not delivered."""
    kind = talk.message(ending_of(talk))
    code = "peer.unreachable" if process.place.code == "peer.unreachable" else "message.refused"
    why = [f"Our {undelivered.message} was not delivered, so this {talk.name} is over here.", *reason]
    now = world.clock.now()
    return Letter(
        id=letter_id(), process_kind=talk.name, process=process.id, purpose="farewell", message=str(kind), path=talk.path(process, kind),
        body=wire.write(talk.compose(world, process, kind, {"code": code, "reason": why})).decode(),
        first_attempt=undelivered.first_attempt, posted=now, due=now,
    )  # fmt: skip


# --- asking where the peer stands ----------------------------------------------------------------


async def _there(world: World, talk: Talk, process: Any, origins: tuple[str, ...]) -> str:
    """The state at the peer's end, '' when it does not say.  Much hangs on it, so passing trouble is worth another look."""
    if not process.peer_pid:
        return ""
    path = f"/{'transfers' if talk.name == 'transfer' else 'negotiations'}/{compose.path_id(process.peer_pid)}"
    for look in range(LOOKS):
        if look:
            await asyncio.sleep(FIRST_RETRY)
        try:
            answer = await world.courier.get(process.address, path, process.peer, origins)
        except PeerUnreachable:
            continue
        except SaltbridgeError:
            return ""
        if answer.status < 500 and answer.status not in RETRY:
            read = wire.read_ack(answer.body, talk.name) if 200 <= answer.status < 300 else None
            return str(read.state) if read else ""
    return ""


def _applied(talk: Talk, letter: Letter, process: Any, state: str) -> bool:
    """Whether the peer's state shows that our message took effect although it was answered otherwise."""
    if not state or not process.place.state:
        return False
    to = talk.machine.table.get((talk.state(process.place.state), Side(process.side), talk.message(letter.message)))
    return state == to and state != process.place.state


async def compare(world: World, talk: Talk, pid: str) -> None:
    """After a crossing: read the peer's state, and terminate where it stays another (the one race no rule can settle)."""
    for look in range(LOOKS):
        if look:
            await asyncio.sleep(FIRST_RETRY)
        async with world.store.transaction() as tx:
            process = await tx.get(talk.record, pid)
        if process is None or is_final(talk, process):
            return
        caller = await world.identity.caller(process.peer)
        state = await _there(world, talk, process, caller.origins if caller else ())
        if not state or state == process.place.state:
            break
    else:
        await _part(world, talk, process, state)
        return
    await _ask_again(world, talk, pid)


async def _part(world: World, talk: Talk, seen: Any, theirs: str) -> None:
    """End a conversation whose ends differ; one that moved while we looked has met again by the message that moved it."""

    async def work(tx: Transaction) -> bool:
        process: Any = await tx.get(talk.record, seen.id)
        if process is None or process.place != seen.place:
            return False
        reason = [f"Our messages crossed: you are {theirs}, we are {process.place.state}.", "Open a new one."]
        tx.put(replace(process, ending={"code": CROSSED, "reason": reason}))
        return True

    await transact(world, work)
    await _ask_again(world, talk, seen.id)


async def _ask_again(world: World, talk: Talk, pid: str) -> None:
    async def work(tx: Transaction) -> list[str]:
        process = await tx.get(talk.record, pid)
        if process is None:
            return []
        letter = turn(world, talk, process)
        tx.post(letter)
        return [letter.id]

    await world.store.release(await transact(world, work))
