"""Which shells and submodels a caller of the AAS API sees, and what of them: one filter before any form is made.

    nobody known, a peer   the public view of a passport that is asked for by an id or an asset id; of lists the models only
    a contract holder      the scope and grant of the agreement behind a transfer's data token; batteries are listed where the
                           agreement is over one, or grants `metadata/digitalProductPassportId`
    the operator           everything, drafts too, and what was imported beside passports (operator listener only)

A shell is a battery (Instance) or a model (Type); a submodel is a part of one.  What is hidden, foreign or unknown is `Hidden`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from connector.errors import Gone, Hidden
from connector.ports import World
from connector.records import Battery, Document, Identifiable, Model
from submodels import normal, projection, twin
from submodels.documents import PassportDocument
from submodels.idshort import Path
from submodels.normal import Names
from submodels.projection import Object
from submodels.table import PARTS
from submodels.value import read_json, write_json
from submodels.view import Redacted, part_json

from . import release
from .sight import Sight

THUMBNAIL = "thumbnail"
_ITEMS = ("digitalProductPassportId",)
_MODEL = "urn:saltbridge:"


@dataclass(slots=True)
class Seen:
    """One battery or model through one view; its forms are made once and kept with it."""

    redacted: Redacted
    names: Names
    _submodels: dict[str, Object] = field(default_factory=dict)
    _values: dict[str, bytes] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.names.twin.shell

    @property
    def json(self) -> Object:
        return normal.shell(self.names, self.redacted)

    def sheets(self) -> list[Sheet]:
        """Its submodels, as far as anything of them is in the view."""
        return [Sheet(self.names.twin.submodel(part), seen=self, part=part) for part in normal.parts_of(self.redacted)]

    def submodel(self, part: str) -> Object:
        if part not in self._submodels:
            self._submodels[part] = normal.part_submodel(self.names, part, self.redacted)
        return self._submodels[part]

    def value(self, part: str) -> bytes:
        if part not in self._values:
            self._values[part] = part_json(self.redacted, part)
        return self._values[part]


@dataclass(frozen=True, slots=True)
class Own:
    """A shell that the operator brought beside passports."""

    record: Identifiable

    @property
    def id(self) -> str:
        return self.record.name

    @property
    def json(self) -> Object:
        return _content(self.record)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One submodel: a part of what is seen, or one that the operator brought beside passports."""

    id: str
    seen: Seen | None = None
    part: str = ""
    record: Identifiable | None = None

    @property
    def json(self) -> Object:
        if self.seen is not None:
            return self.seen.submodel(self.part)
        return _content(self.record) if self.record else {}

    def value(self, *, core: bool, blobs: bool) -> bytes:
        """The `$value` of the whole submodel."""
        if self.seen is not None and not core:
            return self.seen.value(self.part)
        return write_json(projection.submodel_value(self.json, core=core, blobs=blobs))


def _content(record: Identifiable) -> Object:
    found = read_json(record.content)
    return found if isinstance(found, dict) else {}


# --- by id ---------------------------------------------------------------------------------------


async def shell(world: World, who: Sight, id: str) -> Seen | Own:
    """The shell with this id; Hidden when this caller sees none, Gone when its passport has ceased."""
    name = twin.named_by_shell(id)
    if name:
        seen = await _named(world, who, name, lambda found: found.id == id)
        if seen is not None:
            return seen
    if who.operator and (record := await _record(world, "shell", id)):
        return Own(record)
    raise Hidden


async def sheet(world: World, who: Sight, id: str) -> Sheet:
    """The submodel with this id; Hidden when this caller sees nothing of it."""
    base, _, part = id.rpartition("#")
    if base and part in PARTS:
        seen = await _named(world, who, base.removeprefix(_MODEL), lambda found: found.names.twin.submodel(part) == id)
        if seen is not None and part in seen.redacted.parts:
            return Sheet(id, seen=seen, part=part)
    if who.operator and (record := await _record(world, "submodel", id)):
        return Sheet(id, record=record)
    raise Hidden


async def _named(world: World, who: Sight, name: str, fits: Callable[[Seen], bool]) -> Seen | None:
    """The battery or model that an identifier names, when it fits."""
    # Whose a name was last time is a guess that spares a search of the index: it is asked for again, and must fit.
    guess: str | None = world.views.get(("name", name))
    if guess is not None and (seen := await _or_hidden(_battery(world, who, guess))) and fits(seen):
        return seen
    seen = await _or_hidden(_battery(world, who, name))
    if seen is not None and fits(seen):
        world.views.hold(("name", name), seen.redacted.battery)
        return seen
    seen = await _or_hidden(_model(world, who, name))
    return seen if seen is not None and fits(seen) else None


async def _or_hidden(looking: Awaitable[Seen]) -> Seen | None:
    try:
        return await looking
    except Hidden:
        return None


async def _battery(world: World, who: Sight, name: str) -> Seen:
    if who.operator:
        redacted = await release.operator(world, name)
    elif who.permit:
        redacted = await release.for_battery(world, who.permit, name)
    else:
        redacted = await release.public(world, name)
    # under a contract over one battery its model is nobody's business
    told = who.permit is None or who.permit.scope == f"model.{redacted.model}"
    key = ("seen", redacted.battery, redacted.grant, who.operator, told)
    kept: Seen | None = world.views.get(key)
    # `release` keeps what it selected as long as nothing of it is written: the same object is the same view
    if kept is not None and kept.redacted is redacted:
        return kept
    async with world.store.transaction() as tx:
        battery = await tx.get(Battery, redacted.battery)
        named = await release.named(tx, battery, published=not who.operator) if battery else None
    if battery is None or named is None:
        raise Hidden
    names = Names(twin.twin(named, battery.aliases), derived_from=f"{_MODEL}{redacted.model}#shell" if told else "")
    return _held(world, key, Seen(redacted, names))


def _held(world: World, key: tuple[object, ...], seen: Seen) -> Seen:
    world.views.hold(key, seen)
    return seen


async def _model(world: World, who: Sight, name: str) -> Seen:
    redacted = await release.model(world, name, who.permit, operator=who.operator)
    key = ("seen model", redacted.battery, redacted.grant, who.operator)
    kept: Seen | None = world.views.get(key)
    if kept is not None and kept.redacted is redacted:
        return kept
    return _held(world, key, Seen(redacted, normal.model_names(redacted)))


async def _record(world: World, sort: str, id: str) -> Identifiable | None:
    async with world.store.transaction() as tx:
        return await tx.get(Identifiable, f"{sort}|{id}")


# --- in order ------------------------------------------------------------------------------------


async def walk(world: World, who: Sight, after: str = "") -> AsyncIterator[tuple[str, Seen | Own | None]]:
    """(position, shell) of what this caller may list, behind a position; None where a position turned out to hold nothing.

    The operator's own first, then each model with its batteries.  Positions are ours: they go out sealed.
    """
    if who.operator and not after.startswith("m"):
        async for record in records(world, "shell", after.removeprefix("i")):
            yield f"i{record.id}", Own(record)
        after = ""
    model_after, _, battery_after = after.removeprefix("m").partition("\n")
    async for model in _models(world, who, model_after):
        behind = battery_after if model == model_after else ""
        if not (model == model_after and after):
            yield f"m{model}", await _or_none(_model(world, who, model))
        async for battery in _batteries(world, who, model, behind):
            yield f"m{model}\n{battery}", await _or_none(_battery(world, who, battery))


async def records(world: World, sort: str, after: str = "", link: str = "") -> AsyncIterator[Identifiable]:
    """What the operator brought beside passports, of one sort, by id."""
    keys = {"sort": sort} | ({"link": link} if link else {})
    while True:
        async with world.store.transaction() as tx:
            page = await tx.find(Identifiable, after=after, limit=100, **keys)
        if not page:
            return
        for each in page:
            yield each
        after = page[-1].id


async def _or_none(looking: Awaitable[Seen]) -> Seen | None:
    """In a list there is no trace of what is hidden or gone."""
    try:
        return await looking
    except (Hidden, Gone):
        return None


async def _models(world: World, who: Sight, after: str) -> AsyncIterator[str]:
    """The ids of models to list, from this one on."""
    if who.permit is not None:
        kind, _, name = who.permit.scope.partition(".")
        async with world.store.transaction() as tx:
            battery = await tx.get(Battery, name) if kind == "battery" else None
        model = battery.model if battery else name
        if model >= after:
            yield model
        return
    while True:
        async with world.store.transaction() as tx:
            first = [await tx.get(Model, after)] if after else []
            page = [each for each in first if each] + await tx.find(Model, after=after, limit=100)
        for each in page:
            yield each.id
        if len(page) < 100:
            return
        after = page[-1].id + "\0"


async def _batteries(world: World, who: Sight, model: str, after: str) -> AsyncIterator[str]:
    if who.permit is None and not who.operator:
        return
    if who.permit is not None and who.permit.scope.startswith("battery."):
        name = who.permit.scope.partition(".")[2]
        if name > after:
            yield name
        return
    if who.permit is not None and not who.permit.grant.allows("metadata", _ITEMS):
        return
    while True:
        async with world.store.transaction() as tx:
            page = await tx.find(Battery, model=model, after=after, limit=100)
        if not page:
            return
        for each in page:
            yield each.id
            await asyncio.sleep(0)  # the turn of others: a battery takes some milliseconds
        after = page[-1].id


async def with_link(world: World, who: Sight, name: str, value: str) -> AsyncIterator[Seen | Own]:
    """The shells that may have an asset id, from the index; of a name without one those that may be listed."""
    if who.operator:
        async for record in records(world, "shell", link=f"{name}={value}"):
            yield Own(record)
    if name == twin.PART:
        if found := await _or_none(_model(world, who, value)):
            yield found
        async for battery in _batteries(world, who, value, ""):
            if seen := await _or_none(_battery(world, who, battery)):
                yield seen
        return
    if name in (twin.MAKER, twin.TWIN_TYPE):
        async for _, each in walk(world, who):
            if isinstance(each, Seen):
                yield each
        return
    key = {"serial": value} if name in (twin.SERIAL, twin.SERIAL_TOO) else {"alias": value}
    async with world.store.transaction() as tx:
        batteries = await tx.find(Battery, limit=100, **key)
    for one in batteries:
        if seen := await _or_none(_battery(world, who, one.id)):
            yield seen
    if not batteries and (found := await _or_none(_model(world, who, value.removeprefix(_MODEL)))):
        yield found


# --- files ---------------------------------------------------------------------------------------


async def file_of(world: World, found: Sheet, path: Path, element: Object) -> PassportDocument | Document | None:
    """The document that a File element of this view names; None when it is elsewhere, missing, or not in the view."""
    if found.seen is not None:
        return normal.document_at(found.seen.redacted, found.part, path, element)
    return await _owned(world, f"submodel|{found.id}", ".".join(str(step) for step in path))


async def picture_of(world: World, found: Seen | Own) -> PassportDocument | Document | None:
    """The thumbnail of a shell."""
    if isinstance(found, Seen):
        return normal.thumbnail(found.redacted)
    return await _owned(world, found.record.id, THUMBNAIL)


async def _owned(world: World, owner: str, identifier: str) -> Document | None:
    async with world.store.transaction() as tx:
        documents = await tx.find(Document, owner=owner)
    return next((each for each in documents if each.identifier == identifier), None)
