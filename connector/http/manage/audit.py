"""Operator API: the audit chain, and why something was decided."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from connector.errors import Malformed
from connector.operate import audit
from connector.ports import World
from connector.storage.chain import verify

from .bodies import BASE, answer, flag


def routes(world: World) -> list[web.RouteDef]:
    """`/audit` and `/decisions`."""

    async def entries(request: web.Request) -> web.Response:
        if last := _number(request, "last", 0):
            return answer(await audit.latest(world, last))
        after, limit = _number(request, "after", 0), _number(request, "limit", 100)
        return answer(await audit.entries(world, after=after, limit=limit, writer=request.query.get("writer", "")))

    async def check(_: web.Request) -> web.Response:
        return answer(await audit.verified(world, partial(verify, all_chains=True)))

    async def decision(request: web.Request) -> web.Response:
        return answer(await audit.explain(world, request.match_info["id"], replay=flag(request, "replay")))

    return [
        web.get(f"{BASE}/audit", entries),
        web.get(f"{BASE}/audit/verify", check),
        web.get(f"{BASE}/decisions/{{id}}", decision),
    ]


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Malformed(f"{name} is a number.", next=f"Send ?{name}={default}.", code="input.invalid", where=name)
    return int(text or default)
