"""Asset ids of the operator's own (a customer's part number, a vehicle's number), and who may read them in the registry.

What identifies a battery by law is in its passport and needs no entry here.  An id added here is closed: a rule for its name,
an access policy like an offer's, opens it to those whom the policy admits.
"""

from __future__ import annotations

import re

from connector.errors import Clash, Hidden, Malformed
from connector.exchange.conversation import transact
from connector.operate import names, policies
from connector.operate.all_of import all_of
from connector.ports import Transaction, World
from connector.records import AssetIdRule, Json, Note, SpecificAssetId
from submodels import twin

MOST = 50  # added ids of one battery
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,63}")
_TAKEN = (twin.GLOBAL, twin.PASSPORT, twin.BATTERY, twin.SERIAL, twin.SERIAL_TOO, twin.PART, twin.MAKER, twin.TWIN_TYPE)


async def add(world: World, battery: str, name: str, value: str) -> Json:
    """Give a battery an asset id; `changed` is false when it has it.  Malformed for a name that the passport itself fills."""
    _check_name(name)
    if not value or len(value) > 500 or not value.isprintable():
        raise Malformed("The value of an asset id is 1 to 500 printable characters.", code="input.invalid", where="value")

    async def work(tx: Transaction) -> Json:
        owner = (await names.battery(tx, battery)).id
        new = SpecificAssetId(id=f"{owner}/{name}={value}", battery=owner, name=name, value=value)
        stored = await tx.get(SpecificAssetId, new.id)
        if stored is None:
            if await tx.count(SpecificAssetId, battery=owner) >= MOST:
                raise Clash(f"{owner} has {MOST} asset ids.", next="Remove one first.", code="registry.full")
            tx.put(new)
            tx.note(Note(event="assetid.added", subject=owner, data={"name": name}))
        return _row(new) | {"rule": await _rule(tx, name), "changed": stored is None}

    return await transact(world, work)


async def remove(world: World, battery: str, name: str, value: str = "") -> Json:
    """Take asset ids of a name from a battery: one value, or all; Hidden when there is none."""

    async def work(tx: Transaction) -> Json:
        owner = (await names.battery(tx, battery)).id
        gone = [each for each in await all_of(tx, SpecificAssetId, battery=owner) if each.name == name and value in ("", each.value)]
        if not gone:
            raise Hidden(f"{owner} has no asset id {name}.", "saltbridge registry list")
        for each in gone:
            tx.delete(SpecificAssetId, each.id)
        tx.note(Note(event="assetid.removed", subject=owner, data={"name": name, "count": len(gone)}))
        return {"battery": owner, "name": name, "removed": [each.value for each in gone]}

    return await transact(world, work)


async def open_to(world: World, name: str, policy: str) -> Json:
    """Let whoever a policy admits (a ready name or a PolicyDefinition) read the asset ids of a name; '' closes them again."""
    _check_name(name)

    async def work(tx: Transaction) -> Json:
        stored = await tx.get(AssetIdRule, name)
        if not policy:
            if stored is not None:
                tx.delete(AssetIdRule, name)
                tx.note(Note(event="assetid.closed", subject=name))
            return {"name": name, "visible_to": "", "changed": stored is not None}
        chosen = (await policies.ensure(tx, policy)).id
        changed = stored is None or stored.policy != chosen
        if changed:
            tx.put(AssetIdRule(id=name, version=stored.version if stored else 0, policy=chosen))
            tx.note(Note(event="assetid.opened", subject=name, data={"policy": chosen}))
        return {"name": name, "visible_to": chosen, "changed": changed}

    return await transact(world, work)


async def listing(world: World, battery: str = "") -> Json:
    """The rules, and the added asset ids (of one battery, or the first thousand of all)."""

    async def work(tx: Transaction) -> Json:
        owner = (await names.battery(tx, battery)).id if battery else ""
        found = await all_of(tx, SpecificAssetId, battery=owner) if owner else await tx.find(SpecificAssetId, limit=1000)
        rules = await all_of(tx, AssetIdRule)
        return {
            "ids": [_row(each) for each in found],
            "rules": [{"name": each.id, "visible_to": each.policy} for each in rules],
        }

    return await transact(world, work)


async def _rule(tx: Transaction, name: str) -> str:
    rule = await tx.get(AssetIdRule, name)
    return rule.policy if rule else ""


def _row(each: SpecificAssetId) -> Json:
    return {"battery": each.battery, "name": each.name, "value": each.value}


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Malformed(
            f"{name[:80]!r} cannot name an asset id.", "A letter, then letters, digits and _.:/-.", code="input.invalid", where="name"
        )
    if name in _TAKEN:
        raise Malformed(
            f"{name} is filled from the passport.", "Its element's class says who may read it.", "Choose another name.",
            code="input.invalid", where="name",
        )  # fmt: skip
