"""Operator API: the registry whole, asset ids and who may read them, and looking things up at peers."""

from __future__ import annotations

from aiohttp import web

from connector.http import registry as pages
from connector.operate import lookups, registry
from connector.ports import World

from .bodies import BASE, Body, answer, read


class AssetIdBody(Body):
    name: str
    value: str


class RuleBody(Body):
    visible_to: str = ""


class LookupBody(Body):
    """`identifier` as a person has it; without a peer all peers are asked."""

    identifier: str
    peer: str = ""


def routes(world: World) -> list[web.RouteDef]:
    """`/registry` and `/lookup`."""

    async def listing(request: web.Request) -> web.Response:
        return answer(await registry.listing(world, request.query.get("battery", "")))

    async def add(request: web.Request) -> web.Response:
        body = await read(request, world, AssetIdBody)
        return answer(await registry.add(world, request.match_info["battery"], body.name, body.value))

    async def remove(request: web.Request) -> web.Response:
        named = request.match_info["battery"], request.match_info["name"]
        return answer(await registry.remove(world, *named, request.query.get("value", "")))

    async def rule(request: web.Request) -> web.Response:
        body = await read(request, world, RuleBody)
        return answer(await registry.open_to(world, request.match_info["name"], body.visible_to))

    async def lookup(request: web.Request) -> web.Response:
        body = await read(request, world, LookupBody)
        return answer(lookups.shown(body.identifier, await lookups.find(world, body.peer, body.identifier)))

    return [
        *pages.routes(world, f"{BASE}/registry"),
        web.get(f"{BASE}/registry/asset-ids", listing),
        web.post(f"{BASE}/registry/asset-ids/{{battery}}", add),
        web.delete(f"{BASE}/registry/asset-ids/{{battery}}/{{name}}", remove),
        web.put(f"{BASE}/registry/rules/{{name}}", rule),
        web.post(f"{BASE}/lookup", lookup),
    ]
