"""Answers of the AAS and submodel repositories, each a parcel in the form that was asked for (IDTA 01002, v3.1).

Everything is made of what `twins` lets this caller see, so every form is a part of one filtered tree; lists are filtered, paged
and counted after that.  Under a contract each answer is a pull: it carries a receipt and stands in the audit chain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from connector.errors import Hidden, Malformed, Refused, SaltbridgeError
from connector.ports import World
from connector.records import Document
from connector.seal import seal, unseal
from submodels import projection, twin
from submodels.documents import PassportDocument
from submodels.idshort import Path
from submodels.projection import Object
from submodels.twin import AssetId
from submodels.value import Tree, write_json
from submodels.view import Redacted

from . import twins
from .parcel import Parcel, receipted, sealed
from .registry import SCAN
from .sight import Sight
from .twins import Own, Seen, Sheet

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Look:
    """How an answer is to look: "" for the normal form, or metadata, value, reference, path; level and extent."""

    form: str = ""
    core: bool = False
    blobs: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """Which leaf of a list: at most so many items, behind a cursor."""

    limit: int
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the items of a list must have."""

    id_short: str = ""
    links: tuple[AssetId, ...] = ()
    semantic: tuple[str, ...] = ()


# --- shells --------------------------------------------------------------------------------------


async def shells(world: World, who: Sight, wish: Wish, leaf: Leaf, look: Look) -> Parcel:
    """A page of shells, or of references to them."""
    about = _about(who, "shells", look.form, wish)
    found: list[tuple[str, Seen | Own]] = []
    last = ""
    looked = 0
    async for position, each in _candidates(world, who, wish, _opened(world, about, leaf.cursor)):
        last, looked = position, looked + 1
        if each is not None and _fits(each, wish):
            found.append((position, each))
        if len(found) > leaf.limit or looked == SCAN:
            break
    else:
        last = ""
    cursor = found[leaf.limit - 1][0] if len(found) > leaf.limit else last
    page = [each for _, each in found[: leaf.limit]]
    items: list[Tree] = [_reference(each) if look.form == "reference" else each.json for each in page]
    return await answered(world, who, _page(world, about, items, cursor), [each.redacted for each in page if isinstance(each, Seen)])


async def shell(world: World, who: Sight, id: str, form: str) -> Parcel:
    """One shell, its reference, or its asset information."""
    found = await twins.shell(world, who, id)
    answer: Tree = found.json
    if form == "reference":
        answer = _reference(found)
    elif form == "asset-information":
        answer = found.json.get("assetInformation")
    return await answered(world, who, write_json(answer), _of(found))


async def submodel_refs(world: World, who: Sight, id: str, leaf: Leaf) -> Parcel:
    """A page of a shell's references to submodels."""
    found = await twins.shell(world, who, id)
    about = _about(who, "submodel-refs", id, Wish())
    listed = found.json.get("submodels")
    page, cursor = _numbered(listed if isinstance(listed, list) else [], leaf, _opened(world, about, leaf.cursor))
    return await answered(world, who, _page(world, about, page, cursor), _of(found))


async def thumbnail(world: World, who: Sight, id: str) -> Parcel:
    """The picture of a shell, where it is a file of ours in this view."""
    found = await twins.shell(world, who, id)
    return await _file(world, who, await twins.picture_of(world, found), _of(found))


def _candidates(world: World, who: Sight, wish: Wish, after: str) -> AsyncIterator[tuple[str, Seen | Own | None]]:
    if not wish.links:
        return twins.walk(world, who, after)
    return _linked(world, who, _most_telling(wish.links), after)


async def _linked(world: World, who: Sight, link: AssetId, after: str) -> AsyncIterator[tuple[str, Seen | Own | None]]:
    """The few shells with an asset id; the position is how many came before."""
    number = 0
    async for each in twins.with_link(world, who, link.name, link.value):
        number += 1
        if number > int(after or 0):
            yield str(number), each


def _most_telling(links: Sequence[AssetId]) -> AssetId:
    vague = (twin.PART, twin.MAKER, twin.TWIN_TYPE)
    return min(links, key=lambda link: vague.index(link.name) + 1 if link.name in vague else 0)


def _fits(found: Seen | Own, wish: Wish) -> bool:
    json = found.json
    if wish.id_short and json.get("idShort") != wish.id_short:
        return False
    known = projection.asset_ids(json)
    if isinstance(found, Seen):
        known |= {(twin.GLOBAL, each) for each in found.names.twin.products}
        known |= {(twin.SERIAL_TOO, value) for name, value in known if name == twin.SERIAL}
    return all((link.name, link.value) in known for link in wish.links)


def _reference(found: Seen | Own) -> Object:
    return projection.reference("AssetAdministrationShell", found.id)


# --- submodels -----------------------------------------------------------------------------------


async def submodels(world: World, who: Sight, wish: Wish, leaf: Leaf, look: Look) -> Parcel:
    """A page of submodels in a form; of paths the items are the paths."""
    about = _about(who, "submodels", look.form, wish)
    found: list[tuple[str, Sheet, Tree]] = []
    last, looked = "", 0
    async for position, each in _sheets(world, who, _opened(world, about, leaf.cursor)):
        last, looked = position, looked + 1
        if each is not None and _suits(each, wish):
            found += _items(position, each, look)
        if len(found) > leaf.limit or looked == SCAN:
            break
    else:
        last = ""
    cursor = found[leaf.limit - 1][0] if len(found) > leaf.limit else last
    page = found[: leaf.limit]
    seen = {id(each.seen): each.seen.redacted for _, each, _ in page if each.seen}
    return await answered(world, who, _page(world, about, [item for _, _, item in page], cursor), list(seen.values()))


async def submodel(world: World, who: Sight, id: str, look: Look, within: str = "") -> Parcel:
    """One submodel in a form; `within` names the shell that it was asked of."""
    found = await _sheet(world, who, id, within)
    body = found.value(core=look.core, blobs=look.blobs) if look.form == "value" else write_json(_submodel(found, look))
    return await answered(world, who, body, _seen(found))


async def elements(world: World, who: Sight, id: str, look: Look, leaf: Leaf, within: str = "") -> Parcel:
    """A page of a submodel's elements in a form."""
    found = await _sheet(world, who, id, within)
    about = _about(who, "elements", f"{id}\n{look.form}", Wish())
    here, behind = projection.elements_of(found.json), _opened(world, about, leaf.cursor)
    if look.form == "path":
        items, cursor = _numbered(projection.element_paths(here, core=look.core), leaf, behind)
    else:
        page, cursor = _numbered(here, leaf, behind)
        items = _elements(found, page, look)
    return await answered(world, who, _page(world, about, items, cursor), _seen(found))


async def element(world: World, who: Sight, id: str, path: Path, look: Look, within: str = "") -> Parcel:
    """One element in a form; Hidden when this view has none at the path."""
    found = await _sheet(world, who, id, within)
    return await answered(world, who, write_json(_element(found, path, look)), _seen(found))


async def attachment(world: World, who: Sight, id: str, path: Path, within: str = "") -> Parcel:
    """The file that a File element names, where it is ours and in this view; 405 for an element of another kind."""
    found = await _sheet(world, who, id, within)
    here = _at(found, path)
    if projection.kind_of(here) != "File":
        refused = Refused(f"A {projection.kind_of(here)} has no attachment.", next="Ask for it of a File.", code="aas.form")
        refused.status = 405
        raise refused
    return await _file(world, who, await twins.file_of(world, found, path, here), _seen(found))


async def _sheet(world: World, who: Sight, id: str, within: str) -> Sheet:
    if within:
        shell = await twins.shell(world, who, within)
        listed = shell.json.get("submodels")
        if not any(id in projection.key_values(each) for each in (listed if isinstance(listed, list) else [])):
            raise Hidden
    return await twins.sheet(world, who, id)


async def _sheets(world: World, who: Sight, after: str) -> AsyncIterator[tuple[str, Sheet | None]]:
    """(position, submodel) of what may be listed: the operator's own, then those of each shell.

    A position with a number of paths behind a separator is in the middle of its submodel, which then comes once more.
    """
    after, _, inside = after.partition("\x1e")
    if inside and (sheet := await _sheet_at(world, who, after)):
        yield f"{after}\x1e{inside}", sheet
    if who.operator and not after.startswith("s"):
        async for record in twins.records(world, "submodel", after.removeprefix("i")):
            yield f"i{record.id}", Sheet(record.name, record=record)
        after = ""
    behind, _, part = after.removeprefix("s").rpartition("\t")
    if behind:  # the shell that the last page ended in, from there on
        shell, number = behind.partition("\v")[2], int(part)
        seen = await twins.shell(world, who, shell)
        for at, each in enumerate(seen.sheets() if isinstance(seen, Seen) else []):
            if at > number:
                yield f"s{behind}\t{at}", each
    async for position, each_shell in twins.walk(world, who, behind.partition("\v")[0] or "m" * who.operator):
        if isinstance(each_shell, Seen):
            for at, each in enumerate(each_shell.sheets()):
                yield f"s{position}\v{each_shell.id}\t{at}", each
        else:
            yield f"s{position}\v\t0", None


async def _sheet_at(world: World, who: Sight, position: str) -> Sheet | None:
    """The submodel at a position of ours; None when it is not there any more."""
    try:
        if position.startswith("i"):
            return await twins.sheet(world, who, position.partition("|")[2])
        shell, _, number = position.partition("\v")[2].rpartition("\t")
        seen = await twins.shell(world, who, shell)
        return seen.sheets()[int(number)] if isinstance(seen, Seen) else None
    except (Hidden, IndexError):
        return None


def _items(position: str, sheet: Sheet, look: Look) -> list[tuple[str, Sheet, Tree]]:
    """What a submodel puts into a list, each with its position."""
    shown = _submodel(sheet, look)
    if look.form != "path" or not isinstance(shown, list):
        return [(position, sheet, shown)]
    behind, _, number = position.partition("\x1e")
    return [(f"{behind}\x1e{at}", sheet, path) for at, path in enumerate(shown, 1) if at > int(number or 0)]


def _suits(found: Sheet, wish: Wish) -> bool:
    json = found.json
    if wish.id_short and json.get("idShort") != wish.id_short:
        return False
    beside = json.get("supplementalSemanticIds")
    meanings = (json.get("semanticId"), *(beside if isinstance(beside, list) else []))
    return not wish.semantic or any(projection.key_values(each) == wish.semantic for each in meanings)


def _submodel(found: Sheet, look: Look) -> Tree:
    match look.form:
        case "metadata":
            return projection.submodel_metadata(found.json)
        case "value" if found.seen and not look.core:
            return found.seen.redacted.parts[found.part]
        case "value":
            return projection.submodel_value(found.json, core=look.core, blobs=look.blobs)
        case "reference":
            return projection.reference("Submodel", found.id)
        case "path":
            return projection.element_paths(projection.elements_of(found.json), core=look.core)
    return projection.normal_submodel(found.json, core=look.core, blobs=look.blobs)


def _elements(found: Sheet, page: Sequence[Object], look: Look) -> Sequence[Tree]:
    match look.form:
        case "metadata":
            return [projection.without_value(each) for each in page]
        case "value":
            return projection.element_values(page, core=look.core, blobs=look.blobs)
        case "reference":
            return [projection.element_reference(found.json, (str(each.get("idShort", "")),)) for each in page]
    return [projection.normal(each, core=look.core, blobs=look.blobs, depth=1) for each in page]


def _element(found: Sheet, path: Path, look: Look) -> Tree:
    here = _at(found, path)
    match look.form:
        case "metadata":
            return projection.metadata(here)
        case "value":
            return projection.value(here, core=look.core, blobs=look.blobs)
        case "reference":
            return projection.element_reference(found.json, path)
        case "path":
            return projection.paths(here, path, core=look.core)
    return projection.normal(here, core=look.core, blobs=look.blobs)


def _at(found: Sheet, path: Path) -> Object:
    try:
        return projection.find(found.json, path)
    except KeyError as error:
        raise Hidden from error


# --- sending -------------------------------------------------------------------------------------


def _of(found: Seen | Own) -> list[Redacted]:
    return [found.redacted] if isinstance(found, Seen) else []


def _seen(found: Sheet) -> list[Redacted]:
    return [found.seen.redacted] if found.seen else []


async def _file(world: World, who: Sight, document: PassportDocument | Document | None, redacted: Sequence[Redacted]) -> Parcel:
    async with world.store.transaction() as tx:
        body = await tx.blob(document.sha256) if document else None
    if body is None or document is None:
        raise Hidden
    return await answered(world, who, body, redacted, (document.media_type, document.filename))


async def answered(
    world: World, who: Sight, body: bytes, redacted: Sequence[Redacted], file: tuple[str, str] = ("application/json", "")
) -> Parcel:
    """The body as a parcel; under a contract with its receipt."""
    made = sealed(world, who.permit.agreement.id if who.permit else who.name, body)
    parcel = Parcel(body, file[0], file[1], made.etag)
    if who.permit is None or not redacted:
        return parcel
    return await receipted(world, who.permit, redacted[0], parcel, redacted[1:])


def _page(world: World, about: str, items: Sequence[Tree], position: str) -> bytes:
    more: Object = {"cursor": seal(world.secret, about, position)} if position else {}
    return write_json({"paging_metadata": more, "result": list(items)})


def _numbered(items: Sequence[Item], leaf: Leaf, after: str) -> tuple[Sequence[Item], str]:
    begin = int(after or 0)
    end = begin + leaf.limit
    return items[begin:end], str(end) if end < len(items) else ""


def _about(who: Sight, noun: str, question: str, wish: Wish) -> str:
    """What a cursor is bound to: the caller and the question."""
    said = [who.name, noun, question, wish.id_short, *(f"{len(name)}:{name}={value}" for name, value in wish.links), *wish.semantic]
    return f"repository/{sha256(chr(0).join(said).encode()).hexdigest()}"


def _opened(world: World, about: str, cursor: str) -> str:
    """Where the page before ended; a cursor cannot be read by whoever gets it."""
    try:
        return unseal(world.secret, about, cursor) if cursor else ""
    except SaltbridgeError as error:
        raise Malformed("This page does not exist.", next="Ask again without a cursor.", where="cursor") from error
