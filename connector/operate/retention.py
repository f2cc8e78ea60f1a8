"""What a node forgets after a time: finished conversations with their timelines, old decisions, received data that is over.

Evidence stays: agreements and the audit chain.  A negotiation whose agreement still serves stays too.  Everything is read and
deleted page by page, so that a node with a long past answers its peers meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.exchange.conversation import transact
from connector.operate.received import why_over
from connector.ports import R, Transaction, World
from connector.records import Agreement, Decision, Json, Negotiation, Note, Opening, Received, Step, Transfer

PAGE = 100
FOREVER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """For how many days each is kept (`[retention]`); 0 for ever."""

    processes: int = 400
    decisions: int = 400
    received: int = 400


# What is tidied: a name for the count, the kind, the keys it is found by, and whether one of them goes.
Goes = Callable[[World, Transaction, R, datetime], Awaitable[bool]]


async def tidy(world: World, keep: Keep) -> Json:
    """Forget what is older than its days now; how many of each."""
    gone: Counter[str] = Counter()
    before = {name: _before(world, getattr(keep, name)) for name in ("processes", "decisions", "received")}
    if since := before["processes"]:
        for state in ("COMPLETED", "TERMINATED"):
            gone["transfers"] += await _sweep(world, Transfer, since, _process_goes, state=state)
        for state in ("FINALIZED", "TERMINATED"):
            gone["negotiations"] += await _sweep(world, Negotiation, since, _negotiation_goes, state=state)
    if since := before["decisions"]:
        gone["decisions"] += await _sweep(world, Decision, since, _decision_goes)
    if since := before["received"]:
        gone["received"] += await _sweep(world, Received, since, _received_goes)
    if gone["received"]:
        gone["files"] = await world.store.forget_unnamed()
    found = {name: count for name, count in sorted(gone.items()) if count}
    if found:
        await transact(world, lambda tx: _note(tx, world.me.id, found))
    return found


def _before(world: World, days: int) -> datetime | None:
    return world.clock.now() - timedelta(days=days) if days != FOREVER else None


async def _sweep(world: World, kind: type[R], since: datetime, goes: Goes[R], **keys: str) -> int:
    """Walk all records of a kind with these keys; a page is one transaction."""
    gone, after = 0, ""
    while True:
        count, after = await transact(world, lambda tx, after=after: _page(world, tx, kind, since, goes, after, keys))  # type: ignore[misc]
        gone += count
        if not after:
            return gone
        await asyncio.sleep(0)  # peers come first


async def _page(
    world: World, tx: Transaction, kind: type[R], since: datetime, goes: Goes[R], after: str, keys: dict[str, str]
) -> tuple[int, str]:
    """Delete what goes of one page; how many, and where the next page begins ("" after the last)."""
    found = await tx.find(kind, after=after, limit=PAGE, **keys)
    gone = 0
    for record in found:
        if await goes(world, tx, record, since):
            tx.delete(kind, record.id)
            gone += 1
    return gone, found[-1].id if len(found) == PAGE else ""


async def _negotiation_goes(world: World, tx: Transaction, process: Negotiation, since: datetime) -> bool:
    if process.changed >= since:
        return False
    agreement = await tx.get(Agreement, str(process.agreement.get("@id", "")))
    if process.place.state == "FINALIZED" and agreement is not None and not why_over(world, agreement):
        return False
    return await _process_goes(world, tx, process, since)


async def _process_goes(world: World, tx: Transaction, process: Negotiation | Transfer, since: datetime) -> bool:
    """With a process go its timeline, what it was recognised by, and a letter that nobody would answer."""
    if process.changed >= since:
        return False
    while steps := await tx.find(Step, process=process.id):
        for step in steps:
            tx.delete(Step, step.id)
    tx.delete(Opening, f"{process.kind}|{process.peer}|{process.peer_pid}")
    for letter in await tx.letters(process.id):
        tx.drop(letter.id)
    return True


async def _decision_goes(world: World, tx: Transaction, decided: Decision, since: datetime) -> bool:
    return decided.at < since


async def _received_goes(world: World, tx: Transaction, each: Received, since: datetime) -> bool:
    if each.at >= since:
        return False
    agreement = await tx.get(Agreement, each.agreement)
    return agreement is None or bool(why_over(world, agreement))


async def _note(tx: Transaction, subject: str, found: Json) -> None:
    tx.note(Note(event="retention.tidied", subject=subject, data=found))
