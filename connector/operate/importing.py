"""From a batch that was read to the records that keep it: what is new, what changed, what stays as it is.

An import adds and replaces; it never deletes.  Everything is written in the caller's one transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from connector.errors import Clash, Malformed
from connector.exchange import release
from connector.operate import lives
from connector.operate.all_of import all_of
from connector.operate.checking import Snapshot, in_words, snapshot
from connector.operate.reading import checked_id, reading
from connector.ports import R, Transaction
from connector.records import Battery, Document, Layer, Model, Past, batch_owner
from submodels.errors import Finding
from submodels.folder import Batch, DocumentIn, LayerIn
from submodels.identifiers import mint_battery
from submodels.lifecycle import Act, State
from submodels.passport import merge
from submodels.value import Tree, read_json, write_json

DRAFT, PUBLISHED = State.DRAFT.value, State.PUBLISHED.value
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an import did."""

    model: Model
    batteries: tuple[str, ...]
    changed: tuple[str, ...]  # ids of the records written
    findings: tuple[Finding, ...] = ()


def owners_of(batch: Batch) -> dict[str, str]:
    """What a batch calls an owner ("" or a serial number) -> the id it has here."""
    checked_id("The model", batch.model)
    return {"": batch.model} | {each.serial: _mint(batch.model, each.serial) for each in batch.batteries}


def _owner(batch: Batch, owners: Mapping[str, str], layer: LayerIn) -> str:
    if layer.batch:
        return batch_owner(batch.model, checked_id("The batch", layer.batch))
    return owners[layer.owner]


async def as_read(tx: Transaction, batch: Batch) -> Snapshot:
    """The batteries that this batch changes, as they will be read; a model's layer changes all of its items."""
    owners = owners_of(batch)
    ids_of = [(f"{_owner(batch, owners, each)}/{each.part}", each) for each in batch.layers]
    given = {id: await _laid(tx, id, each) for id, each in ids_of}
    documents = [_document(owners[each.owner], each, "", word) for each, word in _worded(batch)]
    ids = dict.fromkeys(owners[each.serial] for each in batch.batteries)
    if "" in {each.owner for each in batch.layers} | {each.owner for each in batch.documents}:
        ids |= dict.fromkeys(each.id for each in await all_of(tx, Battery, model=batch.model))
    batches = {owners[each.serial]: each.batch for each in batch.batteries if each.batch}
    seen = await snapshot(tx, batch.model, ids, given, documents, batches)
    model = await tx.get(Model, batch.model)
    if model is None or model.status != PUBLISHED:
        return seen
    held = [await tx.get(Battery, id) for id in ids]
    own = frozenset(each.id for each in held if each is not None and each.status)
    telling = {owners[each.owner] for each in batch.layers if each.owner and each.part in ("nameplate", "condition")}
    stood = {each.id: await release.load(tx, each, published=True) for each in held if each is not None and each.id in telling}
    before = {id: passport.parts for id, passport in stood.items() if passport}
    return replace(seen, category=batch.category or model.category, public=frozenset(ids) - own, before=before)


async def write(tx: Transaction, batch: Batch, now: datetime, *, act: Act = Act.UPDATE, held_back: Collection[str] = ()) -> Written:
    """Store a batch whose values were examined; Clash when an id is taken or was, or when a passport takes no values any more.

    `act` is what the history calls a change; `held_back` are new batteries that are not published with their model.
    """
    owners = owners_of(batch)
    stored = await tx.get(Model, batch.model)
    if stored is None and not batch.category and not batch.draft:
        raise Malformed(
            f"{batch.model} is a new model of no category.", "What is asked of a passport depends on it.",
            "Write technical/GeneralInformation/BatteryCategory in the model's row, or import its folder first.", code="passport.invalid",
        )  # fmt: skip
    held = {each.serial: await tx.get(Battery, owners[each.serial]) for each in batch.batteries}
    await _check_free(tx, batch, stored, held)
    revisions = {batch.model: stored.revision + 1 if stored else 1}
    revisions |= {owners[serial]: each.revision + 1 if each else 1 for serial, each in held.items()}
    made_in = {each.serial: each.batch or _batch_of(held[each.serial]) for each in batch.batteries}
    layers, touched = await _layers(tx, batch, owners, revisions, made_in, now)
    documents = await _documents(tx, batch, owners, revisions)
    owned: list[Layer | Document] = [*layers, *documents]
    news: dict[str, set[str]] = {}
    for each in owned:
        if isinstance(each, Document) or each.owner in touched:
            owner = each.owner.partition("/batch/")[0]  # what a batch shares is told with its model
            news.setdefault(owner, set()).add(each.part if isinstance(each, Layer) else "documents")
    model = _model(tx, batch, stored, news, now, act)
    batteries = _batteries(tx, batch, held, (model, owners, news, set(held_back)), now, act)
    changed = [each.id for each in owned] + [each.id for each in batteries] + ([model.id] if model != stored else [])
    return Written(model=model, batteries=tuple(owners[each.serial] for each in batch.batteries), changed=tuple(changed))


# --- identity ------------------------------------------------------------------------------------


def _mint(model: str, serial: str) -> str:
    with reading(f"The serial number {serial!r}"):
        return checked_id("The battery", mint_battery(model, serial))


async def _check_free(tx: Transaction, batch: Batch, stored: Model | None, held: Mapping[str, Battery | None]) -> None:
    """Ids are unique in the node, over models and batteries both; an alias means one battery, and what was used once stays used."""
    await lives.check_unused(tx, [batch.model] if stored is None else [])
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
        taken = held[each.serial]
        if taken is None:
            await lives.check_unused(tx, [id, *each.aliases])
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


def _keep(tx: Transaction, stored: Layer | Document, revision: int) -> None:
    """What is about to be replaced in a revision stays as it was."""
    last = revision - 1
    past = Past(id=f"{stored.id}@{last:09d}", since=min(stored.since, last), last=last)
    if isinstance(stored, Layer):
        tx.put(replace(past, layer=stored))
    else:
        tx.put(replace(past, document=stored, sha256=stored.sha256))


async def _layers(
    tx: Transaction, batch: Batch, owners: Mapping[str, str], revisions: Mapping[str, int], made_in: Mapping[str, str], now: datetime
) -> tuple[list[Layer], set[str]]:
    """The layers written, and whose values they change; a layer that reads the same over what it is laid on is no news."""
    written: list[Layer | None] = []
    news = set()
    for each in batch.layers:
        owner = _owner(batch, owners, each)
        id = f"{owner}/{each.part}"
        stored = await tx.get(Layer, id)
        below = await _below(tx, batch.model, each, made_in.get(each.owner, ""))
        tree = await _laid(tx, id, each)
        content = write_json(tree).decode()
        if below is not None and _reads_the_same(below, stored, tree):
            if stored is None:
                continue
            content = stored.content
        layer = stored or Layer(id=id, owner=owner, part=each.part, content=content)
        if stored is None or stored.content != content:
            news.add(owner)
            since = revisions[batch.model if each.batch else owner]
            layer = replace(layer, content=content, since=since, source=batch.source, at=now, who=batch.who)
            if stored is not None:
                _keep(tx, stored, since)
        # A form without remainder (a folder) knows nothing of it and takes nothing away.
        written.append(_put(tx, replace(layer, remainder=each.remainder or layer.remainder), stored))
    return [layer for layer in written if layer is not None], news


async def _below(tx: Transaction, model: str, layer: LayerIn, made_in: str) -> Tree:
    """What a layer of a batch or an item is laid over, as it is stored; None for a model's, and where nothing is."""
    if not layer.owner and not layer.batch:
        return None
    owners = (model, batch_owner(model, made_in)) if layer.owner and made_in else (model,)
    stored = [await tx.get(Layer, f"{each}/{layer.part}") for each in owners]
    return merge([read_json(each.content) for each in stored if each is not None])


async def _laid(tx: Transaction, id: str, layer: LayerIn) -> Tree:
    """A layer as it will be stored: whole, or laid over what is there (a spreadsheet's empty cells say nothing)."""
    stored = await tx.get(Layer, id) if layer.over else None
    if stored is None:
        return layer.tree
    before = read_json(stored.content)
    laid = merge([before, layer.tree])
    return before if _alike(before, laid) else laid


def _alike(one: Tree, other: Tree) -> bool:
    """Whether two trees say the same, in whatever order they name it; a number is not its digits as a text."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return type(one) is type(other) and one == other


def _whole(batch: Batch) -> bool:
    """Whether a batch says what a model is, and not only some of its values (a spreadsheet)."""
    return not batch.layers or not all(each.over for each in batch.layers)


def _reads_the_same(below: Tree, stored: Layer | None, tree: Tree) -> bool:
    """Whether an item's new layer over its model's reads as what is there now does."""
    now = merge([below, read_json(stored.content)]) if stored else below
    return _alike(merge([below, tree]), now)


async def _documents(tx: Transaction, batch: Batch, owners: Mapping[str, str], revisions: Mapping[str, int]) -> list[Document]:
    """Kept with the kind that was stated; whether the passport's elements agree is decided whenever it is read.

    An item's document that its model has byte for byte is the model's.
    """
    written = []
    for each, word in _worded(batch):
        document = _document(owners[each.owner], each, tx.keep(each.content), word)
        shared = await tx.get(Document, f"{batch.model}.doc-{word}") if each.owner else None
        if shared is None or (shared.identifier, shared.sha256) != (document.identifier, document.sha256):
            stored = await tx.get(Document, document.id)
            if stored is not None and replace(stored, version=0, since=1) == document:
                continue
            if stored is not None:
                _keep(tx, stored, revisions[document.owner])
            written.append(_put(tx, replace(document, since=revisions[document.owner]), stored))
    return [document for document in written if document is not None]


def _document(owner: str, given: DocumentIn, sha256: str, word: str) -> Document:
    return Document(
        id=f"{owner}.doc-{word}",
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


def _worded(batch: Batch) -> Iterator[tuple[DocumentIn, str]]:
    """Each document with the last part of its id: its identifier's word, of further languages with their tag."""
    taken: set[tuple[str, str]] = set()
    for each in batch.documents:
        word = _word(each.identifier)
        variant = f"{word}.{_word(each.language)}" if (each.owner, word) in taken and each.language else word
        taken.add((each.owner, word))
        yield each, variant


def _word(identifier: str) -> str:
    """`dismantling-manual`; an identifier outside our alphabet keeps its last words and gets a digest."""
    word = _NOT_IN_IDS.sub("-", identifier).strip("-")
    if word != identifier or len(word) > 60:
        word = f"{word[-40:].strip('-')}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"
    return word


def _model(tx: Transaction, batch: Batch, stored: Model | None, news: Mapping[str, set[str]], now: datetime, act: Act) -> Model:
    identifiers = {**(stored.identifiers if stored else {}), **batch.identifiers}
    notes = tuple(in_words(finding) for finding in batch.findings)
    if batch.draft:
        act = Act.TEMPLATE
    elif stored is None or stored.status == DRAFT:
        act = Act.IMPORT
    if stored is None:
        status = lives.next_state(batch.model, None, act)
        new = Model(id=batch.model, category=batch.category, identifiers=identifiers, status=status, changed=now, made=now, notes=notes)
        written = tx.put(new)
        lives.tell(tx, written, act, parts=sorted(news.get(batch.model, ())))
        return written
    notes = notes if _whole(batch) else stored.notes
    after = replace(stored, category=batch.category or stored.category, identifiers=identifiers, notes=notes)
    changes = batch.model in news
    if after == stored and not changes and (act is not Act.IMPORT):
        return stored
    status = lives.next_state(stored.id, stored.status, act)
    written = tx.put(replace(after, status=status, revision=stored.revision + changes, changed=now))
    if changes or status != stored.status:
        lives.tell(tx, written, act, parts=sorted(news.get(batch.model, ())))
    return written


def _batteries(
    tx: Transaction, batch: Batch, held: Mapping[str, Battery | None],
    of: tuple[Model, Mapping[str, str], Mapping[str, set[str]], set[str]], now: datetime, act: Act,
) -> list[Battery]:  # fmt: skip
    """The batteries written; one that is complete goes with its model, another waits for its own publication."""
    model, owners, news, held_back = of
    written = []
    for each in batch.batteries:
        id, stored = owners[each.serial], held[each.serial]
        aliases = tuple(sorted({*(stored.aliases if stored else ()), *each.aliases}))
        if stored is None:
            lives.check_takes_batteries(model)
            waits = State.IMPORTED.value if id in held_back else ""
            new = Battery(id=id, model=batch.model, serial=each.serial, aliases=aliases, status=waits, changed=now, made=now)
            new = replace(new, batch=each.batch, batched=1)
            written.append(tx.put(new))
            if waits:
                lives.tell(tx, written[-1], Act.IMPORT, parts=sorted(news.get(id, ())))
            continue
        joins = each.batch if each.batch != stored.batch else ""
        if id in news or joins or aliases != stored.aliases:
            lives.next_state(id, lives.state_of(model, stored), act)
            after = replace(stored, aliases=aliases, revision=stored.revision + (id in news or joins != ""), changed=now)
            written.append(tx.put(_joined(after, joins)))
            if id in news or joins:
                lives.tell(tx, written[-1], act, parts=sorted(news.get(id, ())))
    return written


def _batch_of(battery: Battery | None) -> str:
    return battery.batch if battery else ""


def _joined(battery: Battery, batch: str) -> Battery:
    """The battery with the batch it is told now; Clash when it has another one: a battery is made once."""
    if batch and battery.batch:
        raise Clash(
            f"{battery.id} cannot be of the batch {batch}.", f"It was made in {battery.batch}.", "A battery is made once.",
            code="passport.batch",
        )  # fmt: skip
    return replace(battery, batch=batch, batched=battery.revision) if batch else battery
