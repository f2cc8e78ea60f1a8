"""The other side as EDC's clients name it, and what else every request to it carries."""

from __future__ import annotations

from connector.operate import names
from connector.ports import World
from connector.records import Peer

from .jsonld import Node
from .shapes import PROTOCOL


async def peer(world: World, node: Node, id: str = "") -> Peer:
    """The known peer that a request is for; `id` is one that it names elsewhere (an offer's assigner).  Malformed otherwise."""
    protocol = node.text("protocol")
    if protocol not in ("", PROTOCOL):
        raise node.wrong("protocol", f"only {PROTOCOL} is spoken", protocol)
    if "callbackAddresses" in node:
        raise node.wrong("callbackAddresses", "no events are sent from this node: leave them out and ask for the state")
    named = node.text("counterPartyId") or node.text("connectorId") or id
    async with world.store.transaction() as tx:
        found = await names.counter_party(tx, named, node.text("counterPartyAddress"))
    if id and id != found.id:
        raise node.wrong("policy/assigner", f"the assigner is not {found.id}", id)
    return found
