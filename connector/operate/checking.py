"""Passports examined as they will be read, before they are stored or published.

Reading takes a transaction, examining takes time: so the one makes a `Snapshot`, the other works on it in a thread, and
whoever writes afterwards asks whether the snapshot still stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

from connector.errors import Malformed, Unavailable
from connector.exchange import release
from connector.exchange.conversation import TRIES
from connector.operate.all_of import all_of
from connector.ports import Conflict, Transaction, World
from connector.records import Battery, Document, Json, Layer, batch_owner
from submodels import compare
from submodels.check import Told, check, missing
from submodels.documents import PassportDocument
from submodels.errors import Finding
from submodels.passport import Passport, merge
from submodels.table import PARTS
from submodels.value import Tree, read_json

T = TypeVar("T")
Findings = tuple[Finding, ...]

NONE: Mapping[str, str] = {}
SHOWN = 50  # findings that one error lists
NAMED = 3  # batteries that one finding names


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Batteries with their merged parts and documents; `basis` are the versions of the layers they were read from."""

    batteries: Mapping[str, Mapping[str, Tree]]
    documents: Mapping[str, Sequence[PassportDocument]]  # by owner
    model: str
    basis: Mapping[str, int] = field(repr=False)
    category: str = ""
    public: frozenset[str] = frozenset()  # those of the batteries that are published, or are to be: nothing mandatory may lack
    before: Mapping[str, Mapping[str, Tree]] = field(default_factory=dict, repr=False)  # of the published: what they say until now

    async def still_stands(self, tx: Transaction) -> None:
        """Conflict when a layer was written since: read and examine again."""
        for id, version in self.basis.items():
            stored = await tx.get(Layer, id)
            if (stored.version if stored else 0) != version:
                raise Conflict(f"layer {id} changed meanwhile")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: of the values, and which mandatory points the batteries lack that are to be public."""

    findings: Findings
    lacking: Mapping[str, Findings] = field(default_factory=dict)


async def snapshot(
    tx: Transaction, model: str, batteries: Iterable[str], given: Mapping[str, Tree], documents: Iterable[Document] = (),
    batches: Mapping[str, str] = NONE,
) -> Snapshot:  # fmt: skip
    """These batteries as they would be read with the `given` layers (by layer id) and documents over what is stored.

    `batches` names the batch of those that are told theirs now; the others keep the one they have.
    """
    basis: dict[str, int] = {}
    of_batches: dict[str, dict[str, Tree]] = {}

    async def layer(owner: str, part: str) -> Tree:
        id = f"{owner}/{part}"
        stored = await tx.get(Layer, id)
        basis[id] = stored.version if stored else 0
        if id in given:
            return given[id]
        return read_json(stored.content) if stored else None

    async def below(battery: str) -> Mapping[str, Tree]:
        """What a battery's own values are laid over."""
        stored = None if battery in batches else await tx.get(Battery, battery)
        name = batches.get(battery) or (stored.batch if stored else "")
        if name and name not in of_batches:
            owner = batch_owner(model, name)
            of_batches[name] = {part: merge([shared[part], await layer(owner, part)]) for part in PARTS}
        return of_batches.get(name, shared)

    shared = {part: await layer(model, part) for part in PARTS}
    merged: dict[str, dict[str, Tree]] = {}
    for id in batteries:
        beneath = await below(id)
        stacks = {part: merge([beneath[part], await layer(id, part)]) for part in PARTS}
        merged[id] = {part: tree for part, tree in stacks.items() if tree is not None}
    # Ids of documents begin with their owner's, a battery's with its model's: one walk for all of them.
    held = {each.id: each for each in await all_of(tx, Document, prefix=f"{model}.")} | {each.id: each for each in documents}
    owned: dict[str, list[PassportDocument]] = {}
    for each in held.values():
        owned.setdefault(each.owner, []).append(release.document_of(each))
    return Snapshot(merged, owned, model, basis)


async def examined(
    world: World, read: Callable[[Transaction], Awaitable[Snapshot]], write: Callable[[Transaction, Seen], Awaitable[T]]
) -> T:
    """Read a snapshot, examine it, then write in one transaction; from the start when a layer changed meanwhile."""
    for _ in range(TRIES):
        async with world.store.transaction() as tx:
            seen = await read(tx)
        found = await examine(seen, world.clock.now().date())
        try:
            async with world.store.transaction() as tx:
                await seen.still_stands(tx)
                result = await write(tx, found)
            return result
        except Conflict:
            continue
    raise Unavailable("Too many writers at once.", next="Try again.", retry_after=1.0)


async def examine(seen: Snapshot, day: date) -> Seen:
    """What is to be said of the batteries, each finding once, and what the law of that day misses; Malformed for a value that cannot be."""
    found = await asyncio.to_thread(_examine, seen, day)
    refuse(seen.model, found.findings)
    return found


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


def refuse_incomplete(model: str, lacking: Mapping[str, Findings]) -> None:
    """Raise Malformed with the list when a passport that is to be public lacks what is mandatory for its category and today."""
    each = _grouped(lacking, len(lacking))
    if each:
        more = len(each) - SHOWN
        raise Malformed(
            f"{model} is not complete: {len(each)} mandatory data point{'s are' if len(each) > 1 else ' is'} missing.",
            next="Give the values, import them, and publish again.",
            code="passport.incomplete",
            details=[in_words(finding) for finding in each[:SHOWN]] + ([f"and {more} more"] if more > 0 else []),
        )


def lacks(seen: Snapshot, id: str, day: date) -> Findings:
    """The mandatory points that one battery of a snapshot lacks on a day."""
    documents = (*seen.documents.get(seen.model, ()), *seen.documents.get(id, ()))
    parts = seen.batteries[id]
    return missing(Passport(battery=id, model=seen.model, category=seen.category, revision="", parts=parts, documents=documents), day)


def finding_json(finding: Finding) -> Json:
    return {
        "where": finding.where,
        "what": finding.what,
        "next": finding.next,
        "severity": finding.severity,
        "rule": finding.rule,
        "point": finding.point,
    }


def in_words(finding: Finding) -> str:
    """A finding on one line."""
    return f"{finding.where}: {finding.what}" + (f" - {finding.next}" if finding.next else "")


def _examine(seen: Snapshot, day: date) -> Seen:
    found: dict[str, Findings] = {}
    told: Told = {}
    for id, parts in seen.batteries.items():
        documents = (*seen.documents.get(seen.model, ()), *seen.documents.get(id, ()))
        found[id] = check(parts, documents, told) + (compare.since(seen.before[id], parts) if id in seen.before else ())
    lacking = {id: lacks(seen, id, day) for id in seen.batteries if id in seen.public}
    return Seen(_grouped(found, len(seen.batteries)), {id: each for id, each in lacking.items() if each})


def _grouped(found: Mapping[str, Findings], of: int) -> Findings:
    """Each finding once, with the batteries it is about."""
    about: dict[Finding, list[str]] = {}
    for id, findings in found.items():
        for finding in findings:
            about.setdefault(finding, []).append(id)
    return tuple(_of_these(finding, ids, of) for finding, ids in about.items())


def _of_these(finding: Finding, ids: Sequence[str], of: int) -> Finding:
    """The finding with the batteries it is about, when it is not about all of them."""
    if len(ids) == of and of > 1:
        return finding
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return replace(finding, where=f"{', '.join(ids[:NAMED])}{more}: {finding.where}")
