"""Contract agreements; also below the unversioned path that one client asks."""

from __future__ import annotations

from aiohttp import web

from connector.errors import Hidden
from connector.ports import Transaction, World
from connector.records import Agreement

from . import negotiations, query, shapes
from .jsonld import read

BASE = "/management/v3/contractagreements"
ALIAS = "/management/contractagreements"  # tractusx-sdk's agreement controller leaves out the version
INDEX = {"assetId": "dataset"}


def routes(world: World) -> list[web.RouteDef]:
    """`/contractagreements`."""

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, Agreement, asked, query.as_is(shapes.agreement), INDEX))

    async def show(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            return shapes.one(shapes.agreement(await known(tx, request.match_info["id"])))

    async def negotiation(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            found = await known(tx, request.match_info["id"])
            return shapes.one(shapes.negotiation(await negotiations.known(tx, found.negotiation)))

    return [
        route
        for base in (BASE, ALIAS)
        for route in (
            web.post(f"{base}/request", listing),
            web.get(f"{base}/{{id}}", show),
            web.get(f"{base}/{{id}}/negotiation", negotiation),
        )
    ]


async def known(tx: Transaction, id: str) -> Agreement:
    found = await tx.get(Agreement, id)
    if found is None:
        raise Hidden(f"There is no agreement {id}.")
    return found
