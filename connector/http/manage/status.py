"""Operator API: how the node is doing."""

from __future__ import annotations

from aiohttp import web

from connector.operate.status import status
from connector.ports import World

from .bodies import BASE, answer


def routes(world: World) -> list[web.RouteDef]:
    async def show(_: web.Request) -> web.Response:
        return answer(await status(world))

    return [web.get(f"{BASE}/status", show)]
