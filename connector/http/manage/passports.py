"""Operator API: passports.  Thin: bytes in, the operator's functions, bytes out."""

from __future__ import annotations

import asyncio

from aiohttp import web

from connector.http.doorway import read_body
from connector.operate import passports, publishing
from connector.ports import World

from .bodies import BASE, answer, flag, raw


def routes(world: World) -> list[web.RouteDef]:
    """`/passports`: import, list, show, publish, replace one part."""

    async def take(request: web.Request) -> web.Response:
        # Unpacking and parsing take their time: other requests go on meanwhile.
        batch = await asyncio.to_thread(passports.read_upload, await read_body(request), request.content_type)
        return answer(await passports.import_batch(world, batch, dry_run=flag(request, "dry_run")))

    async def listing(_: web.Request) -> web.Response:
        return answer(await passports.list_models(world))

    async def show(request: web.Request) -> web.Response:
        query = request.query
        return raw(await passports.show(world, request.match_info["name"], query.get("part", ""), query.get("at", "")))

    async def publish(request: web.Request) -> web.Response:
        return answer(await publishing.publish(world, request.match_info["name"]))

    async def update(request: web.Request) -> web.Response:
        content = await read_body(request)
        return answer(await passports.update(world, request.match_info["name"], request.match_info["part"], content))

    return [
        web.post(f"{BASE}/passports/import", take),
        web.get(f"{BASE}/passports", listing),
        web.get(f"{BASE}/passports/{{name}}", show),
        web.post(f"{BASE}/passports/{{name}}/publish", publish),
        web.put(f"{BASE}/passports/{{name}}/{{part}}", update),
    ]
