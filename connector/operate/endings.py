"""What becomes of a published passport: another status of the battery, a passport that follows, the archive, the end.

Each step is one transaction: the record, its event, the audit note, offers taken off the catalog, agreements ended.  What links
two passports, of one operator or of two, is an address and never data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, cast

from connector.addresses import origin
from connector.errors import Clash, Hidden, Malformed, SaltbridgeError
from connector.exchange import release, transfer
from connector.exchange.conversation import transact
from connector.operate import lives, names, offers, passports
from connector.operate.all_of import all_of
from connector.operate.lives import Owner
from connector.operate.reading import reading
from connector.operate.shapes import title
from connector.ports import Transaction, World
from connector.records import Agreement, Asset, Battery, Document, Event, Json, Layer, Model, Note, Past, Peer, Used, batch_owner
from connector.text import clean
from submodels.batch import Batch, BatteryIn, LayerIn
from submodels.errors import Invalid
from submodels.identifiers import product_identifier
from submodels.lifecycle import ANSWERED, IN_PLACE, OFFERED, Act, State, stage, stage_change
from submodels.value import Tree, read_json
from submodels.view import Redacted

WHY = 300  # characters of a reason

STAGE = "LifeCycleStage"  # of the nameplate: Annex XIII 4(c)


@dataclass(frozen=True, slots=True)
class Meant:
    """A model, or one battery of it, and where it stands."""

    model: Model
    battery: Battery | None
    state: State

    @property
    def owner(self) -> Owner:
        return self.battery or self.model


async def change_status(world: World, name: str, to: str, by: str = "", why: str = "") -> Json:
    """The battery's own status.  A second life needs a passport of its own, `by`, that is linked to this one; waste does not.

    Raises Clash (`passport.new`) where a new passport is needed and none is named.
    """
    battery = (await _meant(world, name, only_battery=True)).battery
    assert battery is not None  # noqa: S101 - only_battery
    with reading("The status"):
        to = stage(to)
        how = stage_change(_stage_of(await release.operator(world, battery.id)), to)
    if how == IN_PLACE:
        done = await _restage(world, battery, to)
        return {"passport": battery.id, "stage": to, "revision": done["revision"], "changed": done["changed"]}
    if not by:
        raise Clash(
            f"A battery that is {to} gets a new passport.",
            "Whoever places it on the market makes one with an id of its own, linked to this (Art. 77(7)).",
            f"Import and publish it, or ask the operator who did, then: saltbridge passport status {battery.id} {to} --by NEW",
            code="passport.new",
        )
    return await supersede(world, battery.id, by, why or f"the battery is {to}", to=to) | {"stage": to}


async def supersede(world: World, name: str, by: str, why: str, *, to: str = "", dry_run: bool = False) -> Json:
    """Another passport follows this one, `by` a battery of ours or the address of another operator's; linked both ways where both are ours.

    The old one is answered as before, with the new one's address, and no longer offered.
    """
    why = _reason(why)
    old = await _meant(world, name, only_battery=True)
    ours = await _ours(world, by)
    if ours is not None:
        await _check_follows(world, old, ours, to)
    successor = _address(world, ours.owner.id) if ours else await _foreign(world, by)

    async def work(tx: Transaction) -> tuple[Json, list[str]]:
        now = await _again(tx, old)
        told, letters = await _end(world, tx, now, Act.SUPERSEDE, why, successor=successor, dry_run=dry_run)
        if ours is not None and not dry_run:
            new = await _again(tx, ours)
            _follow(tx, world, new, _address(world, now.owner.id))
        return told, letters

    return await _done(world, work)


async def follow(world: World, name: str, predecessor: str) -> Json:
    """Say which passport, of another operator, this one follows: the other half of its `supersede`."""
    new = await _meant(world, name, only_battery=True)
    address = await _foreign(world, predecessor)

    async def work(tx: Transaction) -> Json:
        now = await _again(tx, new)
        changed = _follow(tx, world, now, address)
        return {"passport": now.owner.id, "predecessors": sorted({*now.owner.predecessors, address}), "changed": changed}

    return await transact(world, work)


async def archive(world: World, name: str, why: str, *, dry_run: bool = False) -> Json:
    """No longer offered, still answered; `publish` brings it back."""
    why = _reason(why)
    meant = await _meant(world, name)
    return await _done(world, lambda tx: _ending(world, tx, meant, Act.ARCHIVE, why, dry_run=dry_run))


async def cease(world: World, name: str, why: str, successor: str = "", *, dry_run: bool = False) -> Json:
    """The passport ceases to exist (Art. 77(8)): what is left is a signed statement with when, why and what follows.

    The reason is public.  Agreements over it end with that reason; there is no way back.
    """
    why = _reason(why)
    if not why:
        raise Malformed("Why does it cease?", "Whoever asks for it is told.", "Give --reason.", code="input.missing", where="why")
    meant = await _meant(world, name)
    followed = "" if not successor else _address(world, ours.owner.id) if (ours := await _ours(world, successor)) else ""
    after = followed or (await _foreign(world, successor) if successor else "")
    return await _done(world, lambda tx: _ending(world, tx, meant, Act.CEASE, why, successor=after, dry_run=dry_run))


async def forget(world: World, name: str, *, dry_run: bool = False) -> Json:
    """Remove what was never published, every value of it; its identifiers stay used for ever (EN 18219)."""
    meant = await _meant(world, name)

    async def work(tx: Transaction) -> tuple[Json, list[str]]:
        now = await _again(tx, meant)
        items: list[Owner] = [] if now.battery else [*await all_of(tx, Battery, model=now.model.id)]
        gone = [now.owner, *items]
        for each in gone:
            own = each if isinstance(each, Battery) else None
            lives.next_state(each.id, lives.state_of(now.model, own), Act.FORGET)
        told: Json = {"passport": now.owner.id, "status": State.FORGOTTEN.value, "batteries": [each.id for each in items]}
        if not dry_run:
            for each in gone:
                await _remove(tx, world, each)
        return told | {"changed": not dry_run}, []

    return await _done(world, work)


# --- whom it is about ----------------------------------------------------------------------------


async def _meant(world: World, name: str, *, only_battery: bool = False) -> Meant:
    async with world.store.transaction() as tx:
        model = None if only_battery else await tx.get(Model, name)
        if model is not None:
            return Meant(model, None, lives.state_of(model))
        battery = await names.battery(tx, name)
        return await _of(tx, battery)


async def _of(tx: Transaction, battery: Battery) -> Meant:
    model = await tx.get(Model, battery.model)
    if model is None:
        raise Hidden(f"There is no model {battery.model}.")
    return Meant(model, battery, lives.state_of(model, battery))


async def _again(tx: Transaction, meant: Meant) -> Meant:
    """The same as it stands in this transaction."""
    if meant.battery is None:
        model = await tx.get(Model, meant.model.id)
        if model is None:
            raise Hidden(f"There is no model {meant.model.id}.")
        return Meant(model, None, lives.state_of(model))
    battery = await tx.get(Battery, meant.battery.id)
    if battery is None:
        raise Hidden(f"There is no battery {meant.battery.id}.")
    return await _of(tx, battery)


async def _ours(world: World, name: str) -> Meant | None:
    """The battery of ours that a name or address means; None for anything else."""
    plain = name.removeprefix(f"{world.me.public_url}/passports/")
    async with world.store.transaction() as tx:
        battery = await release.find_battery(tx, plain)
        return await _of(tx, battery) if battery else None


async def _foreign(world: World, text: str) -> str:
    """The address of another operator's passport: an https link or a DID; plain http only where a peer of ours lives."""
    text = text.strip()
    async with world.store.transaction() as tx:
        known = {each for peer in await all_of(tx, Peer) for each in (*peer.origins, *peer.data_origins)}
    try:
        if not re.fullmatch(r"[\x21-\x7e]{1,2000}", text) or set(text) & set('<>"\\,;'):  # it goes into a header
            raise Invalid(text[:200], "holds characters that no address has")
        return text if text.startswith("http://") and origin(text) in known else product_identifier(text).text
    except (Invalid, SaltbridgeError) as error:
        raise Malformed(
            f"{clean(text, 120)!r} is no passport here and no address of one.",
            "A link to another operator's passport is an https address or a DID.",
            "saltbridge passport list shows ours.",
            code="input.invalid",
            where="by",
        ) from error


async def _check_follows(world: World, old: Meant, new: Meant, to: str) -> None:
    """A passport that follows is another one, of its own id, that is answered."""
    if new.owner.id == old.owner.id:
        raise Clash(f"{new.owner.id} cannot follow itself.", code="passport.same")
    if new.state not in ANSWERED:
        raise Clash(f"{new.owner.id} is {new.state}.", next=f"saltbridge passport publish {new.owner.id}", code="model.unpublished")
    before, after = await release.operator(world, old.owner.id), await release.operator(world, new.owner.id)
    id = _text(after, "metadata", "digitalProductPassportId")
    if id and id == _text(before, "metadata", "digitalProductPassportId"):
        raise Clash(f"Both call themselves {id}.", "A passport that follows has an id of its own.", code="passport.same")
    now = _stage_of(after)
    if to and (not now or stage(now) != to):
        raise Clash(
            f"{new.owner.id} says that the battery is {now or 'of no status'}, not {to}.",
            next=f"Import its nameplate with {STAGE} {to}.",
            code="passport.stage",
        )


def _address(world: World, battery: str) -> str:
    return f"{world.me.public_url}/passports/{battery}"


def _reason(why: str) -> str:
    return clean(why, WHY).strip()


# --- steps ---------------------------------------------------------------------------------------


async def _restage(world: World, battery: Battery, to: str) -> Json:
    """The same passport in a new version that says the status."""
    async with world.store.transaction() as tx:
        model = await tx.get(Model, battery.model)
        own = await tx.get(Layer, f"{battery.id}/nameplate")
    lives.next_state(battery.id, lives.state_of(cast("Model", model), battery), Act.STATUS)
    held: Tree = read_json(own.content) if own else {}
    tree: Tree = {**(held if isinstance(held, dict) else {}), STAGE: to}
    layer = LayerIn(owner=battery.serial, part="nameplate", tree=tree)
    category = model.category if model else ""
    batch = Batch(model=battery.model, category=category, layers=(layer,), batteries=(BatteryIn(serial=battery.serial),))
    return await passports.import_batch(world, batch, act=Act.STATUS)


def _stage_of(seen: Redacted) -> str:
    return _text(seen, "nameplate", STAGE)


def _text(seen: Redacted, part: str, name: str) -> str:
    tree = seen.parts.get(part)
    value = tree.get(name) if isinstance(tree, dict) else None
    return str(value) if isinstance(value, str) else ""


def _follow(tx: Transaction, world: World, new: Meant, address: str) -> bool:
    """The passport says which one it follows; False when it did."""
    owner: Any = new.owner
    if address in owner.predecessors:
        return False
    lives.next_state(owner.id, new.state, Act.FOLLOW)
    written = tx.put(replace(owner, predecessors=(*owner.predecessors, address), changed=world.clock.now()))
    lives.tell(tx, written, Act.FOLLOW, why=address)
    tx.note(Note(event="passport.follows", subject=owner.id, data={"predecessor": address}))
    return True


async def _ending(
    world: World, tx: Transaction, meant: Meant, act: Act, why: str, *, successor: str = "", dry_run: bool
) -> tuple[Json, list[str]]:
    return await _end(world, tx, await _again(tx, meant), act, why, successor=successor, dry_run=dry_run)


async def _end(
    world: World, tx: Transaction, meant: Meant, act: Act, why: str, *, successor: str = "", dry_run: bool
) -> tuple[Json, list[str]]:
    """Another state, with what follows from it; (what was done, letters to release)."""
    status = State(lives.next_state(meant.owner.id, meant.state, act))
    assets = await _assets(tx, meant)
    offered = [each for each in assets if each.definitions] if status not in OFFERED else []
    ended = await _agreements(tx, assets) if status not in ANSWERED else []
    told: Json = {
        "passport": meant.owner.id,
        "status": status.value,
        "successor": successor or meant.owner.successor,
        "why": why,
        "withdrawn": [title(each.id, each.view) for each in offered],
        "agreements": [each.id for each in ended],
        "changed": not dry_run,
    }
    if dry_run:
        return told, []
    owner: Any = meant.owner
    now = world.clock.now()
    owner = replace(owner, status=status.value, changed=now, ended=now, why=why, successor=successor or owner.successor)
    owner = tx.put(owner)
    lives.tell(tx, owner, act, why=why)
    tx.note(Note(event=f"passport.{status}", subject=owner.id, data={"successor": owner.successor}))  # no free text
    for asset in offered:
        await offers.take_off(tx, asset, asset.definitions)
    letters: list[str] = []
    for agreement in ended:
        letters += (await transfer.retired(world, tx, agreement, f"the passport of {owner.id} has ceased: {why}"))[1]
    return told, letters


async def _assets(tx: Transaction, meant: Meant) -> list[Asset]:
    """The view assets whose scope this is, or lies within it."""
    if meant.battery is not None:
        return await all_of(tx, Asset, scope=f"battery.{meant.battery.id}")
    found = await all_of(tx, Asset, scope=f"model.{meant.model.id}")
    for asset in await all_of(tx, Asset, form="view", prefix=f"battery.{meant.model.id}."):
        battery = await tx.get(Battery, asset.scope.removeprefix("battery."))
        if battery is not None and battery.model == meant.model.id:
            found.append(asset)
    return found


async def _agreements(tx: Transaction, assets: list[Asset]) -> list[Agreement]:
    found = [each for asset in assets for each in await all_of(tx, Agreement, dataset=asset.id, side="provider")]
    return [each for each in found if each.retired is None and each.state != "TERMINATED"]


async def _remove(tx: Transaction, world: World, owner: Owner) -> None:
    """Every record of a model or battery; what names it is kept as used."""
    now = world.clock.now()
    own = isinstance(owner, Battery)
    names_of = {owner.id, *(owner.aliases if isinstance(owner, Battery) else ())} - (
        {owner.serial} if isinstance(owner, Battery) else set()
    )
    shared = [] if own else await all_of(tx, Layer, prefix=batch_owner(owner.id, ""))
    for layer in (*await tx.find(Layer, owner=owner.id), *shared):
        await _remove_past(tx, layer.id)
        tx.delete(Layer, layer.id)
    for document in await all_of(tx, Document, owner=owner.id):
        await _remove_past(tx, document.id)
        tx.delete(Document, document.id)
    for event in await all_of(tx, Event, prefix=f"{owner.id}@"):
        tx.delete(Event, event.id)
    tx.delete(Battery if own else Model, owner.id)
    for id in sorted(names_of):
        tx.put(Used(id=id, of=owner.id, at=now))
    tx.note(Note(event="passport.forgotten", subject=owner.id, data={"identifiers": len(names_of)}))


async def _remove_past(tx: Transaction, id: str) -> None:
    for past in await all_of(tx, Past, prefix=f"{id}@"):
        tx.delete(Past, past.id)


async def _done(world: World, work: Any) -> Json:
    told: Json
    told, letters = await transact(world, work)
    await world.store.release(letters)
    return told
