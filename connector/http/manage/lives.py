"""Operator API: the life of a passport - its history and versions, its label, what becomes of it.  Thin."""

from __future__ import annotations

from aiohttp import web

from connector.operate import endings, history, labels
from connector.ports import World

from .bodies import BASE, Body, answer, flag, read


class StatusBody(Body):
    """`to` is original, re-used, repurposed, remanufactured or waste; `by` the passport of a second life."""

    to: str
    by: str = ""
    why: str = ""


class FollowBody(Body):
    """`by` is a battery of ours, or the address of another operator's passport."""

    by: str
    why: str = ""


class EndBody(Body):
    """`why` is for the operator's history; of a passport that ceases, everyone is told."""

    why: str = ""
    successor: str = ""


def routes(world: World) -> list[web.RouteDef]:
    """Below `/passports/{name}`: history, diff, label, and a POST for each act."""

    async def steps(request: web.Request) -> web.Response:
        return answer(await history.history(world, request.match_info["name"]))

    async def difference(request: web.Request) -> web.Response:
        query = request.query
        return answer(await history.diff(world, request.match_info["name"], query.get("before", ""), query.get("after", "")))

    async def status(request: web.Request) -> web.Response:
        body = await read(request, world, StatusBody)
        return answer(await endings.change_status(world, request.match_info["name"], body.to, body.by, body.why))

    async def follow(request: web.Request) -> web.Response:
        return answer(await endings.follow(world, request.match_info["name"], (await read(request, world, FollowBody)).by))

    async def supersede(request: web.Request) -> web.Response:
        body = await read(request, world, FollowBody)
        name, dry_run = request.match_info["name"], flag(request, "dry_run")
        return answer(await endings.supersede(world, name, body.by, body.why, dry_run=dry_run))

    async def archive(request: web.Request) -> web.Response:
        body = await read(request, world, EndBody)
        return answer(await endings.archive(world, request.match_info["name"], body.why, dry_run=flag(request, "dry_run")))

    async def cease(request: web.Request) -> web.Response:
        body = await read(request, world, EndBody)
        name, dry_run = request.match_info["name"], flag(request, "dry_run")
        return answer(await endings.cease(world, name, body.why, body.successor, dry_run=dry_run))

    async def label(request: web.Request) -> web.Response:
        query = request.query
        try:
            size = float(query.get("size_mm", "") or 0)
        except ValueError:
            size = -1.0
        name, engrave = request.match_info["name"], flag(request, "engrave")
        return answer(await labels.label(world, name, link=query.get("link", ""), size_mm=size, engrave=engrave))

    async def forget(request: web.Request) -> web.Response:
        return answer(await endings.forget(world, request.match_info["name"], dry_run=flag(request, "dry_run")))

    return [
        web.get(f"{BASE}/passports/{{name}}/history", steps),
        web.get(f"{BASE}/passports/{{name}}/diff", difference),
        web.get(f"{BASE}/passports/{{name}}/label", label),
        *(web.post(f"{BASE}/passports/{{name}}/{act.__name__}", act) for act in (status, follow, supersede, archive, cease, forget)),
    ]
