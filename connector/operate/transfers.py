"""Transfers from the operator's chair: list, show, request, and move one along."""

from __future__ import annotations

from dataclasses import replace

from connector.errors import Clash
from connector.exchange import transfer
from connector.operate import names
from connector.operate.shapes import refused, title, transfer_json
from connector.ports import World
from connector.protocol.transfer import FINAL
from connector.protocol.transfer import Message as M
from connector.protocol.transfer import State as S
from connector.records import Agreement, Json, Transfer

PATIENCE = 30.0  # seconds that a request waits for a peer to answer
STUCK = 3  # attempts of one letter after which nobody is kept waiting: it goes on in the background
GLANCE = 0.25  # seconds between two looks when no change is told (the notice is a hint only)

# What an operator may do, the message that does it, and the code that goes with it.
VERBS: dict[str, tuple[M, str]] = {
    "suspend": (M.SUSPEND, "operator.suspended"),
    "resume": (M.START, ""),
    "complete": (M.COMPLETE, ""),
    "terminate": (M.TERMINATE, "operator.terminated"),
}


async def request(world: World, agreement: str) -> Transfer:
    """Ask the provider to start a transfer under an agreement of ours."""
    async with world.store.transaction() as tx:
        found = await names.agreement(tx, agreement)
    return await transfer.request(world, found.id)


async def move(world: World, text: str, verb: str, reason: str = "") -> Transfer:
    """suspend, resume, complete or terminate; Illegal when the protocol does not allow it now."""
    async with world.store.transaction() as tx:
        process = await names.transfer(tx, text)
    if process.place.state in FINAL:
        raise Clash("This transfer is over already.", f"It is {process.place.state}.", f"saltbridge transfer timeline {text}")
    message, code = VERBS[verb]
    return await transfer.act(world, process.id, message, code, (reason or f"The operator chose to {verb}.",) if code else ())


async def settled(world: World, id: str, *states: str, seconds: float = PATIENCE) -> Transfer:
    """The transfer once it is in one of the states, over, or stuck; as it stands when the time is up."""
    until = world.clock.now().timestamp() + seconds
    tried: dict[str, int] = {}  # attempts of each letter before we began to wait
    while True:
        async with world.store.transaction() as tx:
            process = await names.transfer(tx, id)
            letters = await tx.letters(process.id)
        stuck = any(letter.attempts >= max(STUCK, tried.setdefault(letter.id, letter.attempts) + 1) for letter in letters)
        left = until - world.clock.now().timestamp()
        if process.place.state in {*states, *FINAL} or stuck or left <= 0:
            return process
        await world.changes.wait(process.id, min(GLANCE, left))


async def hurry(world: World, process: Transfer) -> Transfer:
    """Try what waits to be sent at once: somebody is there who wants it now."""
    now = world.clock.now()
    async with world.store.transaction() as tx:
        late = [letter for letter in await tx.letters(process.id) if letter.due > now]
        for letter in late:
            tx.replace(replace(letter, due=now))
    await world.store.release([letter.id for letter in late])
    return process


async def started(world: World, process: Transfer, seconds: float = PATIENCE) -> Transfer:
    """Wait for STARTED; PeerRefused when the provider ended it instead."""
    now = await settled(world, process.id, S.STARTED, seconds=seconds)
    if now.place.state == S.TERMINATED:
        async with world.store.transaction() as tx:
            peer = await names.peer_name(tx, now.peer)
            agreement = await tx.get(Agreement, now.agreement)
        named = title(agreement.dataset, agreement.view) if agreement else now.agreement
        raise refused(now, peer, f'your transfer of "{named}"')
    return now


async def list_transfers(world: World, *, peer: str = "", agreement: str = "", state: str = "", limit: int = 200) -> list[Json]:
    """Transfers, the latest change first."""
    async with world.store.transaction() as tx:
        asked = {
            "peer": (await names.peer(tx, peer)).id if peer else "",
            "agreement": (await names.agreement(tx, agreement)).id if agreement else "",
            "state": state.upper(),
        }
        found = await tx.find(Transfer, limit=10_000, **{key: value for key, value in asked.items() if value})
        found = sorted(found, key=lambda each: each.changed, reverse=True)[:limit]
        return [transfer_json(each, await names.peer_name(tx, each.peer)) for each in found]


async def show(world: World, text: str) -> Json:
    """One transfer; the data address without its token."""
    async with world.store.transaction() as tx:
        process = await names.transfer(tx, text)
        shown = transfer_json(process, await names.peer_name(tx, process.peer))
    return shown | {"endpoint": str(process.data_address.get("endpoint", ""))}


async def data_address(world: World, text: str) -> Json:
    """Where a started transfer of ours is pulled, with its token: for the operator's own programs."""
    async with world.store.transaction() as tx:
        process = await names.transfer(tx, text)
    endpoint, authorization, _ = await transfer.endpoint(world, process.id)
    return {"transfer": process.id, "endpoint": endpoint, "authorization": authorization}
