"""Operator API: pulls, and what they brought."""

from __future__ import annotations

from aiohttp import web

from connector.errors import Malformed
from connector.http.doorway import TEXT
from connector.operate import leads, pulls, received
from connector.ports import World

from .bodies import BASE, Body, answer, read


class PullBody(Body):
    """`view` is a view's name or a dataset id; with `path` one place is shown and nothing kept.

    `link` is the text of a label's code: it says peer and battery, and the view may be left out where one alone is offered.
    """

    peer: str = ""
    view: str = ""
    battery: str = ""
    link: str = ""
    purpose: list[str] = []
    path: str = ""


def routes(world: World) -> list[web.RouteDef]:
    """`/pull` and `/received`."""

    async def pull(request: web.Request) -> web.Response:
        body = await read(request, world, PullBody)
        wish = pulls.Wish(peer=body.peer, what=body.view, battery=body.battery, purpose=tuple(body.purpose), path=body.path)
        if body.link:
            return answer(await leads.pull_scanned(world, body.link, wish))
        if not body.peer or not body.view:
            raise Malformed("A pull needs a peer and a view, or the link of a label.", code="input.missing")
        return answer(await pulls.pull(world, wish))

    async def listing(request: web.Request) -> web.Response:
        query = request.query
        found = await received.list_received(
            world, agreement=query.get("agreement", ""), battery=query.get("battery", ""), peer=query.get("peer", "")
        )
        return answer(found)

    async def content(request: web.Request) -> web.Response:
        body, media_type = await received.content(world, request.match_info["id"])
        # A document is somebody else's file: it is saved, never shown.
        headers = {**TEXT, "Content-Type": media_type, "Content-Disposition": "attachment"}
        return web.Response(body=body, headers=headers)

    return [
        web.post(f"{BASE}/pull", pull),
        web.get(f"{BASE}/received", listing),
        web.get(f"{BASE}/received/{{id}}/content", content),
    ]
