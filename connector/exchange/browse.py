"""The catalog as one caller may see it: datasets, one dataset, the grant behind it.

Each definition's access policy is evaluated once per request; the allowed definitions go into one keyset query.  What
is hidden, unknown or withdrawn gives one answer.  DSP 2025-1, "Catalog Protocol".
"""

from __future__ import annotations

from catalog.dcat import catalog_json, dataset_json
from catalog.query import Query, decode_cursor, encode_cursor, parse_filter
from connector.errors import Hidden, Malformed, SaltbridgeError
from connector.ports import Caller, Transaction, World
from connector.protocol.messages import CatalogRequest
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Asset, ContractDefinition, Grant, Json, PolicyDefinition
from connector.seal import seal, unseal
from policies.errors import Invalid

from . import offers
from .whole import EXTENT, WHOLE

SCAN = 10  # pages of assets looked at for one page of a filtered catalog


async def catalog(world: World, caller: Caller, message: CatalogRequest, cursor: str = "") -> tuple[Json, str, str]:
    """One page of the catalog, the cursors of the next and of the previous page ('' where there is none).

    A keyset only goes on, so there is no previous one.  Malformed for a filter or cursor that is not understood.
    """
    try:
        query = parse_filter(list(message.filter))
        after = decode_cursor(world.secret, caller.participant, query, _opened(world, caller, cursor)) if cursor else ""
    except Invalid as error:
        raise Malformed(error.what, "This catalog filters by EDC QuerySpec.", error.next, where=error.where) from error
    async with world.store.transaction() as tx:
        datasets, last, more = await _page(world, tx, caller, query, after)
    body = catalog_json(
        participant=world.me.id, catalog_id=f"{world.me.id}#catalog", service_id=_service(world),
        service_url=world.me.dsp, datasets=datasets,
    )  # fmt: skip
    return body, _closed(world, caller, encode_cursor(world.secret, caller.participant, query, last)) if more else "", ""


def _closed(world: World, caller: Caller, cursor: str) -> str:
    """Where a page ended may be a dataset that this caller may not see: the cursor is not only bound, but unreadable."""
    return seal(world.secret, f"cursor/{caller.participant}", cursor)


def _opened(world: World, caller: Caller, cursor: str) -> str:
    try:
        return unseal(world.secret, f"cursor/{caller.participant}", cursor)
    except SaltbridgeError:
        return ""  # decode_cursor refuses it like any other that is not ours


async def _page(
    world: World, tx: Transaction, caller: Caller, query: Query, after: str
) -> tuple[list[Json], str, bool]:
    definitions = await allowed_definitions(world, tx, caller)
    size = world.limits.page
    page: list[Json] = []
    for _ in range(SCAN):
        assets = await tx.find_any(Asset, "definition", definitions, after=after, limit=size + 1)
        for asset in assets[:size]:
            after = asset.id
            if not query.matches(asset.id, _properties(asset)):
                continue
            dataset = await _dataset(world, tx, caller, asset)
            if dataset is not None:
                page.append(dataset)
            if len(page) == size:
                return page, after, len(assets) > size or asset.id != assets[-1].id
        if len(assets) <= size:
            return page, after, False
    return page, after, True


async def allowed_definitions(world: World, tx: Transaction, caller: Caller) -> list[str]:
    """Ids of the contract definitions whose access policy lets this caller see their offers."""
    allowed = []
    after = ""
    while definitions := await tx.find(ContractDefinition, after=after):
        after = definitions[-1].id
        for definition in definitions:
            access = await tx.get(PolicyDefinition, definition.access_policy)
            if access is not None and offers.visible(world, caller, access.policy, ""):
                allowed.append(definition.id)
    return allowed


async def dataset(world: World, caller: Caller, dataset_id: str) -> Json:
    """One dataset by id, in its root form; Hidden when unknown, withdrawn or not for this caller."""
    async with world.store.transaction() as tx:
        asset = await tx.get(Asset, dataset_id)
        found = await _dataset(world, tx, caller, asset) if asset else None
    if found is None:
        raise Hidden("No such dataset here.", "Ask for the catalog.")
    return found


async def grant(world: World, caller: Caller, digest: str) -> bytes:
    """The canonical bytes of a grant, to whoever may see a dataset of it (grants.md 8)."""
    async with world.store.transaction() as tx:
        stored = await tx.get(Grant, digest)
        after = ""
        while stored and (assets := await tx.find(Asset, grant=digest, after=after)):
            after = assets[-1].id
            for asset in assets:
                if await offers.seen(world, tx, caller, asset):
                    return stored.content.encode()
    raise Hidden("No such grant here.", "Ask for the catalog.")


async def _dataset(world: World, tx: Transaction, caller: Caller, asset: Asset) -> Json | None:
    standing = [] if asset.withdrawn else await offers.seen(world, tx, caller, asset)
    if not standing:
        return None
    return dataset_json(
        id=asset.id, offers=[found.offer for found in standing], title=asset.title, format=HTTP_PULL,
        service_id=_service(world), service_url=world.me.dsp, properties=_properties(asset),
    )  # fmt: skip


def _properties(asset: Asset) -> Json:
    """What filters and catalogs see of an asset; nothing private, and a plain one says what it is."""
    return {**asset.properties, EXTENT: WHOLE} if asset.form == "plain" else dict(asset.properties)


def _service(world: World) -> str:
    return f"{world.me.id}#dsp"
