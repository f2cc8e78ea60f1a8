"""Operator API: templates and exports of passports, as files."""

from __future__ import annotations

from aiohttp import web

from connector.http.doorway import TEXT
from connector.operate import exporting
from connector.ports import World

from .bodies import BASE


def routes(world: World) -> list[web.RouteDef]:
    """`/passports/templates/{part}` and `/passports/{name}/export`."""

    async def blank(request: web.Request) -> web.Response:
        return _file(await exporting.blank(world, request.match_info["part"], request.query.get("model", "")))

    async def export(request: web.Request) -> web.Response:
        query = request.query
        asked = {name: query.get(name, "") for name in ("view", "part")}
        return _file(await exporting.export(world, request.match_info["name"], query.get("as", "value"), **asked))

    return [
        web.get(f"{BASE}/passports/templates/{{part}}", blank),
        web.get(f"{BASE}/passports/{{name}}/export", export),
    ]


def _file(found: exporting.File) -> web.Response:
    headers = {**TEXT, "Content-Type": found.media_type, "Content-Disposition": f'attachment; filename="{found.name}"'}
    return web.Response(body=found.content, headers=headers)
