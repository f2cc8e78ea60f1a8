"""Contract definitions: which assets, who may see the offer, under which terms; made through the EDC-shaped API.

Which definition selects which asset is worked out when either is written, so that a catalog only looks it up.  Writing
one never opens a restricted view (grants.md 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.contract_definition import parse_selector, selects
from connector.errors import Clash, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.operate import policies
from connector.operate.all_of import all_of
from connector.operate.reading import checked_id, reading
from connector.ports import Transaction, World
from connector.records import Asset, ContractDefinition, Json, Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A contract definition as a client sent it; policies by id or by the name of a ready-made one."""

    id: str
    access_policy: str
    contract_policy: str
    selector: tuple[Json, ...] = ()


async def create(world: World, wish: Wish) -> ContractDefinition:
    """A new definition; Clash when the id is taken or a restricted view would stand open, Malformed for unknown policies."""

    async def work(tx: Transaction) -> ContractDefinition:
        checked_id("The contract definition", wish.id)
        if await tx.get(ContractDefinition, wish.id) is not None:
            raise Clash(f"There is a contract definition {wish.id} already.", next="Update it, or choose another id.")
        return await _write(world, tx, wish, None)

    return await _settled(world, await transact(world, work))


async def update(world: World, wish: Wish) -> ContractDefinition:
    """Replace a definition; Hidden when there is none."""

    async def work(tx: Transaction) -> ContractDefinition:
        return await _write(world, tx, wish, await _known(tx, wish.id))

    return await _settled(world, await transact(world, work))


async def delete(world: World, id: str) -> None:
    """Remove a definition: its offers stand no more, agreements stay; Hidden when there is none."""

    async def work(tx: Transaction) -> None:
        await _known(tx, id)
        tx.delete(ContractDefinition, id)
        for asset in await all_of(tx, Asset, definition=id):
            tx.put(let_go(asset, id))
        tx.note(Note(event="definition.deleted", subject=id, data={}))

    await transact(world, work)


async def get(world: World, id: str) -> ContractDefinition:
    async with world.store.transaction() as tx:
        return await _known(tx, id)


# --- for whoever writes an asset -----------------------------------------------------------------


async def selecting(tx: Transaction, asset: Asset) -> tuple[str, ...]:
    """The ids of the definitions that select an asset, as they stand."""
    with reading("A contract definition"):
        return tuple(each.id for each in await all_of(tx, ContractDefinition) if selects(each, asset))


def let_go(asset: Asset, definition: str) -> Asset:
    """The asset without a definition; a view on offer nowhere is withdrawn, a plain asset stays."""
    left = tuple(id for id in asset.definitions if id != definition)
    return replace(asset, definitions=left, withdrawn=asset.form == "view" and not left)


def names_only(definition: ContractDefinition, dataset: str) -> bool:
    """Whether the definition offers this dataset by name and can offer nothing else."""
    if not definition.selector:
        return definition.assets == (dataset,)
    criteria = parse_selector(definition.selector)
    return not definition.assets and any(one.path == ("id",) and one.operator == "=" and one.right == (dataset,) for one in criteria)


# --- inside --------------------------------------------------------------------------------------


async def _known(tx: Transaction, id: str) -> ContractDefinition:
    found = await tx.get(ContractDefinition, id)
    if found is None:
        raise Hidden(f"There is no contract definition {id}.")
    return found


async def _write(world: World, tx: Transaction, wish: Wish, stored: ContractDefinition | None) -> ContractDefinition:
    for field, name in (("accessPolicyId", wish.access_policy), ("contractPolicyId", wish.contract_policy)):
        await _policy(world, tx, field, name)
    definition = ContractDefinition(
        id=wish.id, version=stored.version if stored else 0, access_policy=wish.access_policy, contract_policy=wish.contract_policy,
        selector=wish.selector, confirm=stored.confirm if stored else "auto", created=stored.created if stored else world.clock.now(),
    )  # fmt: skip
    if definition == stored:
        return stored
    written = tx.put(definition)
    selected = await _materialise(tx, written)
    await policies.guard_pair(tx, written, world.clock.now())
    data = {"access_policy": wish.access_policy, "contract_policy": wish.contract_policy, "assets": selected}
    tx.note(Note(event="definition.changed", subject=wish.id, data=data))
    return written


async def _settled(world: World, written: ContractDefinition) -> ContractDefinition:
    """Look again once it is committed: an asset that was written at the same moment did not see it, and it not the asset."""

    async def work(tx: Transaction) -> None:
        stored = await tx.get(ContractDefinition, written.id)
        if stored is not None and await _materialise(tx, stored):
            await policies.guard_pair(tx, stored, world.clock.now())

    await transact(world, work)
    return written


async def _policy(world: World, tx: Transaction, field: str, name: str) -> None:
    try:
        await policies.ensure(tx, name, created=world.clock.now())
    except Hidden as unknown:
        raise Malformed(unknown.what, next=unknown.next, code="policy.missing", where=field) from unknown


async def _materialise(tx: Transaction, definition: ContractDefinition) -> int:
    """Bring every asset in step with the definition; how many it selects now."""
    selected = 0
    for asset in await _touched(tx, definition):
        chosen = not asset.withdrawn and selects(definition, asset)
        selected += chosen
        if chosen == (definition.id in asset.definitions):
            continue
        both = tuple(sorted({*asset.definitions, definition.id}))
        tx.put(replace(asset, definitions=both) if chosen else let_go(asset, definition.id))
    return selected


async def _touched(tx: Transaction, definition: ContractDefinition) -> Sequence[Asset]:
    """Every asset that the definition selects or did select: only the named ones, where ids are named."""
    with reading("The assetsSelector"):
        criteria = parse_selector(definition.selector)
    found = {asset.id: asset for asset in await all_of(tx, Asset, definition=definition.id)}
    named = [id for one in criteria if one.path == ("id",) and one.operator in ("=", "in") for id in one.right]
    if named:
        reached = [await tx.get(Asset, id) for id in named]
        return list((found | {asset.id: asset for asset in reached if asset is not None}).values())
    return list((found | {asset.id: asset for asset in await all_of(tx, Asset, form="plain")}).values())
