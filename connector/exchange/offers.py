"""Which of our offers an id names, and who may see it.

Dataset and offer ids can be computed by anyone, so not listing them is no protection: every door asks here.  A hidden
offer, an unknown one and one of another definition get the same answer by the same code path.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from catalog.asset import split_view_asset_id
from catalog.publish import guard, offer_for, read_offer_id
from connector.errors import Hidden
from connector.ports import Caller, Transaction, World
from connector.records import Asset, ContractDefinition, Grant, Json, PolicyDefinition
from policies.errors import Invalid
from policies.odrl import Policy, parse_policy
from submodels.audience import beyond_public
from submodels.grant import parse_grant

from .facts import allowed, gather

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """An offer that stands: the asset, the definition it stands under, and the offer as the catalog shows it."""

    asset: Asset
    definition: ContractDefinition
    access: Json  # rules of the access policy
    offer: Json


async def standing(tx: Transaction, definition: ContractDefinition, asset: Asset, world: World) -> Standing | None:
    """The offer of a definition for an asset, or None when either is gone or the pair may not be offered."""
    if asset.withdrawn or definition.id not in asset.definitions or (asset.form == "plain" and world.sources is None):
        return None
    access = await tx.get(PolicyDefinition, definition.access_policy)
    contract = await tx.get(PolicyDefinition, definition.contract_policy)
    if access is None or contract is None:
        return None
    offer = offer_for(definition.id, asset.id, contract.policy, asset.grant)
    if await restricted(tx, asset) and not _guarded(access.policy, offer, world):
        return None
    return Standing(asset, definition, access.policy, offer)


async def restricted(tx: Transaction, asset: Asset) -> bool:
    """Whether the asset may carry anything that the law does not make public; unknown counts as restricted."""
    if asset.form != "view":
        return False
    grant = await tx.get(Grant, asset.grant)
    return grant is None or _beyond_public(grant.content)


@lru_cache(maxsize=256)
def _beyond_public(grant: str) -> bool:
    return bool(beyond_public(parse_grant(grant)))


def _guarded(access: Json, contract: Json, world: World) -> bool:
    try:
        return _unguessable(parse_policy(access), parse_policy(contract))
    except Invalid:
        return False


@lru_cache(maxsize=1024)
def _unguessable(access: Policy, contract: Policy) -> bool:
    """The guard's verdict: a function of the policies alone, whatever the time (a property that tests/catalog holds it to)."""
    return not guard(access, contract, _ANY_TIME)


def visible(world: World, caller: Caller, access: Json, grant: str) -> bool:
    """Whether the access policy lets this caller see the offer; always asked anew, of the facts and the clock as they are."""
    return allowed(access, gather(caller, grant=grant), world.clock.now())


async def find(world: World, tx: Transaction, caller: Caller, offer_id: str) -> Standing:
    """The visible offer of this id as it stands now; Hidden for everything else."""
    named = read_offer_id(offer_id)
    definition = await tx.get(ContractDefinition, named[0]) if named else None
    asset = await tx.get(Asset, named[1]) if named else None
    found = await standing(tx, definition, asset, world) if definition and asset else None
    if found is None or found.offer["@id"] != offer_id or not visible(world, caller, found.access, found.asset.grant):
        raise Hidden("No such offer here.", "Ask for the catalog again: an offer's id changes with its terms.")
    return found


async def seen(
    world: World, tx: Transaction, caller: Caller, asset: Asset, open: frozenset[str] | None = None
) -> list[Standing]:
    """The offers of one asset that this caller may see; `open` names the definitions that let it in, where that is known already."""
    offers = []
    for definition_id in asset.definitions:
        definition = await tx.get(ContractDefinition, definition_id)
        found = await standing(tx, definition, asset, world) if definition else None
        if found and (visible(world, caller, found.access, asset.grant) if open is None else definition_id in open):
            offers.append(found)
    return offers


def scope_of(dataset: str) -> str:
    """The scope in a view asset's id, '' for a plain asset."""
    split = split_view_asset_id(dataset)
    return split[0] if split else ""
