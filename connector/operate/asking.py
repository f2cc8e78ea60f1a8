"""What EDC-shaped clients ask of other nodes: whole catalogs, and negotiations opened with an offer they hold.

They bring an offer as a catalog showed it; what a view's grant says is fetched and checked all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from catalog.asset import split_view_asset_id
from connector.errors import Clash, Hidden, Malformed
from connector.exchange import negotiate
from connector.exchange.conversation import transact
from connector.operate import catalogs, fit
from connector.operate.shapes import rules
from connector.ports import Move, Transaction, World
from connector.protocol.negotiation import FINAL
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import FINAL as TRANSFER_FINAL
from connector.protocol.transfer import State as S
from connector.records import Json, Negotiation, Note, Peer, Transfer
from policies.odrl import parse_policy, render

ENOUGH = 10_000  # datasets of one answer


async def catalog(world: World, peer: Peer, filter: Sequence[Any] = (), enough: int = ENOUGH) -> Json:
    """A peer's catalog in plain form, its pages joined until `enough` datasets came."""
    whole: Json = {}
    async for page, _ in catalogs.pages(world, peer, filter):
        whole = {**page, **whole, "dataset": [*whole.get("dataset", []), *page["dataset"]]}
        if len(whole["dataset"]) >= enough:
            break
    return whole


async def negotiation(world: World, peer: Peer, offer: Json) -> Negotiation:
    """Open a negotiation with an offer (`@id`, `target`, rules); one without rules is taken as the peer's catalog shows it.

    Raises Hidden when the peer shows no such dataset, Malformed when a grant's bytes do not hash to the dataset's id.
    """
    target = str(offer["target"])
    terms, view, grant = rules(offer), "", ""
    if split_view_asset_id(target) is not None or not terms:
        found = await catalogs.describe(world, peer, catalogs.found(await catalogs.dataset(world, peer, target)))
        grant = await catalogs.grant(world, peer, target)
        view = found.view
        terms = terms or _shown(found, str(offer["@id"]))
    policy = parse_policy(terms)
    asked = {"@id": offer["@id"], "@type": "Offer", "target": target} | render(policy)
    return await negotiate.request(world, peer, asked, grant=grant, view=view, purpose=fit.purposes_of(policy))


async def end(world: World, id: str, reason: str) -> None:
    """Terminate a running negotiation; Hidden when there is none, Clash when it is over (agreements are retired, not ended)."""
    async with world.store.transaction() as tx:
        process = await tx.get(Negotiation, id)
    if process is None:
        raise Hidden(f"There is no negotiation {id}.")
    if process.place.state in FINAL:
        raise Clash(
            f"The negotiation {id} is over.", f"It is {process.place.state}.", "An agreement is retired: saltbridge contract retire"
        )
    content = {"code": "operator.terminated", "reason": [reason or "The operator ended the negotiation."]}
    await negotiate.act(world, id, Move(message=N.TERMINATE, content=content))


async def forget(world: World, id: str) -> None:
    """Drop what a transfer of ours brought: the endpoint and its token.  The transfer goes on; Hidden when there is nothing."""

    async def work(tx: Transaction) -> None:
        process = await tx.get(Transfer, id)
        if process is None or not held(process):
            raise Hidden(f"There is no endpoint data reference {id}.")
        tx.put(replace(process, data_address={}))
        tx.note(Note(event="edr.forgotten", subject=id, data={"agreement": process.agreement}))

    await transact(world, work)


async def clear(world: World, id: str) -> None:
    """Forget what is left of a transfer that is over (EDC calls it deprovisioning); Hidden for none, Clash for a running one."""

    async def work(tx: Transaction) -> None:
        process = await tx.get(Transfer, id)
        if process is None:
            raise Hidden(f"There is no transfer {id}.")
        if process.place.state not in TRANSFER_FINAL:
            raise Clash(f"The transfer {id} is not over.", f"It is {process.place.state or 'opening'}.", "Terminate it first.")
        if process.data_address:
            tx.put(replace(process, data_address={}))
            tx.note(Note(event="edr.forgotten", subject=id, data={"agreement": process.agreement}))

    await transact(world, work)


def held(process: Transfer) -> bool:
    """Whether a transfer is ours, started, and has brought an address."""
    return process.side == "consumer" and process.place.state == S.STARTED and bool(process.data_address)


def _shown(found: catalogs.Found, id: str) -> Json:
    for offer in found.offers:
        if offer["@id"] == id:
            return rules(offer)
    raise Malformed(
        "The offer has no rules, and the catalog shows none of its id.",
        next="Ask for the catalog again: an offer's id changes with its terms.",
        code="offer.unknown",
        where="policy/@id",
    )
