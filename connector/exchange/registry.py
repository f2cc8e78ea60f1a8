"""The registry and discovery of digital twins, as one caller may see them (AAS Part 2 v3.1: registry SSP-005, discovery SSP-002).

Registry content obeys the grants (grants.md 10): what is hidden and what is unknown give one answer.

    nobody known       a published battery by an identifier that is public by class; never a list
    a peer             the same, and the datasets that its catalog shows or its agreements name
    a contract holder  the same by a transfer's data token: the dataset of that agreement
    the operator       everything (operator listener only)

A list of batteries is a grant of its own: only an agreement over `metadata/digitalProductPassportId` opens it, for its scope.
An asset id that the operator added is closed until a rule of its name opens it to a caller.  Looking up is one walk of the
store's key index, however many batteries there are.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.errors import Gone, Hidden, Malformed, SaltbridgeError
from connector.ports import Caller, Transaction, World
from connector.records import Agreement, Asset, AssetIdRule, Battery, Grant, Json, Model, PolicyDefinition, SpecificAssetId
from connector.seal import seal, unseal
from submodels import twin
from submodels.grant import AttributeGrant, parse_grant
from submodels.table import PARTS
from submodels.twin import AssetId, Place, Twin

from . import offers, release
from .facts import allowed, gather
from .sight import Sight

MANY = 20  # asset links of one question
SCAN = 1000  # batteries looked at for one page of a question that names none by itself
PUBLIC_API = "/aas/api/v3.1"  # of the dataspace listener
_ITEMS = ("digitalProductPassportId",)
_ALIASES = (twin.GLOBAL, twin.PASSPORT, twin.BATTERY)  # found as any identifier of a battery is
_SERIALS = (twin.SERIAL, twin.SERIAL_TOO)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list, and the cursor of the next part ('' after the last)."""

    items: tuple[Any, ...]
    cursor: str = ""


# --- discovery -----------------------------------------------------------------------------------


async def lookup(world: World, who: Sight, links: Sequence[AssetId], *, limit: int, cursor: str = "") -> Page:
    """Ids of the shells that have all of these asset ids, as far as this caller may read the ids; Malformed for too many links."""
    if len(links) > MANY:
        raise Malformed(f"More than {MANY} asset links.", next="Ask with fewer.", where="/")
    about = _about(who, "lookup", *(f"{len(name)}:{name}={value}" for name, value in sorted(links)))
    found: list[tuple[str, str]] = []
    last, looked = "", 0
    async with world.store.transaction() as tx:
        async for battery in _candidates(world, tx, who, links, _opened(world, about, cursor)):
            names = await _twin(tx, who, battery)
            if names and await _has(world, tx, who, battery, names, links):
                found.append((battery.id, names.shell))
            last, looked = battery.id, looked + 1
            if len(found) > limit or looked == SCAN:
                break
        else:
            last = ""
    return _page(world, about, found, limit, last)


async def links_of(world: World, who: Sight, shell: str) -> Json | None:
    """The asset links of one shell that this caller may read; None when there is no such shell for it."""
    async with world.store.transaction() as tx:
        found = await _by_shell(tx, who, shell)
        if found is None:
            return None
        names = found[1]
        readable = [id for id, _ in await _readable(world, tx, who, names)]
    links = [AssetId(twin.GLOBAL, names.products[0]), *readable]
    return {"links": [{"name": name, "value": value} for name, value in links]}


# --- registry ------------------------------------------------------------------------------------


async def shells(world: World, who: Sight, *, limit: int, cursor: str = "") -> Page:
    """The shell descriptors of the batteries that this caller may list, by id of the battery."""
    about = _about(who, "shells")
    found: list[tuple[str, Json]] = []
    async with world.store.transaction() as tx:
        async for battery in _listed(world, tx, who, _opened(world, about, cursor)):
            names = await _twin(tx, who, battery)
            if names:
                found.append((battery.id, await _descriptor(world, tx, who, battery, names)))
            if len(found) > limit:
                break
    return _page(world, about, found, limit)


def _page(world: World, about: str, found: Sequence[tuple[str, Any]], limit: int, last: str = "") -> Page:
    """What was found up to the limit.  Only a further item that the caller may see makes a cursor: there being none says nothing.

    `last` is where looking ended before its end.
    """
    shown = found[:limit]
    after = shown[-1][0] if len(found) > limit else last
    return Page(tuple(item for _, item in shown), seal(world.secret, about, after) if after else "")


async def shell(world: World, who: Sight, id: str) -> Json | None:
    """The descriptor of one shell by its id; None when there is none for this caller."""
    async with world.store.transaction() as tx:
        found = await _by_shell(tx, who, id)
    if found is None:
        return None
    shown = () if who.operator or who.permit else await _public_parts(world, found[0].id)
    async with world.store.transaction() as tx:
        return await _descriptor(world, tx, who, *found, shown)


async def _public_parts(world: World, battery: str) -> tuple[str, ...]:
    """The parts of which anyone may read something; none of a passport that has ceased."""
    try:
        return tuple((await release.public(world, battery)).parts)
    except (Hidden, Gone):
        return ()


async def submodel(world: World, who: Sight, id: str) -> Json | None:
    """The descriptor of one submodel by its id; None when there is none for this caller."""
    base, _, part = id.rpartition("#")
    described = await shell(world, who, f"{base}#shell") if part in PARTS else None
    found = [each for each in described["submodelDescriptors"] if each["id"] == id] if described else []
    return found[0] if found else None


# --- what is whose -------------------------------------------------------------------------------


async def datasets(world: World, tx: Transaction, who: Sight, battery: Battery) -> list[tuple[Asset, AttributeGrant]]:
    """The view assets over a battery that this caller may know of, with what each grants."""
    found = []
    for scope in (f"battery.{battery.id}", f"model.{battery.model}"):
        after = ""
        while page := await tx.find(Asset, scope=scope, after=after, limit=100):
            after = page[-1].id
            for asset in page:
                if asset.form == "view" and await _known(world, tx, who, asset):
                    grant = await tx.get(Grant, asset.grant)
                    if grant is not None:
                        found.append((asset, parse_grant(grant.content)))
    return found


async def _known(world: World, tx: Transaction, who: Sight, asset: Asset) -> bool:
    if who.operator:
        return bool(asset.definitions) and not asset.withdrawn
    if who.permit:
        return asset.id == who.permit.agreement.dataset
    if who.caller is None:
        return False
    if await offers.seen(world, tx, who.caller, asset):
        return True
    async for agreement in _agreements(world, tx, who, dataset=asset.id):
        return bool(agreement.grant)
    return False


async def _agreements(world: World, tx: Transaction, who: Sight, **keys: str) -> AsyncIterator[Agreement]:
    """The caller's agreements over our passports that are in force as of now."""
    if who.caller is None:
        return
    now, after = world.clock.now(), ""
    theirs = {"peer": who.caller.participant, "side": "provider", "state": "FINALIZED", **keys}
    while page := await tx.find(Agreement, after=after, limit=1000, **theirs):
        after = page[-1].id
        for each in page:
            if each.grant and _in_force(who.caller, each, now):
                yield each


def _in_force(caller: Caller, agreement: Agreement, now: datetime) -> bool:
    if agreement.retired is not None:
        return False
    facts = gather(caller, grant=parse_grant(agreement.grant).digest)
    return allowed(agreement.policy, facts, now, agreement.signed)


async def _twin(tx: Transaction, who: Sight, battery: Battery) -> Twin | None:
    named = await release.named(tx, battery, published=not who.operator)
    return twin.twin(named, battery.aliases) if named else None


async def _by_shell(tx: Transaction, who: Sight, shell: str) -> tuple[Battery, Twin] | None:
    battery = await release.find_battery(tx, name) if (name := twin.named_by_shell(shell)) else None
    names = await _twin(tx, who, battery) if battery else None
    return (battery, names) if battery and names and names.shell == shell else None


async def _readable(world: World, tx: Transaction, who: Sight, names: Twin) -> list[tuple[AssetId, str]]:
    """The asset ids that this caller may read, each with who may: anyone, or the caller itself (never another's name)."""
    reader = who.caller.participant if who.caller else world.me.id if who.operator else twin.PUBLIC_READABLE
    added = [
        (AssetId(own.name, own.value), reader)
        for own in await tx.find(SpecificAssetId, battery=names.battery, limit=100)
        if await _opened_to(world, tx, who, own.name)
    ]
    return [*((id, twin.PUBLIC_READABLE) for id in names.ids), *added]


async def _opened_to(world: World, tx: Transaction, who: Sight, name: str) -> bool:
    """Whether a rule of the operator opens ids of this name to the caller; without a rule nobody but the operator."""
    if who.operator:
        return True
    rule = await tx.get(AssetIdRule, name)
    policy = await tx.get(PolicyDefinition, rule.policy) if rule else None
    return policy is not None and allowed(policy.policy, who.facts, world.clock.now())


async def _has(world: World, tx: Transaction, who: Sight, battery: Battery, names: Twin, links: Sequence[AssetId]) -> bool:
    if not links:
        return True
    said = {*(AssetId(twin.GLOBAL, each) for each in names.products), *(id for id, _ in await _readable(world, tx, who, names))}
    for each in {_plain(link) for link in links} - said:
        if each.name != twin.GLOBAL or not names.named or await _linked(world, tx, each.value) != battery.id:
            return False
    return True


async def _linked(world: World, tx: Transaction, link: str) -> str:
    """The battery that an identification link means: the product's numbers on another host, an address of this node."""
    found = await release.find_battery(tx, link, world.me.public_url) if ":" in link else None
    return found.id if found else ""


def _plain(link: AssetId) -> AssetId:
    """A serial number under its other name."""
    return AssetId(twin.SERIAL, link.value) if link.name == twin.SERIAL_TOO else link


async def _descriptor(world: World, tx: Transaction, who: Sight, battery: Battery, names: Twin, shown: Sequence[str] = ()) -> Json:
    """The descriptor of a battery; `shown` are parts whose public view is an endpoint without a contract, behind the others."""
    places: dict[str, list[Place]] = {}
    for asset, grant in await datasets(world, tx, who, battery):
        for part in grant.parts:
            href = f"{world.me.data}/{battery.id}/{part}/$value"
            places.setdefault(part, []).append(Place(href, asset.id, world.me.dsp))
    for part in shown:
        id = base64.urlsafe_b64encode(names.submodel(part).encode()).rstrip(b"=").decode()
        places.setdefault(part, []).append(Place(f"{world.me.public_url}{PUBLIC_API}/submodels/{id}/$value"))
    submodels = [twin.submodel_descriptor(names, part, places[part]) for part in PARTS if part in places]
    return twin.shell_descriptor(names, await _readable(world, tx, who, names), submodels)


# --- walking -------------------------------------------------------------------------------------


async def _candidates(world: World, tx: Transaction, who: Sight, links: Sequence[AssetId], after: str) -> AsyncIterator[Battery]:
    """The batteries that may have these links, by id: from the index of the most telling link, else those that may be listed."""
    for link in links:
        if link.name in _ALIASES:
            known = False
            async for each in _found(tx, after, alias=link.value):
                known = True
                yield each
            meant = None if known or link.name != twin.GLOBAL else await tx.get(Battery, await _linked(world, tx, link.value))
            if meant is not None and meant.id > after:
                yield meant
            return
    for link in links:
        if link.name in _SERIALS:
            async for each in _found(tx, after, serial=link.value):
                yield each
            return
    for link in links:
        if link.name not in (twin.PART, twin.MAKER, twin.TWIN_TYPE):
            async for each in _owned(world, tx, who, link, after):
                yield each
            return
    async for each in _listed(world, tx, who, after):
        yield each


async def _found(tx: Transaction, after: str, **key: str) -> AsyncIterator[Battery]:
    while page := await tx.find(Battery, after=after, limit=100, **key):
        for each in page:
            yield each
        after = page[-1].id


async def _owned(world: World, tx: Transaction, who: Sight, link: AssetId, after: str) -> AsyncIterator[Battery]:
    """Batteries with an asset id that the operator added; none where the caller may not read ids of this name."""
    if not await _opened_to(world, tx, who, link.name):
        return
    # ids of these records begin with the battery's, so that they come in its order
    after = f"{after}/\x7f" if after else ""
    while page := await tx.find(SpecificAssetId, link=f"{link.name}={link.value}", after=after, limit=100):
        for each in page:
            battery = await tx.get(Battery, each.battery)
            if battery:
                yield battery
        after = page[-1].id


async def _listed(world: World, tx: Transaction, who: Sight, after: str) -> AsyncIterator[Battery]:
    """The batteries that this caller may list, by id."""
    if who.operator:
        async for each in _found(tx, after):
            yield each
        return
    scopes = [scope async for scope in _list_scopes(world, tx, who)]
    walks = [_of_scope(tx, scope, after) for scope in dict.fromkeys(scopes)]
    ahead = {number: held for number, walk in enumerate(walks) if (held := await _next(walk))}
    while ahead:
        first = min(ahead.values(), key=lambda held: held.id)
        yield first
        for number in [number for number, held in ahead.items() if held.id == first.id]:
            following = await _next(walks[number])
            if following:
                ahead[number] = following
            else:
                del ahead[number]


async def _next(walk: AsyncIterator[Battery]) -> Battery | None:
    async for each in walk:
        return each
    return None


async def _list_scopes(world: World, tx: Transaction, who: Sight) -> AsyncIterator[str]:
    if who.permit:
        if _grants_items(who.permit.grant):
            yield who.permit.scope
        return
    async for agreement in _agreements(world, tx, who):
        if _grants_items(parse_grant(agreement.grant)):
            yield agreement.scope


def _grants_items(grant: AttributeGrant) -> bool:
    """A list of batteries is what their passports' ids are (decisions.md, *Answers*)."""
    return grant.allows("metadata", _ITEMS)


async def _of_scope(tx: Transaction, scope: str, after: str) -> AsyncIterator[Battery]:
    kind, _, id = scope.partition(".")
    if kind == "battery":
        battery = await tx.get(Battery, id)
        if battery and battery.id > after:
            yield battery
    elif await tx.get(Model, id):
        async for each in _found(tx, after, model=id):
            yield each


# --- cursors -------------------------------------------------------------------------------------


def _about(who: Sight, *question: str) -> str:
    """What a cursor is bound to: the caller and the question."""
    return f"registry/{hashlib.sha256(chr(0).join((who.name, *question)).encode()).hexdigest()}"


def _opened(world: World, about: str, cursor: str) -> str:
    """Where a page ended; a cursor is unreadable, since it may name a battery that this caller may not see."""
    try:
        return unseal(world.secret, about, cursor) if cursor else ""
    except SaltbridgeError as error:
        raise Malformed("This page does not exist.", next="Ask again without a cursor.", where="cursor") from error
