"""Policy definitions: ODRL in any JSON-LD spelling, kept as plain rules."""

from __future__ import annotations

import uuid

from aiohttp import web

from connector.errors import Hidden
from connector.operate import policies
from connector.ports import World
from connector.records import Json, PolicyDefinition

from . import query, shapes, terms
from .jsonld import Node, read

BASE = "/management/v3/policydefinitions"


def routes(world: World) -> list[web.RouteDef]:
    """`/policydefinitions`."""

    async def create(request: web.Request) -> web.Response:
        node = await read(request, world)
        id = node.id or str(uuid.uuid4())
        await policies.put(world, id, _rules(node), exists=False)
        return shapes.id_response(id, world.clock.now())

    async def update(request: web.Request) -> web.Response:
        await policies.put(world, request.match_info["id"], _rules(await read(request, world)), exists=True)
        return shapes.nothing()

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, PolicyDefinition, asked, query.as_is(shapes.policy_definition)))

    async def show(request: web.Request) -> web.Response:
        return shapes.one(shapes.policy_definition(await _known(world, request.match_info["id"])))

    async def delete(request: web.Request) -> web.Response:
        await policies.delete(world, request.match_info["id"])
        return shapes.nothing()

    async def validate(request: web.Request) -> web.Response:
        """What would silently never match: our findings as EDC's `errors`."""
        found = await _known(world, request.match_info["id"])
        return shapes.one({"@type": "PolicyValidationResult", "isValid": not found.warnings, "errors": list(found.warnings)})

    return [
        web.post(BASE, create),
        web.post(f"{BASE}/request", listing),
        web.put(f"{BASE}/{{id}}", update),
        web.get(f"{BASE}/{{id}}", show),
        web.delete(f"{BASE}/{{id}}", delete),
        web.post(f"{BASE}/{{id}}/validate", validate),
    ]


def _rules(node: Node) -> Json:
    policy = node.node("policy")
    if policy is None:
        raise node.wrong("policy", "mandatory value is missing")
    return terms.rules(policy)


async def _known(world: World, id: str) -> PolicyDefinition:
    async with world.store.transaction() as tx:
        found = await tx.get(PolicyDefinition, id)
    if found is None:
        raise Hidden(f"There is no policy {id}.")
    return found
