"""How the node is doing, in one answer: who it is, what it holds, what runs, what waits."""

from __future__ import annotations

from connector.operate import backups
from connector.operate.all_of import all_of
from connector.ports import Transaction, World
from connector.protocol.negotiation import State as NegotiationState
from connector.protocol.transfer import State as TransferState
from connector.records import Agreement, Asset, Battery, Json, Model, Negotiation, Peer, Received, Transfer, View
from connector.text import utc


async def status(world: World) -> Json:
    """Counts by state, the outbox with the age of its oldest letter, and the things that wait for an operator."""
    now = world.clock.now()
    run = await counts(world)
    async with world.store.transaction() as tx:
        held = {kind.kind: await tx.count(kind) for kind in (Model, Battery, View, Asset, Peer, Received)}
        for_you = [process.id for process in await tx.find(Negotiation, waits_for="operator", limit=100)]
        blocked = [peer.name for peer in await tx.find(Peer) if peer.blocked]
        last = await _last_change(tx)
    backup = await backups.last(world)
    return {
        "participant": world.me.id,
        "name": world.me.name,
        "public_url": world.me.public_url,
        "dsp": world.me.dsp,
        "time": utc(now),
        "holds": held,
        "negotiations": _present(run["negotiations"]),
        "agreements": _present(run["agreements"]),
        "transfers": _present(run["transfers"]),
        "outbox": {"letters": run["letters"], "oldest_seconds": run["oldest_seconds"]},
        "waits_for_operator": for_you,
        "blocked_peers": blocked,
        "last_change": last,
        "last_backup": backup.get("at", ""),
    }


async def counts(world: World) -> Json:
    """How many conversations and agreements stand in each state (zeros too), how many letters wait and how long, who waits for whom."""
    now = world.clock.now()
    letters, oldest = await world.store.outbox()
    async with world.store.transaction() as tx:
        return {
            "negotiations": {str(state): await tx.count(Negotiation, state=str(state)) for state in ("OPENING", *NegotiationState)},
            "transfers": {str(state): await tx.count(Transfer, state=str(state)) for state in ("OPENING", *TransferState)},
            "agreements": {state: await tx.count(Agreement, state=state) for state in ("AGREED", "FINALIZED", "TERMINATED")},
            "waiting": await tx.count(Negotiation, waits_for="operator"),
            "blocked": sum(bool(peer.blocked) for peer in await all_of(tx, Peer)),
            "letters": letters,
            "oldest_seconds": max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        }


async def _last_change(tx: Transaction) -> str:
    """When a conversation last moved among those that are not over; '' when none runs."""
    running: list[Negotiation | Transfer] = [
        *[each for state in ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED") for each in await tx.find(Negotiation, state=state)],
        *[each for state in ("REQUESTED", "STARTED", "SUSPENDED") for each in await tx.find(Transfer, state=state)],
    ]
    return utc(max(each.changed for each in running)) if running else ""


def _present(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
