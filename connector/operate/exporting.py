"""What an operator takes out of the own node: templates, and passports in every form they can be imported from.

Without a view it is the operator's own, whole, values laid down by level as they are kept; with a view it is what that view
grants, battery by battery, selected as any pull is.  Operator listener only.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.errors import Clash, Hidden, Malformed
from connector.exchange import release
from connector.operate import environments, graphs, names, views
from connector.operate.all_of import all_of
from connector.operate.reading import reading
from connector.ports import Transaction, World
from connector.records import Battery, Document, Layer, Model, batch_owner
from submodels.batch import on_files, text_at
from submodels.documents import PassportDocument
from submodels.folder import COLUMNS
from submodels.passport import merge
from submodels.sheet_form import guarded, template, write_sheet
from submodels.table import PARTS, tree
from submodels.value import Tree, read_json, write_json

FORMS = ("csv", "value", "aas-json", "aasx", "folder", *graphs.MEDIA_TYPES)
NONE: Mapping[str, Mapping[str, Tree]] = {}
MOST = 20_000  # batteries of one export
_ENDINGS = {"turtle": "ttl", "json-ld": "jsonld"}
CSV, JSON, ZIP = "text/csv", "application/json", "application/zip"

_Said = tuple[str, Mapping[str, Tree]]  # serial number ("" for the model) and parts


@dataclass(frozen=True, slots=True)
class File:
    """What is downloaded."""

    content: bytes
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class _Meant:
    """What an export is of: a model with these batteries, or the one battery that was named."""

    model: Model
    batteries: tuple[Battery, ...]
    one: bool

    @property
    def made_in(self) -> dict[str, str]:
        """Serial number -> the batch it was made in, '' for none."""
        return {each.serial: each.batch for each in self.batteries}

    @property
    def name(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.batteries[0].id if self.one else self.model.id)


async def blank(world: World, part: str, model: str = "") -> File:
    """The template of a part as CSV, with a row for each battery of a model where one is named."""
    serials: list[str] = []
    if model:
        async with world.store.transaction() as tx:
            model = (await names.resolve(tx, Model, model)).id
            serials = [each.serial for each in await all_of(tx, Battery, model=model)]
    with reading("The template"):
        return File(template(part, model, serials[:MOST]), CSV, f"{part}.csv")


async def export(world: World, name: str, form: str, *, view: str = "", part: str = "") -> File:
    """A battery's or a model's passports in a form; `part` chooses one of a CSV.  Malformed for a form or part that is none."""
    if form not in FORMS:
        raise Malformed(f"{form[:40]} is no form of a passport.", next=f"One of {', '.join(FORMS)}.", code="input.invalid", where="as")
    if part and (part not in PARTS or form != "csv"):
        raise Malformed(
            f"No CSV of {part[:40]}.", next=f"Parts are {', '.join(PARTS)}; only --as csv has them apart.", code="input.invalid"
        )
    async with world.store.transaction() as tx:
        meant = await _meant(tx, name)
        grant = (await views.ensure(tx, view))[1] if view else None
    if form in ("aas-json", "aasx"):
        content = await environments.written(world, meant.batteries, grant, packed=form == "aasx")
        return File(content, environments.AASX, f"{meant.name}.aasx") if form == "aasx" else File(content, JSON, f"{meant.name}.json")
    if form in graphs.MEDIA_TYPES:
        return File(await graphs.passports(world, meant.batteries, form, grant), graphs.MEDIA_TYPES[form], f"{meant.name}.{_ENDINGS[form]}")
    if grant is None:
        said, documents = await _own(world, meant)
        batches = {} if meant.one else await _batches(world, meant)
        if form == "folder":
            return await _folder(world, meant, said, documents, batches)
        made_in = meant.made_in
        said = [(serial, _laid(batches.get(made_in.get(serial, ""), {}), parts)) for serial, parts in said]
    else:
        redacted = [(each, await release.preview(world, each.id, grant, "")) for each in meant.batteries]
        said = [(each.serial, seen.parts) for each, seen in redacted]
        documents = [(each.serial, document) for each, seen in redacted for document in seen.documents]
    if form == "csv":
        return _sheets(meant, said, part)
    if form == "value":
        return File(_value(meant, said), JSON, f"{meant.name}.json")
    return await _folder(world, meant, said, documents)


async def _meant(tx: Transaction, name: str) -> _Meant:
    model = await tx.get(Model, name)
    if model is None:
        battery = await names.battery(tx, name)
        of = await tx.get(Model, battery.model)
        if of is None:
            raise Hidden(f"{battery.id} has no model.")
        return _Meant(of, (battery,), True)
    if await tx.count(Battery, model=model.id) > MOST:
        raise Clash(f"{model.id} has more than {MOST} batteries.", next="Export them by serial number.", code="export.large")
    return _Meant(model, tuple(await all_of(tx, Battery, model=model.id)), False)


async def _own(world: World, meant: _Meant) -> tuple[list[_Said], list[tuple[str, PassportDocument]]]:
    """The model's values and each battery's own; of a battery named alone its whole passport."""
    if meant.one:
        seen = await release.operator(world, meant.batteries[0].id)
        return [(meant.batteries[0].serial, seen.parts)], [(meant.batteries[0].serial, each) for each in seen.documents]
    async with world.store.transaction() as tx:
        said: list[_Said] = []
        documents: list[tuple[str, PassportDocument]] = []
        for owner, serial in ((meant.model.id, ""), *((each.id, each.serial) for each in meant.batteries)):
            layers = {each.part: read_json(each.content) for each in await tx.find(Layer, owner=owner)}
            said.append((serial, {part: layers[part] for part in PARTS if part in layers}))
            documents += [(serial, release.document_of(each)) for each in await tx.find(Document, owner=owner)]
    return said, documents


async def _batches(world: World, meant: _Meant) -> dict[str, dict[str, Tree]]:
    """What the batches of a model say for their items, between the model and them."""
    found: dict[str, dict[str, Tree]] = {}
    async with world.store.transaction() as tx:
        for name in dict.fromkeys(each.batch for each in meant.batteries if each.batch):
            layers = {each.part: read_json(each.content) for each in await tx.find(Layer, owner=batch_owner(meant.model.id, name))}
            found[name] = {part: layers[part] for part in PARTS if part in layers}
    return found


def _laid(below: Mapping[str, Tree], parts: Mapping[str, Tree]) -> Mapping[str, Tree]:
    """An item's values over its batch's: these forms know no batch, and read back over one they are no news."""
    return {part: merge([below.get(part), parts.get(part)]) for part in PARTS if part in below or part in parts}


# --- forms ---------------------------------------------------------------------------------------


def _sheets(meant: _Meant, said: Sequence[_Said], part: str) -> File:
    """One part as CSV, or a zip with a CSV for each part that has values."""
    model = meant.model.id
    if part:
        return File(write_sheet(model, said, (part,)), CSV, f"{meant.name}-{part}.csv")
    there = [each for each in PARTS if any(each in parts for _, parts in said)]
    return File(_zip({f"{each}.csv": write_sheet(model, said, (each,)) for each in there}), ZIP, f"{meant.name}-csv.zip")


def _value(meant: _Meant, said: Sequence[_Said]) -> bytes:
    """`{"model", "category", "identifiers", "parts": {...}, "items": {serial: {...}}}`, number tokens as they came."""
    found: dict[str, Tree] = {"model": meant.model.id, "category": meant.model.category}
    if meant.model.identifiers:
        found["identifiers"] = dict(meant.model.identifiers)
    items: dict[str, Tree] = {}
    for serial, parts in said:
        if serial:
            items[serial] = dict(parts)
        else:
            found["parts"] = dict(parts)
    return write_json({**found, "items": items} if items else found)


async def _folder(
    world: World, meant: _Meant, said: Sequence[_Said], documents: Sequence[tuple[str, PassportDocument]],
    batches: Mapping[str, Mapping[str, Tree]] = NONE,
) -> File:  # fmt: skip
    """As `submodels.folder` reads it: File values name the files beside them."""
    files: dict[str, bytes] = {"model.toml": _toml(meant.model)}
    places = {(serial, each.filename): f"documents/{serial + '/' if serial else ''}{each.filename}" for serial, each in documents}
    made_in = meant.made_in
    for serial, parts in said:
        under = f"items/{serial}" if serial else "parts"
        files |= {f"{under}/{part}.json": write_json(_placed(part, values, serial, places)) for part, values in parts.items()}
        if batch := made_in.get(serial, "") if batches else "":
            files[f"{under}/item.toml"] = f"batch = {_quoted(batch)}\n".encode()
    for name, parts in batches.items():
        files |= {f"batches/{name}/{part}.json": write_json(_placed(part, values, "", places)) for part, values in parts.items()}
    rows = []
    async with world.store.transaction() as tx:
        for serial, each in documents:
            content = await tx.blob(each.sha256)
            if content is None:
                raise Hidden(f"The bytes of {each.id} are gone.", "Import the document again.")
            place = places[serial, each.filename]
            files[place] = content
            rows.append((serial, each.identifier, each.kind, each.title, place, each.media_type, each.language))
    if rows:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows([COLUMNS, *(tuple(map(guarded, row)) for row in rows)])
        files["documents.csv"] = buffer.getvalue().encode()
    return File(_zip(files), ZIP, f"{meant.name}.zip")


def _placed(part: str, found: Tree, serial: str, places: Mapping[tuple[str, str], str]) -> Tree:
    """The values with each file of ours under its place in the folder; an item may name a file of its model."""

    def place(value: dict[str, Tree], _: tuple[str | int, ...]) -> Tree:
        name = text_at(value, "value")
        found = places.get((serial, name)) or places.get(("", name))
        return {**value, "value": found} if found else value

    return on_files(tree(part), found, (), place)


def _toml(model: Model) -> bytes:
    lines = [f"model = {_quoted(model.id)}", f"category = {_quoted(model.category)}"]
    if model.identifiers:
        lines += ["", "[identifiers]", *(f"{name} = {_quoted(text)}" for name, text in model.identifiers.items())]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    """A TOML basic string (1.0, String): JSON's escapes are a part of its own."""
    return write_json(text).decode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    """A zip that is the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            kind = zipfile.ZIP_STORED if name.endswith((".pdf", ".png", ".jpg")) else zipfile.ZIP_DEFLATED
            package.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, kind)
    return buffer.getvalue()
