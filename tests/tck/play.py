"""All scenarios at once against one real node: a kit with a server of its own for each, real HTTP both ways.

`played` is what the official kit would see.  `settled` goes on from there, for runs that provoke races: both ends must come to
rest in the same state, with nothing half-written behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from catalog.publish import offer_for
from connector.node import Node
from connector.ports import World
from connector.records import Agreement, Negotiation, Step, Transfer
from connector.storage.chain import verify

from . import judge
from .adapters import RULES
from .desk import Desk
from .kit import Failed, Kit, Manner, Target
from .node import DEFINITION, running
from .run import free_run
from .scenarios import ROWS, Row

REST = 20.0  # seconds for both ends to come to rest; a process that takes longer is stuck
LOOK = 0.05


@dataclass(frozen=True)
class Played:
    """How a scenario went."""

    row: Row
    failure: str  # "" passed
    kit: Kit


@dataclass(frozen=True)
class Run:
    """How all of them went, in one go."""

    node: Node
    played: dict[str, Played]
    seconds: float


@contextlib.asynccontextmanager
async def played(
    folder: Path, manner: Manner, *, after: float, prepare: Callable[[Node], None] = lambda node: None,
    callbacks: dict[str, Row] | None = None, forgiving: bool = False,
) -> AsyncIterator[Run]:  # fmt: skip
    """Play all rows side by side against a node whose decider answers `after` seconds late; it still runs in the block.

    `callbacks` is told where each row's kit listens, before anything is said.  A `forgiving` kit is a reasonable peer as soon
    as its scenario is over, won or lost.
    """
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        port = free_run(3)
        desks = [Desk(row) for row in ROWS]
        for desk in desks:
            (callbacks if callbacks is not None else {})[await desk.start()] = desk.row
            stack.push_async_callback(desk.stop)
        environ = {"SALTBRIDGE_STORE__SYNCHRONOUS": "NORMAL"}
        addresses = [desk.address for desk in desks]
        node = await stack.enter_async_context(running(folder, port, addresses, after=after, environ=environ, prepare=prepare))
        for desk in desks:
            stack.callback(desk.close)  # before the node ends: it may wait for an answer of one
        target = _target(node.world, port)
        began = time.perf_counter()
        done = await asyncio.gather(*(_play(Kit(desk.row, desk, target, client, manner), forgiving) for desk in desks))
        yield Run(node, {each.row.id: each for each in done}, time.perf_counter() - began)


def _target(world: World, port: int) -> Target:
    root = f"http://127.0.0.1:{port}"
    return Target(
        id=world.me.id, root=root, base=f"{root}/dsp/2025-1", triggers=f"http://127.0.0.1:{port + 2}",
        offer_of=lambda dataset: str(offer_for(DEFINITION, dataset, RULES)["@id"]),
    )  # fmt: skip


async def _play(kit: Kit, forgiving: bool) -> Played:
    try:
        await kit.play()
    except Failed as error:
        return Played(kit.row, str(error), kit)
    finally:
        kit.desk.forgiving = forgiving
    strange = kit.desk.out_of_turn()
    return Played(kit.row, f"said out of turn: {', '.join(strange)}" if strange else "", kit)


# --- coming to rest ------------------------------------------------------------------------------


async def settled(run: Run) -> dict[str, str]:
    """Wait until all forgiving kits and the node are at rest; what is wrong with each row's process then, "" when nothing is."""
    wrong = await asyncio.gather(*(_settled(run.node.world, each.kit) for each in run.played.values()))
    return dict(zip(run.played, wrong, strict=True))


async def chain_of(run: Run) -> str:
    """Where the audit chain of the whole run breaks, "" when it holds."""
    broken = verify(await run.node.world.store.audit(limit=100_000))
    return str(broken) if broken else ""


async def _settled(world: World, kit: Kit) -> str:
    if kit.row.suite in ("MET", "CAT"):
        return ""
    until = asyncio.get_running_loop().time() + REST
    while True:
        processes = await _processes(world, kit.row)
        busy = [name for process in processes if (name := await _busy(world, process))]
        if processes and not busy:
            break
        if asyncio.get_running_loop().time() > until:
            return f"stuck: {busy or 'no process'}, {processes}"
        await asyncio.sleep(LOOK)
    if len(processes) > 1:
        return f"{len(processes)} processes where one was opened"
    return "; ".join([*await _half_written(world, processes[0]), *await _apart(kit, processes[0]), *kit.desk.broken])


async def _processes(world: World, row: Row) -> list[Any]:
    async with world.store.transaction() as tx:
        return await tx.find(Transfer, agreement=row.subject) if row.is_transfer else await tx.find(Negotiation, dataset=row.subject)


async def _busy(world: World, process: Any) -> str:
    """What still has to happen to the process, "" at rest."""
    async with world.store.transaction() as tx:
        letters = await tx.letters(process.id)
    if letters:
        return f"{letters[0].purpose} {letters[0].message} {letters[0].last_error}"
    place = process.place
    return f"{place}" if place.waiting or place.sent or place.crossed or (process.ending and place.state != "TERMINATED") else ""


async def _half_written(world: World, process: Any) -> list[str]:
    """The record against its timeline and its agreement."""
    wrong = []
    async with world.store.transaction() as tx:
        steps = sorted(await tx.find(Step, process=process.id), key=lambda step: step.id)
        agreement = await tx.get(Agreement, process.agreement.get("@id", "")) if isinstance(process, Negotiation) else None
    state = process.place.state
    if not steps or steps[-1].state != state:
        wrong.append(f"the timeline ends {[(step.message, step.state) for step in steps[-2:]]}, the record is {state}")
    if isinstance(process, Negotiation):
        due = {"TERMINATED": "TERMINATED", "FINALIZED": "FINALIZED"}.get(state, "AGREED") if process.agreement else ""
        if due and (agreement is None or agreement.state != due):
            wrong.append(f"the agreement is {agreement and agreement.state}, the negotiation {state}")
        if not due and state in ("AGREED", "VERIFIED", "FINALIZED"):
            wrong.append(f"{state} without an agreement")
    return wrong


async def _apart(kit: Kit, process: Any) -> list[str]:
    """Both ends' states, each by its own word: ours in the kit, the node's stored and read."""
    ours, state = kit.desk.process, process.place.state
    if ours is None:
        return [f"the node is {state}, the kit has no process"]
    noun = "transfers" if kit.row.is_transfer else "negotiations"
    try:
        read = judge.word(await kit.get(f"{kit.target.base}/{noun}/{process.id}"), "state").removeprefix(judge.DSPACE)
    except (Failed, judge.Invalid) as error:
        return [f"the node is {state} and cannot be read: {error}"]
    return [] if ours.state == state == read else [f"the kit is {ours.state}, the node {state}, read as {read}"]
