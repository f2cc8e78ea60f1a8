"""Transfer processes (pull): start, look, and move them along."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from connector.errors import Clash, Denied, Hidden
from connector.exchange import transfer
from connector.operate import asking, transfers
from connector.ports import Transaction, World
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Agreement, Transfer

from . import party, query, shapes
from .jsonld import Node, read

BASE = "/management/v3/transferprocesses"
INDEX = {
    "state": "state", "counterPartyId": "peer", "contractId": "agreement", "contractAgreementId": "agreement",
}  # fmt: skip


def routes(world: World) -> list[web.RouteDef]:
    """`/transferprocesses`."""

    async def open(request: web.Request) -> web.Response:
        node = await read(request, world)
        agreement = await _agreement(world, node)
        try:
            process = await transfer.request(world, agreement.id)
        except Denied as error:  # not in force: the client's conflict, nobody's missing right
            raise Clash(error.what, error.why, error.next, code=error.code) from error
        return shapes.id_response(process.id, process.opened)

    async def listing(request: web.Request) -> web.Response:
        asked = query.read(await read(request, world))
        return shapes.many(await query.find(world, Transfer, asked, _shown, INDEX))

    async def show(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            return shapes.one(await _shown(tx, await known(tx, request.match_info["id"])))

    async def state(request: web.Request) -> web.Response:
        async with world.store.transaction() as tx:
            found = await known(tx, request.match_info["id"])
        return shapes.one({"@type": "TransferState", "state": shapes.state(found)})

    async def move(request: web.Request) -> web.Response:
        reason = (await read(request, world)).text("reason")
        async with world.store.transaction() as tx:
            found = await known(tx, request.match_info["id"])
        await transfers.move(world, found.id, request.match_info["verb"], reason)
        return shapes.nothing()

    async def deprovision(request: web.Request) -> web.Response:
        await asking.clear(world, request.match_info["id"])
        return shapes.nothing()

    return [
        web.post(BASE, open),
        web.post(f"{BASE}/request", listing),
        web.get(f"{BASE}/{{id}}", show),
        web.get(f"{BASE}/{{id}}/state", state),
        web.post(f"{BASE}/{{id}}/{{verb:terminate|suspend|resume}}", move),
        web.post(f"{BASE}/{{id}}/deprovision", deprovision),
    ]


async def known(tx: Transaction, id: str) -> Transfer:
    found = await tx.get(Transfer, id)
    if found is None:
        raise Hidden(f"There is no transfer {id}.")
    return found


async def _agreement(world: World, node: Node) -> Agreement:
    """The agreement of ours that a transfer is asked under; the other side must be its provider."""
    kind = node.text("transferType")
    if kind not in ("", HTTP_PULL):
        raise node.wrong("transferType", f"only {HTTP_PULL} is done", kind)
    id = node.text("contractId", needed=True)
    async with world.store.transaction() as tx:
        found = await tx.get(Agreement, id)
    if found is None or found.side != "consumer":
        raise node.wrong("contractId", "there is no agreement of this id under which we are the consumer", id)
    if any(name in node for name in ("counterPartyAddress", "counterPartyId", "connectorId", "protocol", "callbackAddresses")):
        other = await party.peer(world, node)
        if other.id != found.peer:
            raise node.wrong("counterPartyAddress", f"the agreement is with {found.peer}", other.address)
    return found


async def _shown(tx: Transaction, record: Transfer) -> dict[str, Any]:
    agreement = await tx.get(Agreement, record.agreement)
    return shapes.transfer(record, agreement.dataset if agreement else "")
