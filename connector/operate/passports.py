"""Battery passports in the holder's hands: read an upload, import it, publish a model, list, show, update a part.

What leaves through `show` is the operator's own passport, whole; it goes to the operator listener and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from connector.errors import Clash, Hidden, Unsupported
from connector.exchange import release
from connector.exchange.conversation import transact
from connector.exchange.versions import read_at
from connector.operate import importing, lives, names
from connector.operate.all_of import all_of
from connector.operate.checking import Findings, Seen, Snapshot, examined, lacks, refuse, refuse_incomplete, snapshot
from connector.operate.checking import finding_json as finding_json
from connector.operate.importing import DRAFT, Written
from connector.operate.publishing import publish as publish
from connector.operate.reading import checked_id, reading
from connector.ports import Transaction, World
from connector.records import Battery, Document, Json, Layer, Model, Note
from connector.text import utc
from submodels.aas import environment_to_batch
from submodels.catenax import is_battery_pass, read_battery_pass
from submodels.documents import PassportDocument
from submodels.errors import Finding
from submodels.folder import Batch, BatteryIn, LayerIn, read_folder
from submodels.lifecycle import Act
from submodels.package import open_zip
from submodels.sheet import is_sheet, read_sheets
from submodels.table import PARTS
from submodels.value import Number, Tree, normalise, read_json, write_json
from submodels.valued import is_valued, read_valued
from submodels.view import part_json, parts_json

ZIP = "application/zip"
AASX = "application/asset-administration-shell-package"
JSON = "application/json"
CSV = "text/csv"
JSON_BYTES, JSON_NODES = 256 * 1024 * 1024, 20_000_000  # of one upload
NOTHING = Seen(())


class _DryRun(Exception):
    """Leaves the transaction so that nothing is written."""

    def __init__(self, written: Written) -> None:
        self.written = written


def read_upload(content: bytes, media_type: str) -> Batch:
    """What was uploaded, as a batch: a zipped folder, CSV (one, or several zipped), AASX, or JSON of any form that is known.

    JSON is an AAS environment (a template too), `$value` JSON of an export, or a Catena-X battery pass.
    """
    from submodels.aasx import read_aasx

    with reading("The upload"):
        if media_type == ZIP:
            files = open_zip(content)
            return read_sheets(files) if is_sheet(files) else read_folder(files)
        if media_type == CSV:
            return read_sheets({"CSV": content})
        if media_type in (AASX, f"{AASX}+xml"):
            return read_aasx(content)
        if media_type == JSON:
            found = read_json(content, max_bytes=JSON_BYTES, nodes=JSON_NODES)
            if is_battery_pass(found):
                return read_battery_pass(found)
            return read_valued(found) if is_valued(found) else environment_to_batch(content)
    raise Unsupported(f"{media_type or 'No media type'} is not read here.", next=f"Send {ZIP}, {AASX}, {JSON} or {CSV}.")


async def import_batch(world: World, batch: Batch, *, dry_run: bool = False, act: Act = Act.UPDATE) -> Json:
    """Store a batch in one transaction; the same input twice changes nothing, a dry run never does.

    Raises Malformed with every finding when a value cannot be right, Clash when an id is taken or was given before.  Other
    findings are reported and block nothing.  A draft's values are not examined: it cannot be published.

    A published model's new batteries are published with it; one that lacks a mandatory point waits, and says so.  What is
    published may not lose such a point: Malformed (`passport.incomplete`).
    """
    checked_id("The model", batch.model)

    async def as_read(tx: Transaction) -> Snapshot:
        return await importing.as_read(tx, batch)

    async def work(tx: Transaction, found: Seen = NOTHING) -> Written:
        waiting = await _held_back(tx, batch, found, world.clock.now().date())
        written = await importing.write(tx, batch, world.clock.now(), act=act, held_back=waiting)
        waits = tuple(_waits(id, found.lacking[id]) for id in waiting)
        written = replace(written, findings=(*batch.findings, *found.findings, *waits))
        if dry_run:
            raise _DryRun(written)
        if written.changed:
            data = {"revision": written.model.revision, "status": written.model.status, "records": len(written.changed)}
            tx.note(Note(event="passport.imported", subject=batch.model, data=data | {"batteries": list(written.batteries)}))
        return written

    try:
        if batch.draft:
            written = await transact(world, work)
        else:
            refuse(batch.model, batch.findings)
            written = await examined(world, as_read, work)
    except _DryRun as stopped:
        written = stopped.written
    return {
        "model": batch.model,
        "batteries": list(written.batteries),
        "parts": sorted({layer.part for layer in batch.layers}, key=PARTS.index),
        "documents": len(batch.documents),
        "findings": [finding_json(finding) for finding in written.findings],
        "draft": batch.draft,
        "status": written.model.status,
        "revision": written.model.revision,
        "changed": bool(written.changed),
        "records": len(written.changed),
        "dry_run": dry_run,
        "mapping": [{"from": origin, "to": to} for origin, to in batch.mapping],
    }


async def update(world: World, owner: str, part: str, content: bytes) -> Json:
    """Replace one part of a model or of a battery by `$value` JSON, as an import of that part alone would."""
    if part not in PARTS:
        raise Hidden(f"There is no part {part}.", f"Parts are {', '.join(PARTS)}.")
    with reading(f"{owner}/{part}"):
        tree, findings = normalise(part, read_json(content))

    async def work(tx: Transaction) -> tuple[Model, Battery | None]:
        model = await tx.get(Model, owner)
        battery = None if model else await names.battery(tx, owner)
        model = model or await tx.get(Model, battery.model if battery else "")
        if model is None:
            raise Hidden(f"There is no model or battery {owner}.", "saltbridge passport list")
        return model, battery

    model, battery = await transact(world, work)
    if model.status == DRAFT:
        raise Clash(f"{model.id} is a template's draft.", next="Import a passport instead.", code="passport.draft")
    serial = battery.serial if battery else ""
    batch = Batch(
        model=model.id,
        category=model.category,
        identifiers={},
        draft=False,
        layers=(LayerIn(owner=serial, part=part, tree=tree, remainder=""),),
        batteries=(BatteryIn(serial=serial, aliases=()),) if battery else (),
        documents=(),
        findings=findings,
        source="update",
    )
    return await import_batch(world, batch)


async def list_models(world: World) -> list[Json]:
    """Every model with its batteries, parts and documents."""

    async def work(tx: Transaction) -> list[Json]:
        return [await _model_json(tx, model) for model in await all_of(tx, Model)]

    return await transact(world, work)


async def show_model(world: World, model: str) -> Json:
    """One model; of a draft, its elements are in `notes`."""

    async def work(tx: Transaction) -> Json:
        stored = await names.resolve(tx, Model, model)
        return await _model_json(tx, stored) | {"notes": list(stored.notes), "identifiers": dict(stored.identifiers)}

    return await transact(world, work)


async def show(world: World, name: str, part: str = "", at: str = "") -> bytes:
    """A battery's whole passport, one part of it, or what a model holds, as JSON bytes with number tokens as they came.

    `at` a day or an instant: the version that stood then.

    `{"battery", "model", "revision", "parts": {part key: value}, "documents": [...]}`, the part's `$value`, or `show_model`.
    """
    when = read_at(at, world.clock.now())
    async with world.store.transaction() as tx:
        is_model = not part and not at and await tx.get(Model, name) is not None
        battery = None if is_model else await names.battery(tx, name)
        model = await tx.get(Model, battery.model) if battery else None
    if battery is None or model is None:
        return write_json(await show_model(world, name))
    id, seen = battery.id, await release.operator(world, battery.id, when)
    if part:
        if part not in seen.parts:
            raise Hidden(f"{id} has no part {part}.", f"It has {', '.join(seen.parts)}.")
        return part_json(seen, part)
    head: dict[str, Tree] = {
        "battery": seen.battery,
        "model": seen.model,
        "revision": seen.revision,
        "status": lives.state_of(model, battery).value,
        "successor": battery.successor or model.successor,
        "predecessors": list(battery.predecessors or model.predecessors),
        "documents": [document_json(document) for document in seen.documents],
    }
    return write_json(head)[:-1] + b',"parts":' + parts_json(seen) + b"}"


def document_json(document: PassportDocument) -> dict[str, Tree]:
    """A document without its bytes."""
    return {
        "id": document.id,
        "identifier": document.identifier,
        "kind": document.kind,
        "title": document.title,
        "filename": document.filename,
        "media_type": document.media_type,
        "language": document.language,
        "size": Number(str(document.size)),
        "sha256": document.sha256,
    }


# --- inside --------------------------------------------------------------------------------------


async def _held_back(tx: Transaction, batch: Batch, found: Seen, day: date) -> tuple[str, ...]:
    """The new batteries that are not complete; Malformed when one that is published would lose a mandatory point."""
    waiting = []
    for id, lacking in found.lacking.items():
        if await tx.get(Battery, id) is None:
            waiting.append(id)
            continue
        model = await tx.get(Model, batch.model)
        before = replace(await snapshot(tx, batch.model, [id], {}), category=model.category if model else batch.category)
        lost = set(lacking) - set(lacks(before, id, day))
        refuse_incomplete(id, {id: tuple(each for each in lacking if each in lost)} if lost else {})
    return tuple(waiting)


def _waits(id: str, lacking: Findings) -> Finding:
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    return Finding(id, f"is not published yet: {lacking[0].what}{more}", f"give what is missing, then saltbridge passport publish {id}")


async def _model_json(tx: Transaction, model: Model) -> Json:
    layers = await tx.find(Layer, owner=model.id)
    batteries = await all_of(tx, Battery, model=model.id)
    first = await tx.find(Layer, owner=batteries[0].id) if batteries else []
    return {
        "model": model.id,
        "category": model.category,
        "status": model.status,
        "revision": model.revision,
        "changed": utc(model.changed),
        "batteries": [
            {
                "battery": each.id,
                "serial": each.serial,
                "aliases": list(each.aliases),
                "revision": each.revision,
                "status": lives.state_of(model, each).value,
            }
            for each in batteries
        ],
        "parts": sorted({layer.part for layer in (*layers, *first)}, key=PARTS.index),
        "documents": await tx.count(Document, owner=model.id),
        "notes": len(model.notes),
    }
