"""Plain assets: an `HttpData` address that is granted whole and proxied; no attribute grant protects what is in it.

They exist only where the operator allows them ([dataplane] plain_assets).  Secrets of an address are sealed when they
come and given to the source only.  View assets are seen here, and withdrawn; they are made by offering a view.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from catalog.asset import split_view_asset_id
from catalog.criteria import DCT
from connector.errors import Clash, Denied, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.exchange.whole import WHOLE, about
from connector.operate import definitions, offers
from connector.operate.all_of import all_of
from connector.ports import Sources, Transaction, World
from connector.records import Agreement, Asset, Json, Note
from connector.seal import seal

VIEW = "SaltbridgeView"  # dataAddress.type of a view asset
LONGEST = 255  # characters of an id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A plain asset as a client sent it; '' as id mints one.  `secrets` are the fields of the address that nobody reads again."""

    id: str = ""
    properties: Json = field(default_factory=dict)
    private_properties: Json = field(default_factory=dict)
    data_address: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


async def create(world: World, wish: Wish) -> Asset:
    """A new plain asset, selected by every definition that selects it.

    Raises Denied where plain assets are not allowed, Clash when the id is taken, Malformed for an address nobody can serve.
    """
    sources = allowed(world)
    id = _checked(wish.id or str(uuid.uuid4()))
    sources.check(wish.data_address, wish.secrets)

    async def work(tx: Transaction) -> Asset:
        if await tx.get(Asset, id) is not None:
            raise Clash(f"There is an asset {id} already.", next="Update it, or choose another id.")
        return await _write(world, tx, replace(wish, id=id), None)

    return await _settled(world, await transact(world, work))


async def update(world: World, wish: Wish) -> Asset:
    """Replace a plain asset, secrets too; running agreements pull from the new address from now on.

    Raises Hidden when there is none, Clash for a view asset.
    """

    async def work(tx: Transaction) -> Asset:
        stored = await _known(tx, wish.id)
        if stored.form != "plain":
            raise Clash(
                f"{wish.id} is a view: its id names its grant, and nothing of it can be changed.",
                next="Offer another view: saltbridge view offer.",
                code="asset.view",
            )
        allowed(world).check(wish.data_address, wish.secrets)
        return await _write(world, tx, wish, stored)

    return await _settled(world, await transact(world, work))


async def delete(world: World, id: str) -> None:
    """Remove a plain asset, or withdraw a view from the catalog.  Clash when agreements over a plain asset are in force."""
    async with world.store.transaction() as tx:
        known = await _known(tx, id)
    if known.form != "plain":
        await offers.withdraw(world, id)
        return

    async def work(tx: Transaction) -> None:
        await _known(tx, id)
        running = [each.id for each in await all_of(tx, Agreement, dataset=id, side="provider") if _in_force(each)]
        if running:
            raise Clash(
                f"The asset {id} is under contract.", f"{len(running)} agreement(s) stand on it.", "Retire them first.", details=running[:5]
            )
        tx.delete(Asset, id)
        tx.note(Note(event="asset.deleted", subject=id, data={}))

    await transact(world, work)


async def get(world: World, id: str) -> Asset:
    async with world.store.transaction() as tx:
        return await _known(tx, id)


def allowed(world: World) -> Sources:
    """The data plane's sources; Denied where the operator has not allowed plain assets."""
    if world.sources is None:
        raise Denied(
            "Plain assets are not allowed at this node.",
            f"A plain asset is a {WHOLE}: who has a contract gets all of it.",
            "Offer a view instead (saltbridge view offer), or set [dataplane] plain_assets = true and start again.",
            code="asset.plain",
        )
    return world.sources


def shown_address(asset: Asset) -> Json:
    """The data address as it may be seen: no secret, only the names of those that are kept."""
    if asset.form == "view":
        return {"type": VIEW, "scope": asset.scope, "view": asset.view, "grant": asset.grant}
    return dict(asset.data_address)


# --- inside --------------------------------------------------------------------------------------


async def _known(tx: Transaction, id: str) -> Asset:
    found = await tx.get(Asset, id)
    if found is None or found.withdrawn:
        raise Hidden(f"There is no asset {id}.")
    return found


def _checked(id: str) -> str:
    if len(id) > LONGEST or not id.isprintable() or id != id.strip() or split_view_asset_id(id) is not None:
        raise Malformed(
            "This cannot be the id of a plain asset.",
            f"It is printable text of at most {LONGEST} characters, and not of the form that names a view.",
            "Choose another one, or leave it out.",
            code="input.invalid",
            where="@id",
        )
    return id


async def _write(world: World, tx: Transaction, wish: Wish, stored: Asset | None) -> Asset:
    asset = Asset(
        id=wish.id, version=stored.version if stored else 0, form="plain", title=_title(wish), properties=wish.properties,
        private_properties=wish.private_properties, data_address=dict(wish.data_address),
        sealed=seal(world.secret, about(wish.id), json.dumps(dict(wish.secrets))) if wish.secrets else "",
        created=stored.created if stored else world.clock.now(),
    )  # fmt: skip
    asset = replace(asset, definitions=await definitions.selecting(tx, asset))
    tx.note(Note(event="asset.changed", subject=asset.id, data={"form": "plain", "definitions": list(asset.definitions)}))
    return tx.put(asset)


async def _settled(world: World, written: Asset) -> Asset:
    """Look again once it is committed: a definition that was written at the same moment did not see it, and it not the definition."""

    async def work(tx: Transaction) -> Asset:
        stored = await tx.get(Asset, written.id)
        if stored is None or stored.form != "plain":
            return written
        selected = await definitions.selecting(tx, stored)
        return stored if selected == stored.definitions else tx.put(replace(stored, definitions=selected))

    return await transact(world, work)


def _title(wish: Wish) -> str:
    for name in (f"{DCT}title", "name"):
        held = wish.properties.get(name)
        text = held.get("@value", "") if isinstance(held, dict) else held
        if isinstance(text, str) and text:
            return text[:200]
    return wish.id


def _in_force(agreement: Agreement) -> bool:
    return agreement.retired is None and agreement.state != "TERMINATED"
