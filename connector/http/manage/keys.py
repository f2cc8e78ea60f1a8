"""Operator API: this node's signing key, its announcement and its rotation."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from connector.operate import keys
from connector.ports import World

from .bodies import BASE, answer


def routes(world: World, ring: keys.Ring, good_for: timedelta) -> list[web.RouteDef]:
    """`/keys`; `good_for` is how long a key should serve."""

    async def show(_: web.Request) -> web.Response:
        return answer(keys.show(world, ring, good_for))

    async def announce(_: web.Request) -> web.Response:
        return answer(await keys.announce(world, ring, good_for))

    async def rotate(_: web.Request) -> web.Response:
        return answer(await keys.rotate(world, ring, good_for))

    return [web.get(f"{BASE}/keys", show), web.post(f"{BASE}/keys/next", announce), web.post(f"{BASE}/keys/rotate", rotate)]
