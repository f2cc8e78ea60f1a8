"""Secrets of plain assets' sources.  Their values are written here and never read."""

from __future__ import annotations

from aiohttp import web

from connector.operate import secrets
from connector.ports import World

from . import shapes
from .jsonld import Node, read

BASE = "/management/v3/secrets"


def routes(world: World) -> list[web.RouteDef]:
    """`/secrets`."""

    async def create(request: web.Request) -> web.Response:
        made = await secrets.create(world, *_told(await read(request, world)))
        return shapes.id_response(made.id, made.created)

    async def update(request: web.Request) -> web.Response:
        await secrets.update(world, *_told(await read(request, world)))
        return shapes.nothing()

    async def show(request: web.Request) -> web.Response:
        return shapes.one(shapes.secret(await secrets.get(world, request.match_info["id"])))

    async def delete(request: web.Request) -> web.Response:
        await secrets.delete(world, request.match_info["id"])
        return shapes.nothing()

    return [
        web.post(BASE, create),
        web.put(BASE, update),
        web.get(f"{BASE}/{{id}}", show),
        web.delete(f"{BASE}/{{id}}", delete),
    ]


def _told(node: Node) -> tuple[str, str]:
    return node.id, node.text("value", needed=True)
