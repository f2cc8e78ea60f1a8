"""From a batch that was read to the records that keep it: what is new, what changed, what stays as it is.

An import adds and replaces; it never deletes.  Everything happens in the caller's transaction, which is left by an
exception when the values do not hold together, so that nothing is stored of a batch that is wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from connector.errors import Clash, Malformed
from connector.exchange import release
from connector.operate.all_of import all_of
from connector.operate.reading import checked_id, reading
from connector.ports import R, Transaction
from connector.records import Battery, Document, Layer, Model
from submodels.check import check
from submodels.errors import Finding
from submodels.folder import Batch, DocumentIn
from submodels.identifiers import mint_battery
from submodels.value import write_json

SHOWN = 50  # findings that one error lists
DRAFT, IMPORTED, PUBLISHED = "draft", "imported", "published"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an import did."""

    model: Model
    batteries: tuple[str, ...]
    changed: tuple[str, ...]  # ids of the records written
    findings: tuple[Finding, ...]


async def write(tx: Transaction, batch: Batch, now: datetime) -> Written:
    """Store a batch; Malformed with every finding when a value does not hold, Clash when an id is taken."""
    checked_id("The model", batch.model)
    if not batch.draft:
        refuse(batch.model, batch.findings)
    stored = await tx.get(Model, batch.model)
    await _check_free(tx, batch, stored)
    owners = {"": batch.model} | {each.serial: _mint(batch.model, each.serial) for each in batch.batteries}
    layers = await _layers(tx, batch, owners)
    documents = await _documents(tx, batch, owners)
    owned: list[Layer | Document] = [*layers, *documents]
    touched = {each.owner for each in owned}
    model = _model(tx, batch, stored, touched, now)
    batteries = await _batteries(tx, batch, owners, touched, now)
    findings = (*batch.findings, *(() if batch.draft else await _check_values(tx, batch, owners, touched)))
    changed = [each.id for each in owned] + [each.id for each in batteries] + ([model.id] if model != stored else [])
    return Written(
        model=model,
        batteries=tuple(owners[each.serial] for each in batch.batteries),
        changed=tuple(changed),
        findings=findings,
    )


def refuse(model: str, findings: Iterable[Finding]) -> None:
    """Raise Malformed when a finding is an error; the error lists them all, up to a limit."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = len(errors) - SHOWN
        raise Malformed(
            f"{model} holds {len(errors)} value{'s' if len(errors) > 1 else ''} that cannot be right.",
            next="Correct them and import again; nothing was stored.",
            code="passport.invalid",
            details=[in_words(finding) for finding in errors[:SHOWN]] + ([f"and {more} more"] if more > 0 else []),
        )


def in_words(finding: Finding) -> str:
    """A finding on one line."""
    return f"{finding.where}: {finding.what}" + (f" - {finding.next}" if finding.next else "")


# --- identity ------------------------------------------------------------------------------------


def _mint(model: str, serial: str) -> str:
    with reading(f"The serial number {serial!r}"):
        return checked_id("The battery", mint_battery(model, serial))


async def _check_free(tx: Transaction, batch: Batch, stored: Model | None) -> None:
    """Ids are unique in the node, over models and batteries both; an alias means one battery."""
    if stored is not None and batch.draft and stored.status != DRAFT:
        raise Clash(f"{batch.model} is a model already.", "A template's draft cannot replace it.", code="passport.taken")
    if await tx.get(Battery, batch.model) is not None:
        raise Clash(f"{batch.model} is the id of a battery here.", next="Give the model another id.", code="passport.taken")
    serials = [each.serial for each in batch.batteries]
    if len(set(serials)) != len(serials):
        raise Malformed(f"{batch.model} has two batteries with one serial number.", code="passport.invalid")
    claimed: dict[str, str] = {}
    for each in batch.batteries:
        id = _mint(batch.model, each.serial)
        taken = await tx.get(Battery, id)
        if await tx.get(Model, id) is not None or (taken and (taken.model, taken.serial) != (batch.model, each.serial)):
            raise Clash(
                f"{id} is taken.", "Another model's battery, or a model, has this id.", "Give the model another id.", code="passport.taken"
            )
        for alias in set(each.aliases) - {each.serial}:
            others = {other.id for other in await tx.find(Battery, alias=alias, limit=3)} | {claimed.setdefault(alias, id)}
            if others - {id}:
                raise Clash(
                    f"{id} cannot be called {alias}.",
                    f"{min(others - {id})} is called so.",
                    "Identifiers belong to one battery.",
                    code="passport.taken",
                )


# --- records -------------------------------------------------------------------------------------


def _put(tx: Transaction, new: R, stored: R | None) -> R | None:
    """Write a record whose content differs from what is stored; None when nothing changed."""
    kept = cast("R", replace(cast("Any", new), version=stored.version)) if stored else new
    return None if kept == stored else tx.put(kept)


async def _layers(tx: Transaction, batch: Batch, owners: dict[str, str]) -> list[Layer]:
    written = []
    for each in batch.layers:
        owner = owners[each.owner]
        layer = Layer(
            id=f"{owner}/{each.part}", owner=owner, part=each.part, content=write_json(each.tree).decode(), remainder=each.remainder
        )
        written.append(_put(tx, layer, await tx.get(Layer, layer.id)))
    return [layer for layer in written if layer is not None]


async def _documents(tx: Transaction, batch: Batch, owners: dict[str, str]) -> list[Document]:
    """Kept with the kind that was stated; whether the passport's elements agree is decided whenever it is read."""
    written = []
    for each in batch.documents:
        document = _document(owners[each.owner], each, tx.keep(each.content))
        written.append(_put(tx, document, await tx.get(Document, document.id)))
    return [document for document in written if document is not None]


def _document(owner: str, given: DocumentIn, sha256: str) -> Document:
    return Document(
        id=_document_id(owner, given.identifier),
        owner=owner,
        identifier=given.identifier,
        document_kind=given.kind,
        title=given.title,
        filename=given.filename,
        media_type=given.media_type,
        language=given.language,
        size=len(given.content),
        sha256=sha256,
    )


def _document_id(owner: str, identifier: str) -> str:
    """`EV-72.doc-dismantling-manual`; an identifier outside our alphabet keeps its last words and gets a digest."""
    word = _NOT_IN_IDS.sub("-", identifier).strip("-")
    if word != identifier or len(word) > 60:
        word = f"{word[-40:].strip('-')}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"
    return f"{owner}.doc-{word}"


def _model(tx: Transaction, batch: Batch, stored: Model | None, touched: set[str], now: datetime) -> Model:
    identifiers = {**(stored.identifiers if stored else {}), **batch.identifiers}
    status = DRAFT if batch.draft else PUBLISHED if stored and stored.status == PUBLISHED else IMPORTED
    notes = tuple(in_words(finding) for finding in batch.findings)
    if stored is None:
        return tx.put(Model(id=batch.model, category=batch.category, identifiers=identifiers, status=status, changed=now, notes=notes))
    after = replace(stored, category=batch.category or stored.category, identifiers=identifiers, status=status, notes=notes)
    content = batch.model in touched or (after.category, after.identifiers) != (stored.category, stored.identifiers)
    if after == stored and not content:
        return stored
    return tx.put(replace(after, revision=stored.revision + content, changed=now))


async def _batteries(tx: Transaction, batch: Batch, owners: dict[str, str], touched: set[str], now: datetime) -> list[Battery]:
    written = []
    for each in batch.batteries:
        id = owners[each.serial]
        stored = await tx.get(Battery, id)
        aliases = tuple(sorted({*(stored.aliases if stored else ()), *each.aliases}))
        if stored is None:
            written.append(tx.put(Battery(id=id, model=batch.model, serial=each.serial, aliases=aliases, changed=now)))
        elif id in touched or aliases != stored.aliases:
            written.append(tx.put(replace(stored, aliases=aliases, revision=stored.revision + 1, changed=now)))
    return written


async def _check_values(tx: Transaction, batch: Batch, owners: dict[str, str], touched: set[str]) -> list[Finding]:
    """Check each battery that this import changes, as it will be read: a model's layer changes all of its items."""
    given = set(owners.values())
    everyone = await all_of(tx, Battery, model=batch.model)
    return await check_batteries(tx, batch.model, [each for each in everyone if each.id in given or batch.model in touched])


async def check_batteries(tx: Transaction, model: str, batteries: Iterable[Battery]) -> list[Finding]:
    """What is to be said of these batteries as they will be read; raises Malformed when a value cannot be right."""
    findings: dict[Finding, None] = {}
    for each in batteries:
        passport = await release.load(tx, each, published=False)
        if passport is not None:
            findings |= dict.fromkeys(check(passport))
    refuse(model, findings)
    return list(findings)
