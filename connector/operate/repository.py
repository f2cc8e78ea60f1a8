"""Writing through the AAS API: values of passports, and what an operator keeps beside them.

A passport's submodel takes values (`$value`, whole or at a path) and is replaced or cut by path; each write is an import of that
one part: normalised, examined, a new version, in the audit chain.  Shells, submodels and concept descriptions of any other kind are
verified by aas-core and kept whole; they are seen by the operator alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, cast

from connector.errors import Clash, Hidden, Malformed, Refused
from connector.exchange import twins
from connector.exchange.conversation import transact
from connector.exchange.sight import OPERATOR
from connector.exchange.twins import Sheet
from connector.operate import passports
from connector.operate.reading import reading
from connector.ports import Transaction, World
from connector.records import Document, Identifiable, Layer, Note
from submodels import projection
from submodels.idshort import Path, written
from submodels.passport import merge
from submodels.projection import Object
from submodels.table import PARTS
from submodels.value import Tree, read_json, write_json
from submodels.verify import faults

LISTS: Mapping[str, tuple[str, str]] = {
    "shell": ("AssetAdministrationShell", "assetAdministrationShells"),
    "submodel": ("Submodel", "submodels"),
    "concept": ("ConceptDescription", "conceptDescriptions"),
}

# --- values of a passport ------------------------------------------------------------------------


async def write_values(world: World, id: str, path: Path, content: bytes) -> None:
    """Set the values that `content` (`$value` JSON) says, at a path or of the whole submodel; what it does not say stays.

    A list is one statement: a value inside one writes the list anew.  Hidden, Malformed or Clash when it is not taken.
    """
    sheet = await of_passport(world, id)
    with reading("The value"):
        value = read_json(content)
    if not path and not isinstance(value, dict):
        raise Malformed("The values of a submodel are an object.", next="Send { idShort: value }.", where="/")
    await _write(world, sheet, lambda own, whole: merge([own, _at(whole, path, value)]))


async def write_normal(world: World, id: str, path: Path, content: bytes) -> None:
    """Replace a passport's submodel, or one element of it, by its Normal JSON; what has no value there has none afterwards."""
    sheet = await of_passport(world, id)
    json = _object(content, "Submodel" if not path else "")
    if not path:
        if json.get("id") != id:
            raise Malformed("The submodel has another id than the address.", next="Send it to its own address.", where="/id")
        with reading("The submodel"):
            tree = projection.submodel_value(json, blobs=True)
        await _write(world, sheet, lambda own, whole: tree)
        return
    if isinstance(path[-1], str) and json.get("idShort") != path[-1]:
        raise Malformed("The element has another idShort than the path.", next="Send it to its own path.", where="/idShort")
    with reading("The element"):
        value = projection.value(json, blobs=True)
    await _write(world, sheet, lambda own, whole: merge([_without(own, path, there=False), _at(whole, path, value, anew=True)]))


async def cut(world: World, id: str, path: Path) -> None:
    """Take an element's value away; Clash when it is the model's, which an item cannot take away."""
    sheet = await of_passport(world, id)
    await _write(world, sheet, lambda own, whole: _without(own, path))


async def of_passport(world: World, id: str) -> Sheet:
    """A submodel that is a part of a passport; Hidden for an unknown id, refused for one that is kept beside passports."""
    sheet = await twins.sheet(world, OPERATOR, id)
    if sheet.seen is None:
        error = Refused("Values are written to passports only.", next="Put the whole submodel.", code="aas.unserved")
        error.status = 501
        raise error
    return sheet


async def _write(world: World, sheet: Sheet, change: Any) -> None:
    """Write a part of a battery's or model's own layer: what its layer says, changed, beside what is read of it."""
    assert sheet.seen is not None  # noqa: S101 - `of_passport`
    owner = sheet.seen.redacted.battery
    async with world.store.transaction() as tx:
        layer = await tx.get(Layer, f"{owner}/{sheet.part}")
    own = read_json(layer.content) if layer else {}
    with reading(f"{owner}/{sheet.part}"):
        tree = change(own, sheet.seen.redacted.parts[sheet.part])
    await passports.update(world, owner, sheet.part, write_json(tree))


def _at(whole: Tree, path: Path, value: Tree, *, anew: bool = False) -> Tree:
    """A tree that says a value at a path and nothing else; of the first list on the way, all that is there.

    `anew`: an item of a list is what the value says, not what it was with what the value says.
    """
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        items = list(whole) if isinstance(whole, list) else []
        if step >= len(items):
            raise Hidden
        below = _at(items[step], tuple(rest), value, anew=anew)
        items[step] = below if anew and not rest else merge([items[step], below])
        return items
    inner = whole.get(step) if isinstance(whole, dict) else None
    return {step: _at(inner, tuple(rest), value, anew=anew)}


def _without(own: Tree, path: Path, *, there: bool = True) -> Tree:
    """What a layer says but for a path; Clash when it says nothing there, unless it need not be `there`."""
    step, *rest = path
    if isinstance(own, dict) and isinstance(step, str) and step in own:
        if not rest:
            return {name: value for name, value in own.items() if name != step}
        return {**own, step: _without(own[step], tuple(rest), there=there)}
    if isinstance(own, list) and isinstance(step, int) and step < len(own):
        inner = [_without(own[step], tuple(rest), there=there)] if rest else []
        return [*own[:step], *inner, *own[step + 1 :]]
    if not there:
        return own
    raise Clash(
        "The value is not this one's own.", "It is the model's, or there is none.", "Write it where it stands.", code="aas.elsewhere"
    )


# --- beside passports ----------------------------------------------------------------------------


async def create(world: World, sort: str, content: bytes) -> str:
    """Keep a shell, submodel or concept description; its id.  Clash when the id is taken, Malformed when aas-core refuses it."""
    json = _object(content, LISTS[sort][0])
    id = str(json.get("id", ""))
    _check_free(id)

    async def work(tx: Transaction) -> None:
        if await tx.get(Identifiable, f"{sort}|{id}") is not None:
            raise Clash(f"There is a {sort} of this id.", next="Put it to its address to replace it.", code="aas.taken")
        _keep(world, tx, sort, json, 0)

    await transact(world, work)
    return id


async def replace(world: World, sort: str, id: str, content: bytes) -> bool:
    """Replace one, or keep it anew; whether it is new."""
    json = _object(content, LISTS[sort][0])
    if json.get("id") != id:
        raise Malformed("It has another id than the address.", next="Send it to its own address.", where="/id")
    _check_free(id)

    async def work(tx: Transaction) -> bool:
        stored = await tx.get(Identifiable, f"{sort}|{id}")
        _keep(world, tx, sort, json, stored.version if stored else 0)
        return stored is None

    return await transact(world, work)


async def remove(world: World, sort: str, id: str) -> None:
    """Remove one with its files; Hidden when there is none.  A passport is not removed here."""

    async def work(tx: Transaction) -> None:
        stored = await tx.get(Identifiable, f"{sort}|{id}")
        if stored is None:
            raise Hidden
        for document in await tx.find(Document, owner=stored.id):
            tx.delete(Document, document.id)
        tx.delete(Identifiable, stored.id)
        tx.note(Note(event="aas.removed", subject=stored.id))

    await transact(world, work)


async def attach(world: World, sort: str, id: str, path: Path, filename: str, media_type: str, content: bytes) -> None:
    """Keep the file of a File element, or with an empty path the thumbnail of a shell; the element names it afterwards."""
    owner, identifier = f"{sort}|{id}", written(path) or twins.THUMBNAIL

    async def work(tx: Transaction) -> None:
        stored = await tx.get(Identifiable, owner)
        if stored is None:
            raise Hidden
        json = cast("Object", read_json(stored.content))
        _point(json, path, filename, media_type)
        key = f"aas|{hashlib.sha256(f'{owner} {identifier}'.encode()).hexdigest()[:32]}"
        before = await tx.get(Document, key)
        document = Document(
            id=key, version=before.version if before else 0, owner=owner, identifier=identifier, document_kind="", title=filename,
            filename=filename, media_type=media_type, size=len(content), sha256=tx.keep(content),
        )  # fmt: skip
        tx.put(document)
        _keep(world, tx, sort, json, stored.version)

    await transact(world, work)


async def detach(world: World, sort: str, id: str, path: Path) -> None:
    """Remove the file of a File element or a shell's thumbnail; Hidden when there is none."""
    owner, identifier = f"{sort}|{id}", written(path) or twins.THUMBNAIL

    async def work(tx: Transaction) -> None:
        documents = [each for each in await tx.find(Document, owner=owner) if each.identifier == identifier]
        if not documents:
            raise Hidden
        for each in documents:
            tx.delete(Document, each.id)
        tx.note(Note(event="aas.removed", subject=owner, data={"file": identifier}))

    await transact(world, work)


def _point(json: Object, path: Path, filename: str, media_type: str) -> None:
    if not path:
        about = json.get("assetInformation")
        if not isinstance(about, dict):
            raise Hidden
        about["defaultThumbnail"] = {"path": filename, "contentType": media_type}
        return
    try:
        element = projection.find(json, path)
    except KeyError as error:
        raise Hidden from error
    if projection.kind_of(element) != "File":
        raise Malformed("Only a File has an attachment.", next="Name a File element.", where=written(path))
    element |= {"value": filename, "contentType": media_type}


def _keep(world: World, tx: Transaction, sort: str, json: Object, version: int) -> None:
    id = str(json["id"])
    links = tuple(sorted(f"{name}={value}" for name, value in projection.asset_ids(json))) if sort == "shell" else ()
    record = Identifiable(
        id=f"{sort}|{id}", version=version, sort=sort, name=id, content=write_json(json).decode(), links=links, changed=world.clock.now()
    )
    tx.put(record)
    tx.note(Note(event="aas.written", subject=record.id, data={"new": version == 0}))


def _object(content: bytes, kind: str) -> Object:
    """A JSON object of the metamodel that aas-core takes; `kind` empty: a submodel element."""
    with reading("The body"):
        json = read_json(content)
    if not isinstance(json, dict) or (kind and json.get("modelType") != kind):
        raise Malformed(f"The body is no {kind or 'submodel element'}.", next="Send its Normal JSON with its modelType.", where="/")
    if kind:
        wrong = faults({next(key for each, key in LISTS.values() if each == kind): [json]})
    else:
        wrong = faults({"submodels": [{"modelType": "Submodel", "id": "urn:x", "submodelElements": [{"idShort": "x", **json}]}]})
    if wrong:
        raise Malformed(
            f"The {kind or 'element'} does not hold.", wrong[0], "Correct it against the metamodel.", details=wrong[1:10], where="/"
        )
    return json


def is_passports(id: str) -> bool:
    """Whether an id is of the form that passports' shells and submodels have."""
    base, _, end = id.rpartition("#")
    return bool(base) and (end in PARTS or end == "shell")


def _check_free(id: str) -> None:
    if is_passports(id):
        raise Clash("Such ids are those of passports.", next="Write its values, import a passport, or take another id.", code="aas.taken")
