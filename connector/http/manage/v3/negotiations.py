"""Contract negotiations, as consumer and as provider."""

from __future__ import annotations

from aiohttp import web

from connector.errors import Hidden
from connector.operate import asking
from connector.ports import Transaction, World
from connector.records import Agreement, Json, Negotiation

from . import party, query, shapes, terms
from .jsonld import Node, read

BASE = "/management/v3/contractnegotiations"
INDEX = {"state": "state", "counterPartyId": "peer", "assetId": "dataset"}


def routes(world: World) -> list[web.RouteDef]:
    """`/contractnegotiations`."""

    async def open(request: web.Request) -> web.Response:
        node = await read(request, world)
        offer = _offer(node)
        other = await party.peer(world, node, str(offer.get("assigner") or node.text("providerId")))
        process = await asking.negotiation(world, other, offer)
        return shapes.id_response(process.id, process.opened)

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, Negotiation, asked, query.as_is(shapes.negotiation), INDEX))

    async def show(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            return shapes.one(shapes.negotiation(await known(tx, request.match_info["id"])))

    async def state(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            found = await known(tx, request.match_info["id"])
        return shapes.one({"@type": "NegotiationState", "state": shapes.state(found)})

    async def agreement(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            process = await known(tx, request.match_info["id"])
            found = await tx.get(Agreement, str(process.agreement.get("@id", "")))
        if found is None:
            raise Hidden(f"The negotiation {process.id} has no agreement.", f"It is {shapes.state(process)}.")
        return shapes.one(shapes.agreement(found))

    async def terminate(request: web.Request) -> web.Response:
        await asking.end(world, request.match_info["id"], (await read(request, world)).text("reason"))
        return shapes.nothing()

    return [
        web.post(BASE, open),
        web.post(f"{BASE}/request", listing),
        web.get(f"{BASE}/{{id}}", show),
        web.get(f"{BASE}/{{id}}/state", state),
        web.get(f"{BASE}/{{id}}/agreement", agreement),
        web.post(f"{BASE}/{{id}}/terminate", terminate),
    ]


async def known(tx: Transaction, id: str) -> Negotiation:
    found = await tx.get(Negotiation, id)
    if found is None:
        raise Hidden(f"There is no negotiation {id}.")
    return found


def _offer(node: Node) -> Json:
    policy = node.node("policy")
    if policy is None:
        raise node.wrong("policy", "mandatory value is missing")
    offer = terms.policy(policy)
    for name in ("@id", "target"):
        if not isinstance(offer.get(name), str) or not offer[name]:
            raise policy.wrong(name, "mandatory value is missing")
    return offer
