"""Operator API: views, their previews and tests, and the offers made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aiohttp import web

from connector.errors import Malformed
from connector.operate import diff, offers, preview, views
from connector.ports import World

from .bodies import BASE, Body, answer, flag, read


class ExpectationsBody(Body):
    must: list[str] = []
    must_not: list[str] = []


class ViewBody(Body):
    """A view of one's own has paths (`part/pointer`) or parts (part key -> pointers); an empty body takes the ready-made one."""

    title: str = ""
    paths: list[str] = []
    parts: dict[str, list[str]] = {}
    documents: list[str] = []
    ceiling: str = ""
    expectations: ExpectationsBody | None = None


class OfferBody(Body):
    view: str
    model: str = ""
    battery: str = ""
    policy: str
    until: str = ""
    visible_to: str = ""
    confirm: Literal["auto", "ask"] = "auto"
    purposes: list[str] = []


def routes(world: World) -> list[web.RouteDef]:
    """`/views` and `/offers`."""

    async def put(request: web.Request) -> web.Response:
        body = await read(request, world, ViewBody)
        expectations = body.expectations.model_dump(exclude_unset=True) if body.expectations is not None else None
        shown = await views.put(
            world,
            request.match_info["name"],
            title=body.title,
            paths=body.paths,
            parts=body.parts,
            documents=body.documents,
            ceiling=body.ceiling,
            expectations=expectations,
        )
        return answer(shown)

    async def listing(_: web.Request) -> web.Response:
        return answer(await views.list_views(world))

    async def show(request: web.Request) -> web.Response:
        return answer(await views.show(world, request.match_info["name"]))

    async def delete(request: web.Request) -> web.Response:
        return answer(await views.delete(world, request.match_info["name"]))

    async def look(request: web.Request) -> web.Response:
        battery = request.query.get("battery", "")
        if not battery:
            raise Malformed("Which battery?", next="Add ?battery=EV-72.000017.", code="input.invalid", where="battery")
        return answer(await preview.preview(world, request.match_info["name"], battery, request.query.get("as", "")))

    async def compare(request: web.Request) -> web.Response:
        asked = {name: request.query.get(name, "") for name in ("before", "after", "policy", "as", "other")}
        if flag(request, "peers"):
            return answer(await diff.over_peers(world, _named(asked, "before"), asked["after"], asked["policy"]))
        if asked["as"]:
            return answer(await diff.of_participants(world, asked["as"], _named(asked, "other")))
        return answer(await diff.of_views(world, _named(asked, "before"), _named(asked, "after")))

    async def test(request: web.Request) -> web.Response:
        return answer(await views.test(world, request.match_info["name"]))

    return [
        web.get(f"{BASE}/views", listing),
        web.put(f"{BASE}/views/{{name}}", put),
        web.get(f"{BASE}/views/{{name}}", show),
        web.delete(f"{BASE}/views/{{name}}", delete),
        web.get(f"{BASE}/views/{{name}}/preview", look),
        web.post(f"{BASE}/views/{{name}}/test", test),
        web.get(f"{BASE}/diff", compare),
        *_offers(world),
    ]


def _named(asked: Mapping[str, str], name: str) -> str:
    if not asked[name]:
        raise Malformed("What is compared with what?", next=f"Send ?{name}=...", code="input.invalid", where=name)
    return asked[name]


def _offers(world: World) -> list[web.RouteDef]:
    async def offer(request: web.Request) -> web.Response:
        body = await read(request, world, OfferBody)
        wish = offers.Wish(**body.model_dump() | {"purposes": tuple(body.purposes)})
        made = await offers.offer(world, wish)
        return answer(made, 201 if made["changed"] else 200)

    async def listing(_: web.Request) -> web.Response:
        return answer(await offers.list_offers(world))

    async def withdraw(request: web.Request) -> web.Response:
        return answer(await offers.withdraw(world, request.match_info["dataset"], request.query.get("policy", "")))

    return [
        web.post(f"{BASE}/offers", offer),
        web.get(f"{BASE}/offers", listing),
        web.delete(f"{BASE}/offers/{{dataset}}", withdraw),
    ]
