"""The catalog as one caller may see it: datasets, one dataset, the grant behind it.

Each access policy is evaluated at every request; the allowed definitions go into one keyset query.  What is hidden, unknown
or withdrawn gives one answer.  DSP 2025-1, "Catalog Protocol".

Where the store can say that nothing of the catalog was written (`Store.generation`), a page made before is taken again for
whoever is allowed the same definitions: it depends on nothing else.
"""

from __future__ import annotations

import gzip
from collections.abc import Hashable
from dataclasses import dataclass

from catalog.dcat import catalog_json, dataset_json
from catalog.query import Query, decode_cursor, encode_cursor, parse_filter
from connector.errors import Hidden, Malformed, SaltbridgeError
from connector.ports import Caller, Transaction, World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Asset, ContractDefinition, Grant, Json, PolicyDefinition
from connector.seal import seal, unseal
from policies.errors import Invalid
from policies.odrl import operands_of, parse_policy
from policies.operands import GRANT

from . import offers
from .whole import EXTENT, WHOLE

SCAN = 10  # pages of assets looked at for one page of a filtered catalog


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the catalog as an answer's body, packed: so it is kept, so most callers take it."""

    packed: bytes  # gzip
    size: int  # of the body
    last: str  # where it ends
    more: bool

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.packed)


@dataclass(frozen=True, slots=True)
class Doors:
    """The definitions that one access policy opens."""

    access: Json
    definitions: tuple[str, ...]


async def catalog(world: World, caller: Caller, message: CatalogRequest, cursor: str = "") -> tuple[Page, str]:
    """One page of the catalog, and the cursor of the next one ('' after the last).

    A keyset only goes on, so there is no previous one.  Malformed for a filter or cursor that is not understood.
    """
    try:
        query = parse_filter(list(message.filter))
        after = decode_cursor(world.secret, caller.participant, query, _opened(world, caller, cursor)) if cursor else ""
    except Invalid as error:
        raise Malformed(error.what, "This catalog filters by EDC QuerySpec.", error.next, where=error.where) from error
    async with world.store.transaction() as tx:
        page = await _page(world, tx, caller, query, after)
    return page, _closed(world, caller, encode_cursor(world.secret, caller.participant, query, page.last)) if page.more else ""


def _closed(world: World, caller: Caller, cursor: str) -> str:
    """Where a page ended may be a dataset that this caller may not see: the cursor is not only bound, but unreadable."""
    return seal(world.secret, f"cursor/{caller.participant}", cursor)


def _opened(world: World, caller: Caller, cursor: str) -> str:
    try:
        return unseal(world.secret, f"cursor/{caller.participant}", cursor)
    except SaltbridgeError:
        return ""  # decode_cursor refuses it like any other that is not ours


async def _page(world: World, tx: Transaction, caller: Caller, query: Query, after: str) -> Page:
    generation = _generation(world)  # before anything is read: what is kept under it is at least as new
    doors = await _doors(world, tx, generation)
    allowed = [each for each in doors if offers.visible(world, caller, each.access, "")]
    definitions = tuple(sorted(id for each in allowed for id in each.definitions))
    # Who is let in whatever the grant may be is let in with any; a policy that may turn on the grant is asked for each asset.
    if any(_turns_on_the_grant(each.access) for each in doors if each not in allowed):
        return _packed(world, *await _datasets(world, tx, caller, query, after, definitions, None))
    key = (generation, definitions, query, after, world.limits.page)
    kept: Page | None = world.pages.get(key) if generation is not None else None
    if kept is None:
        kept = _packed(world, *await _datasets(world, tx, caller, query, after, definitions, frozenset(definitions)))
        if generation is not None:
            world.pages.hold(key, kept)
    return kept


def _packed(world: World, datasets: list[Json], last: str, more: bool) -> Page:
    document = catalog_json(
        participant=world.me.id, catalog_id=f"{world.me.id}#catalog", service_id=_service(world),
        service_url=world.me.dsp, datasets=datasets,
    )  # fmt: skip
    body = wire.write_document(document)
    return Page(gzip.compress(body, 3, mtime=0), len(body), last, more)


def _generation(world: World) -> Hashable:
    return world.store.generation(Asset, ContractDefinition, PolicyDefinition, Grant)


def _turns_on_the_grant(access: Json) -> bool:
    try:
        return GRANT in operands_of(parse_policy(access))
    except Invalid:
        return False


async def _datasets(
    world: World, tx: Transaction, caller: Caller, query: Query, after: str, definitions: tuple[str, ...], open: frozenset[str] | None
) -> tuple[list[Json], str, bool]:
    """The datasets of a page, where it ends, whether there are more.  `open` says which definitions let the caller in, None: ask."""
    size = world.limits.page
    page: list[Json] = []
    for _ in range(SCAN):
        assets = await tx.find_any(Asset, "definition", definitions, after=after, limit=size + 1)
        for asset in assets[:size]:
            after = asset.id
            if not query.matches(asset.id, _properties(asset)):
                continue
            dataset = await _dataset(world, tx, caller, asset, open)
            if dataset is not None:
                page.append(dataset)
            if len(page) == size:
                return page, after, len(assets) > size or asset.id != assets[-1].id
        if len(assets) <= size:
            return page, after, False
    return page, after, True


async def _doors(world: World, tx: Transaction, generation: Hashable) -> tuple[Doors, ...]:
    """All contract definitions, by the access policy that lets callers see their offers."""
    key = (generation, "doors")
    kept: tuple[Doors, ...] | None = world.pages.get(key) if generation is not None else None
    if kept is not None:
        return kept
    named: dict[str, list[str]] = {}
    after = ""
    while definitions := await tx.find(ContractDefinition, after=after):
        after = definitions[-1].id
        for definition in definitions:
            named.setdefault(definition.access_policy, []).append(definition.id)
    policies = {id: await tx.get(PolicyDefinition, id) for id in named}
    doors = tuple(Doors(policy.policy, tuple(named[id])) for id, policy in policies.items() if policy is not None)
    return doors if generation is None else world.pages.hold(key, doors)


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


async def _dataset(
    world: World, tx: Transaction, caller: Caller, asset: Asset, open: frozenset[str] | None = None
) -> Json | None:
    standing = [] if asset.withdrawn else await offers.seen(world, tx, caller, asset, open)
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
