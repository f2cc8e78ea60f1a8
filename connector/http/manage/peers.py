"""Operator API: peers.  Cards are read by the static identity; what may be trusted is decided in `operate.peers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from connector.identity import static
from connector.operate import peers, ping
from connector.ports import World

from .bodies import BASE, Body, answer, flag, read


class PeerBody(Body):
    """`fingerprint` is the card's, compared by a person; `claims` are what we vouch for."""

    card: dict[str, Any]
    fingerprint: str = ""
    name: str = ""
    claims: dict[str, list[str]] | None = None
    data_origins: list[str] | None = None
    confirm_key: bool = False


class LookBody(Body):
    """A card, or where to fetch one."""

    url: str = ""
    card: dict[str, Any] = {}


def routes(world: World, card: Callable[[], Mapping[str, Any]]) -> list[web.RouteDef]:
    """`/peers`; `card` gives our own as it is now."""

    async def listing(_: web.Request) -> web.Response:
        return answer(await peers.list_peers(world))

    async def own(_: web.Request) -> web.Response:
        return answer(peers.own(world, static, card()))

    async def look(request: web.Request) -> web.Response:
        body = await read(request, world, LookBody)
        return answer(await (peers.fetch(world, static, body.url) if body.url else peers.look(world, static, body.card)))

    async def add(request: web.Request) -> web.Response:
        body = await read(request, world, PeerBody)
        claims = None if body.claims is None else {name: tuple(values) for name, values in body.claims.items()}
        origins = None if body.data_origins is None else tuple(body.data_origins)
        wish = peers.Wish(
            card=body.card,
            fingerprint=body.fingerprint,
            name=body.name,
            claims=claims,
            data_origins=origins,
            confirm_key=body.confirm_key,
        )
        added = await peers.add(world, static, wish)
        return answer(added, 201 if added["new"] else 200)

    async def show(request: web.Request) -> web.Response:
        return answer(await peers.show(world, static, request.match_info["name"]))

    async def remove(request: web.Request) -> web.Response:
        return answer(await peers.remove(world, request.match_info["name"], dry_run=flag(request, "dry_run")))

    async def refresh(request: web.Request) -> web.Response:
        return answer(await peers.refresh(world, static, request.match_info["name"]))

    async def knock(request: web.Request) -> web.Response:
        return answer(await ping.ping(world, static, request.match_info["name"]))

    return [
        web.get(f"{BASE}/peers", listing),
        web.get(f"{BASE}/peers/card", own),
        web.post(f"{BASE}/peers/fetch", look),
        web.post(f"{BASE}/peers", add),
        web.get(f"{BASE}/peers/{{name}}", show),
        web.delete(f"{BASE}/peers/{{name}}", remove),
        web.post(f"{BASE}/peers/{{name}}/ping", knock),
        web.post(f"{BASE}/peers/{{name}}/refresh", refresh),
    ]
