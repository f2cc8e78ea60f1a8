"""Operator API: the check of stored passports, where their values come from, and the matrix of the law."""

from __future__ import annotations

from aiohttp import web

from connector.operate import judging
from connector.ports import World

from .bodies import BASE, answer


def routes(world: World) -> list[web.RouteDef]:
    """`/passports/{name}/check`, `/passports/{name}/provenance`, `/matrix`."""

    async def check(request: web.Request) -> web.Response:
        query = request.query
        return answer(await judging.check(world, request.match_info["name"], query.get("category", ""), query.get("date", "")))

    async def provenance(request: web.Request) -> web.Response:
        return answer(await judging.origins(world, request.match_info["name"]))

    async def law(request: web.Request) -> web.Response:
        query = request.query
        name, day = query.get("of", ""), query.get("date", "")
        if name:
            return answer(await judging.matrix_of(world, name, day))
        on = judging.day_of(day) if day else world.clock.now().date()
        return answer(judging.law(query.get("category", "") or "ev", on))

    return [
        web.get(f"{BASE}/passports/{{name}}/check", check),
        web.get(f"{BASE}/passports/{{name}}/provenance", provenance),
        web.get(f"{BASE}/matrix", law),
    ]
