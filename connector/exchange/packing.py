"""Whole environments of what a caller of the AAS API sees: JSON, XML or an AASX package (IDTA 01002, v3.1: /serialization).

Made of the same filtered shells and submodels as every other answer: a File that is not in the view leaves no part in a package,
and what was not asked for or is not seen is not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from connector.errors import Hidden, Malformed
from connector.ports import Transaction, World
from connector.records import Document
from submodels import aasx, normal, projection
from submodels.idshort import parse
from submodels.projection import Object
from submodels.value import read_json, write_json
from submodels.view import Redacted

from . import twins
from .parcel import Parcel
from .repository import answered
from .sight import Sight
from .twins import Own, Seen, Sheet

UNDER = "/aasx/documents/"  # as `aasx.pack` has it
JSON, XML = "application/json", "application/xml"
AASX = "application/asset-administration-shell-package"
AASX_XML = f"{AASX}+xml"  # the same with its environment as XML
MOST = 100  # shells, and submodels, of one answer

Files = dict[str, tuple[str, bytes]]


@dataclass(slots=True)
class _Wanted:
    shells: list[Seen | Own]
    sheets: list[Sheet]

    @property
    def redacted(self) -> list[Redacted]:
        seen = [each for each in (*self.shells, *(sheet.seen for sheet in self.sheets)) if isinstance(each, Seen)]
        return list({id(each): each.redacted for each in seen}.values())


async def serialization(
    world: World, who: Sight, shells: Sequence[str], submodels: Sequence[str], *, media: str = JSON, concepts: bool = True
) -> Parcel:
    """The shells and submodels of these ids; shells alone bring their submodels, no ids at all what may be listed.

    Hidden when one of the ids is unknown or not for this caller; Malformed for more than `MOST`.
    """
    wanted = await _by_ids(world, who, shells, submodels) if shells or submodels else await _listed(world, who)
    described: list[Object] = []
    if concepts and who.operator:
        async for record in twins.records(world, "concept"):
            found = read_json(record.content)
            described += [found] if isinstance(found, dict) else []
    if media not in (AASX, AASX_XML):
        env = normal.environment([each.json for each in wanted.shells], [each.json for each in wanted.sheets], described)
        body = write_json(env) if media == JSON else await asyncio.to_thread(aasx.write_xml, env)
        return await answered(world, who, body, wanted.redacted, (media, ""))
    files: Files = {}
    packed = [await _packed(world, each, files) for each in wanted.sheets]
    env = normal.environment([each.json for each in wanted.shells], packed, described)
    body = await asyncio.to_thread(aasx.pack, env, files, xml=media == AASX_XML)
    return await answered(world, who, body, wanted.redacted, (media, "environment.aasx"))


async def _by_ids(world: World, who: Sight, shells: Sequence[str], submodels: Sequence[str]) -> _Wanted:
    if len(shells) > MOST or len(submodels) > MOST:
        raise Malformed("Too many ids at once.", next=f"Ask for at most {MOST} of each.", where="query", code="limit.exceeded")
    found = [await twins.shell(world, who, each) for each in dict.fromkeys(shells)]
    sheets = [await twins.sheet(world, who, each) for each in dict.fromkeys(submodels)]
    if not submodels:
        for each in found:
            sheets += await _of_shell(world, who, each)
    return _Wanted(found, sheets)


async def _of_shell(world: World, who: Sight, shell: Seen | Own) -> list[Sheet]:
    if isinstance(shell, Seen):
        return shell.sheets()
    listed = shell.json.get("submodels")
    sheets = []
    for reference in listed if isinstance(listed, list) else []:
        for id in projection.key_values(reference):
            try:
                sheets.append(await twins.sheet(world, who, id))
            except Hidden:
                continue  # a reference to a submodel that is elsewhere
    return sheets


async def _listed(world: World, who: Sight) -> _Wanted:
    found: list[Seen | Own] = []
    async for _, each in twins.walk(world, who):
        found += [each] if each is not None else []
        _not_too_many(len(found))
    sheets = [sheet for each in found for sheet in await _of_shell(world, who, each)]
    if who.operator:
        held = {each.id for each in sheets}
        async for record in twins.records(world, "submodel"):
            sheets += [Sheet(record.name, record=record)] if record.name not in held else []
            _not_too_many(len(sheets) - len(held))
    return _Wanted(found, sheets)


def _not_too_many(count: int) -> None:
    if count > MOST:
        raise Malformed("There is too much for one answer.", next=f"Name at most {MOST} in aasIds or submodelIds.", where="aasIds")


async def _packed(world: World, sheet: Sheet, files: Files) -> Object:
    """A submodel whose File values name parts of the package; the parts of this view go into `files`."""
    async with world.store.transaction() as tx:
        if sheet.seen is None:
            return await _own(tx, sheet, files)
        folder = sheet.seen.redacted.battery
        for document in sheet.seen.redacted.documents if sheet.part == "handover" else ():
            body = await tx.blob(document.sha256)
            if body is not None:
                files[f"{folder}/{document.filename}"] = (document.media_type, body)
        return normal.part_submodel(sheet.seen.names, sheet.part, sheet.seen.redacted, under=f"{UNDER}{folder}/")


async def _own(tx: Transaction, sheet: Sheet, files: Files) -> Object:
    """One that the operator brought: each file that came along, under the path of its element."""
    json = sheet.json
    for document in await tx.find(Document, owner=f"submodel|{sheet.id}"):
        body = await tx.blob(document.sha256)
        if body is not None:
            name = f"{document.id.partition('|')[2]}/{document.filename}"
            files[name] = (document.media_type, body)
            projection.find(json, parse(document.identifier))["value"] = UNDER + quote(name)
    return json
