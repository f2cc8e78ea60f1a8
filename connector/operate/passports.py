"""Battery passports in the holder's hands: read an upload, import it, publish a model, list, show, update a part.

What leaves through `show` is the operator's own passport, whole; it goes to the operator listener and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace

from connector.errors import Clash, Hidden, Unsupported
from connector.exchange import release
from connector.exchange.conversation import transact
from connector.operate import importing, names, views
from connector.operate.all_of import all_of
from connector.operate.checking import Findings, Snapshot, examined, refuse, snapshot
from connector.operate.importing import DRAFT, PUBLISHED, Written
from connector.operate.reading import checked_id, reading
from connector.ports import Transaction, World
from connector.records import Battery, Document, Json, Layer, Model, Note, View
from connector.text import utc
from submodels.aas import environment_to_batch
from submodels.documents import PassportDocument
from submodels.errors import Finding
from submodels.folder import Batch, BatteryIn, LayerIn, read_folder
from submodels.package import open_zip
from submodels.table import PARTS
from submodels.value import Number, Tree, normalise, read_json, write_json
from submodels.view import part_json, parts_json

ZIP = "application/zip"
AASX = "application/asset-administration-shell-package"
JSON = "application/json"


class _DryRun(Exception):
    """Leaves the transaction so that nothing is written."""

    def __init__(self, written: Written) -> None:
        self.written = written


def read_upload(content: bytes, media_type: str) -> Batch:
    """What was uploaded, as a batch: a zipped folder, an AASX package, or an AAS environment (a template too)."""
    from submodels.aasx import read_aasx

    with reading("The upload"):
        if media_type == ZIP:
            return read_folder(open_zip(content))
        if media_type in (AASX, f"{AASX}+xml"):
            return read_aasx(content)
        if media_type == JSON:
            return environment_to_batch(content)
    raise Unsupported(f"{media_type or 'No media type'} is not read here.", next=f"Send {ZIP}, {AASX} or {JSON}.")


async def import_batch(world: World, batch: Batch, *, dry_run: bool = False) -> Json:
    """Store a batch in one transaction; the same input twice changes nothing, a dry run never does.

    Raises Malformed with every finding when a value cannot be right, Clash when an id is taken.  Other findings are
    reported and block nothing.  A draft's values are not examined: it cannot be published.
    """
    checked_id("The model", batch.model)

    async def as_read(tx: Transaction) -> Snapshot:
        return await importing.as_read(tx, batch)

    async def work(tx: Transaction, found: Findings = ()) -> Written:
        written = replace(await importing.write(tx, batch, world.clock.now()), findings=(*batch.findings, *found))
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
    )
    return await import_batch(world, batch)


async def publish(world: World, model: str) -> Json:
    """Make a model's passports public as far as the law says so, and open to offers; `changed` is false when they were.

    Raises Clash for a draft, Malformed for values that cannot be right and for a view whose expectations fail.
    """

    async def as_read(tx: Transaction) -> Snapshot:
        stored = await names.resolve(tx, Model, model)
        if stored.status == DRAFT:
            raise Clash(
                f"{stored.id} is a draft and cannot be published.",
                "It came from a template and holds no battery's values.",
                "Fill it and import the result.",
                code="passport.draft",
            )
        return await snapshot(tx, stored.id, [each.id for each in await all_of(tx, Battery, model=stored.id)], {})

    async def work(tx: Transaction, found: Findings) -> Json:
        stored = await names.resolve(tx, Model, model)
        batteries = await all_of(tx, Battery, model=stored.id)
        await _check_views(tx)
        changed = stored.status != PUBLISHED
        if changed:
            tx.put(replace(stored, status=PUBLISHED, changed=world.clock.now()))
            tx.note(Note(event="passport.published", subject=stored.id, data={"revision": stored.revision, "batteries": len(batteries)}))
        return {
            "model": stored.id,
            "status": PUBLISHED,
            "revision": stored.revision,
            "batteries": [each.id for each in batteries],
            "findings": [finding_json(finding) for finding in found],
            "addresses": [f"{world.me.public_url}/passports/{each.id}" for each in batteries],
            "changed": changed,
        }

    return await examined(world, as_read, work)


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


async def show(world: World, name: str, part: str = "") -> bytes:
    """A battery's whole passport, one part of it, or what a model holds, as JSON bytes with number tokens as they came.

    `{"battery", "model", "revision", "parts": {part key: value}, "documents": [...]}`, the part's `$value`, or `show_model`.
    """
    async with world.store.transaction() as tx:
        is_model = not part and await tx.get(Model, name) is not None
        id = "" if is_model else (await names.battery(tx, name)).id
    if is_model:
        return write_json(await show_model(world, name))
    seen = await release.operator(world, id)
    if part:
        if part not in seen.parts:
            raise Hidden(f"{id} has no part {part}.", f"It has {', '.join(seen.parts)}.")
        return part_json(seen, part)
    head: dict[str, Tree] = {
        "battery": seen.battery,
        "model": seen.model,
        "revision": seen.revision,
        "documents": [document_json(document) for document in seen.documents],
    }
    return write_json(head)[:-1] + b',"parts":' + parts_json(seen) + b"}"


def finding_json(finding: Finding) -> Json:
    return {"where": finding.where, "what": finding.what, "next": finding.next, "severity": finding.severity}


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


async def _check_views(tx: Transaction) -> None:
    """A view whose expectations fail, or that is called public and holds less, stops every publication."""
    for view in await all_of(tx, View):
        grant = await views.grant_of(tx, view.grant)
        views.require_public(view.id, grant)
        views.require(view.id, views.judge(grant, view.expectations))


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
            {"battery": each.id, "serial": each.serial, "aliases": list(each.aliases), "revision": each.revision} for each in batteries
        ],
        "parts": sorted({layer.part for layer in (*layers, *first)}, key=PARTS.index),
        "documents": await tx.count(Document, owner=model.id),
        "notes": len(model.notes),
    }
