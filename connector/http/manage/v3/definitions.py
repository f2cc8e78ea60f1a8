"""Contract definitions: which assets x who may see the offer x under which terms."""

from __future__ import annotations

import uuid

from aiohttp import web

from catalog.criteria import parse_criterion
from connector.operate import definitions
from connector.ports import World
from connector.records import ContractDefinition

from . import query, shapes
from .jsonld import Node, read

BASE = "/management/v3/contractdefinitions"
INDEX = {"accessPolicyId": "policy", "contractPolicyId": "policy"}


def routes(world: World) -> list[web.RouteDef]:
    """`/contractdefinitions`."""

    async def create(request: web.Request) -> web.Response:
        made = await definitions.create(world, _wish(await read(request, world)))
        return shapes.id_response(made.id, made.created or world.clock.now())

    async def update(request: web.Request) -> web.Response:
        await definitions.update(world, _wish(await read(request, world), known=True))
        return shapes.nothing()

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, ContractDefinition, asked, query.as_is(shapes.contract_definition), INDEX))

    async def show(request: web.Request) -> web.Response:
        return shapes.one(shapes.contract_definition(await definitions.get(world, request.match_info["id"])))

    async def delete(request: web.Request) -> web.Response:
        await definitions.delete(world, request.match_info["id"])
        return shapes.nothing()

    return [
        web.post(BASE, create),
        web.put(BASE, update),
        web.post(f"{BASE}/request", listing),
        web.get(f"{BASE}/{{id}}", show),
        web.delete(f"{BASE}/{{id}}", delete),
    ]


def _wish(node: Node, *, known: bool = False) -> definitions.Wish:
    if known and not node.id:
        raise node.wrong("@id", "mandatory value is missing")
    selector = tuple(query.criterion_json(each) for each in node.nodes("assetsSelector"))
    for index, each in enumerate(selector):
        parse_criterion(each, f"assetsSelector/{index}")
    return definitions.Wish(
        id=node.id or str(uuid.uuid4()),
        access_policy=node.text("accessPolicyId", needed=True),
        contract_policy=node.text("contractPolicyId", needed=True),
        selector=selector,
    )
