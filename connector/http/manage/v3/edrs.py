"""Endpoint data references: where a started transfer of ours is pulled, with its token."""

from __future__ import annotations

from aiohttp import web

from connector.errors import Hidden
from connector.exchange import transfer
from connector.operate import asking
from connector.ports import Transaction, World
from connector.protocol.vocabulary import BEARER, ENDPOINT_TYPE
from connector.records import Agreement, Json, Transfer

from . import query, shapes
from .jsonld import read

BASE = "/management/v3/edrs"
INDEX = {"agreementId": "agreement"}


def routes(world: World) -> list[web.RouteDef]:
    """`/edrs`."""

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, Transfer, asked, _shown, INDEX, side="consumer", state="STARTED"))

    async def address(request: web.Request) -> web.Response:
        """`auto_refresh`, which some clients send, changes nothing: a token lives as long as its transfer."""
        id = request.match_info["id"]
        async with world.store.transaction() as tx:
            found = await tx.get(Transfer, id)
        if found is None or not asking.held(found):
            raise Hidden(f"There is no endpoint data reference {id}.")
        endpoint, authorization, _ = await transfer.endpoint(world, id)
        shown = {"type": ENDPOINT_TYPE, "endpointType": ENDPOINT_TYPE, "endpoint": endpoint, "authType": BEARER}
        return shapes.one({"@type": "DataAddress", **shown, "authorization": authorization})

    async def forget(request: web.Request) -> web.Response:
        await asking.forget(world, request.match_info["id"])
        return shapes.nothing()

    return [
        web.post(f"{BASE}/request", listing),
        web.get(f"{BASE}/{{id}}/dataaddress", address),
        web.delete(f"{BASE}/{{id}}", forget),
    ]


async def _shown(tx: Transaction, record: Transfer) -> Json | None:
    agreement = await tx.get(Agreement, record.agreement)
    return shapes.edr(record, agreement) if agreement is not None and asking.held(record) else None
