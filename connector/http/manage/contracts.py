"""Operator API: catalogs of peers, negotiations, agreements and transfers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from connector.errors import Hidden
from connector.operate import catalogs, contracts, names, transfers
from connector.operate.shapes import negotiation_json, transfer_json
from connector.ports import World
from connector.records import Json, Negotiation, Transfer

from .bodies import BASE, Body, answer, flag, read


class CatalogBody(Body):
    peer: str
    filter: list[dict[str, Any]] = []
    dataset: str = ""


class NegotiationBody(Body):
    """`offer` narrows the terms (rules only); `as_is` sends it even where it is wider, for the provider to answer.

    `propose` offers one of our datasets instead; `wait` is in seconds.
    """

    peer: str
    dataset: str
    purpose: list[str] = []
    offer: dict[str, Any] | None = None
    as_is: bool = False
    propose: bool = False
    wait: float = 30.0


class AnswerBody(Body):
    """`purpose` and `offer` belong to a counter."""

    reason: str = ""
    purpose: list[str] = []
    offer: dict[str, Any] | None = None
    wait: float = 30.0


class TransferBody(Body):
    agreement: str
    wait: float = 30.0


LONGEST_WAIT = 120.0


def routes(world: World) -> list[web.RouteDef]:
    """`/catalog`, `/negotiations`, `/agreements` and `/transfers`."""

    async def catalog(request: web.Request) -> web.Response:
        body = await read(request, world, CatalogBody)
        async with world.store.transaction() as tx:
            peer = await names.peer(tx, body.peer)
        shown = await catalogs.catalog(world, peer, body.filter)
        if body.dataset:
            shown["datasets"] = [each for each in shown["datasets"] if body.dataset in (each["dataset"], each["view"], each["title"])]
            if not shown["datasets"]:
                raise Hidden(f"{peer.name} shows no dataset {body.dataset[:120]!r} to us.", f"saltbridge catalog {peer.name}")
        return answer(shown)

    return [web.post(f"{BASE}/catalog", catalog), *_negotiations(world), *_answers(world), *_agreements(world), *_transfers(world)]


def _negotiations(world: World) -> list[web.RouteDef]:
    async def open(request: web.Request) -> web.Response:
        body = await read(request, world, NegotiationBody)
        if body.propose:
            process = await contracts.propose(world, body.peer, body.dataset)
        else:
            process = await contracts.open(world, body.peer, body.dataset, purpose=body.purpose, terms=body.offer, as_is=body.as_is)
        return answer(await contracts.concluded(world, process, min(body.wait, LONGEST_WAIT)), 201)

    async def listing(request: web.Request) -> web.Response:
        query = request.query
        shown = await contracts.list_negotiations(
            world, peer=query.get("peer", ""), state=query.get("state", ""), waiting=flag(request, "waiting")
        )
        return answer(shown)

    async def show(request: web.Request) -> web.Response:
        return answer(await contracts.show(world, request.match_info["id"]))

    async def timeline(request: web.Request) -> web.Response:
        return answer(await contracts.timeline(world, request.match_info["id"]))

    return [
        web.post(f"{BASE}/negotiations", open),
        web.get(f"{BASE}/negotiations", listing),
        web.get(f"{BASE}/negotiations/{{id}}", show),
        web.get(f"{BASE}/negotiations/{{id}}/timeline", timeline),
    ]


def _answers(world: World) -> list[web.RouteDef]:
    async def goes_on(process: Negotiation, seconds: float) -> Json:
        """What it came to, when that is soon; a negotiation that we ended ourselves is no refusal."""
        ended = await contracts.settled(world, process.id, min(seconds, LONGEST_WAIT))
        async with world.store.transaction() as tx:
            return negotiation_json(ended, await names.peer_name(tx, ended.peer))

    async def approve(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        return answer(await goes_on(await contracts.approve(world, request.match_info["id"]), body.wait))

    async def accept(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        return answer(await goes_on(await contracts.accept(world, request.match_info["id"]), body.wait))

    async def decline(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        return answer(await goes_on(await contracts.decline(world, request.match_info["id"], body.reason), body.wait))

    async def counter(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        process = await contracts.counter(world, request.match_info["id"], purpose=body.purpose, terms=body.offer)
        return answer(await goes_on(process, body.wait))

    async def terminate(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        said = await contracts.terminate(world, request.match_info["id"], body.reason, dry_run=flag(request, "dry_run"))
        return answer(said)

    return [
        web.post(f"{BASE}/negotiations/{{id}}/approve", approve),
        web.post(f"{BASE}/negotiations/{{id}}/accept", accept),
        web.post(f"{BASE}/negotiations/{{id}}/decline", decline),
        web.post(f"{BASE}/negotiations/{{id}}/counter", counter),
        web.post(f"{BASE}/negotiations/{{id}}/terminate", terminate),
    ]


def _agreements(world: World) -> list[web.RouteDef]:
    async def listing(request: web.Request) -> web.Response:
        return answer(await contracts.list_agreements(world, peer=request.query.get("peer", "")))

    async def show(request: web.Request) -> web.Response:
        return answer(await contracts.show_agreement(world, request.match_info["id"]))

    async def retire(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        said = await contracts.retire(world, request.match_info["id"], body.reason, dry_run=flag(request, "dry_run"))
        return answer(said)

    return [
        web.get(f"{BASE}/agreements", listing),
        web.get(f"{BASE}/agreements/{{id}}", show),
        web.post(f"{BASE}/agreements/{{id}}/retire", retire),
    ]


def _transfers(world: World) -> list[web.RouteDef]:
    async def shown(process: Transfer) -> Json:
        async with world.store.transaction() as tx:
            return transfer_json(process, await names.peer_name(tx, process.peer))

    async def request_one(request: web.Request) -> web.Response:
        body = await read(request, world, TransferBody)
        process = await transfers.request(world, body.agreement)
        return answer(await shown(await transfers.started(world, process, min(body.wait, LONGEST_WAIT))), 201)

    async def listing(request: web.Request) -> web.Response:
        query = request.query
        found = await transfers.list_transfers(
            world, peer=query.get("peer", ""), agreement=query.get("agreement", ""), state=query.get("state", "")
        )
        return answer(found)

    async def show(request: web.Request) -> web.Response:
        return answer(await transfers.show(world, request.match_info["id"]))

    async def timeline(request: web.Request) -> web.Response:
        return answer(await contracts.transfer_timeline(world, request.match_info["id"]))

    async def address(request: web.Request) -> web.Response:
        return answer(await transfers.data_address(world, request.match_info["id"]))

    async def move(request: web.Request) -> web.Response:
        body = await read(request, world, AnswerBody)
        process = await transfers.move(world, request.match_info["id"], request.match_info["verb"], body.reason)
        return answer(await shown(process))

    return [
        web.post(f"{BASE}/transfers", request_one),
        web.get(f"{BASE}/transfers", listing),
        web.get(f"{BASE}/transfers/{{id}}", show),
        web.get(f"{BASE}/transfers/{{id}}/timeline", timeline),
        web.get(f"{BASE}/transfers/{{id}}/dataaddress", address),
        web.post(f"{BASE}/transfers/{{id}}/{{verb:{'|'.join(transfers.VERBS)}}}", move),
    ]
