"""Operator API: policy definitions, and what a participant would be told under one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from connector.errors import Malformed
from connector.http.doorway import read_body
from connector.operate import policies
from connector.ports import World
from connector.protocol.plain import read_json

from .bodies import BASE, Body, answer, read


class ExplainBody(Body):
    """`policy` is a name or ODRL JSON, `offer` the JSON of an offer; `facts` as `{"role": ["recycler"]}`."""

    policy: str | dict[str, Any] = ""
    offer: dict[str, Any] = {}
    participant: str = ""
    facts: dict[str, list[str]] = {}


def routes(world: World) -> list[web.RouteDef]:
    """`/policies`."""

    async def listing(_: web.Request) -> web.Response:
        return answer(await policies.list_policies(world))

    async def show(request: web.Request) -> web.Response:
        return answer(await policies.get(world, request.match_info["id"]))

    async def put(request: web.Request) -> web.Response:
        policy = read_json(await read_body(request), world.limits)
        return answer(await policies.put(world, request.match_info["id"], policy))

    async def delete(request: web.Request) -> web.Response:
        return answer(await policies.delete(world, request.match_info["id"]))

    async def explain(request: web.Request) -> web.Response:
        body = await read(request, world, ExplainBody)
        asked = body.policy or body.offer
        if not asked:
            raise Malformed("Which policy?", next="Send policy (a name or ODRL JSON) or offer.", code="input.invalid", where="policy")
        return answer(await policies.explain(world, asked, participant=body.participant, facts=body.facts))

    return [
        web.get(f"{BASE}/policies", listing),
        web.post(f"{BASE}/policies/explain", explain),
        web.get(f"{BASE}/policies/{{id}}", show),
        web.put(f"{BASE}/policies/{{id}}", put),
        web.delete(f"{BASE}/policies/{{id}}", delete),
    ]
