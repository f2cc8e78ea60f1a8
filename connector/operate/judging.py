"""Stored passports judged and explained to their operator: the check, where each value comes from.

What is told names elements, clauses and layers, never a value: the operator reads those with `passports.show`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from connector.errors import Hidden, Malformed
from connector.exchange import release
from connector.exchange.versions import Version
from connector.operate import names
from connector.operate.checking import finding_json
from connector.operate.reading import reading
from connector.ports import Transaction, World
from connector.records import Battery, Document, Json, Layer, Model
from connector.text import utc
from submodels import matrix, provenance, thorough
from submodels.batch import Batch
from submodels.documents import KINDS
from submodels.errors import Finding
from submodels.grant import AttributeGrant, make_grant
from submodels.judge import Report, Verdict
from submodels.lifecycle import standing
from submodels.passport import Passport
from submodels.points import applies_from, column, pending
from submodels.table import PARTS
from submodels.value import Tree, read_json
from submodels.view import Redacted

MOST = 1000  # batteries that one check judges


@dataclass(frozen=True, slots=True)
class _Case:
    """What one battery is judged by."""

    passport: Passport
    layers: tuple[provenance.Layer, ...]
    before: Mapping[str, Tree] | None


async def check(world: World, name: str, category: str = "", day: str = "") -> Json:
    """The report of a battery, or of every battery of a model; of a model without batteries, of what it says by itself.

    `category` and `day` (2027-02-18) take the place of the passport's own and of today.  Raises Hidden, Malformed.
    """
    on = day_of(day) if day else world.clock.now().date()
    async with world.store.transaction() as tx:
        cases = await _cases(tx, name)
    return await asyncio.to_thread(_judge, cases, category, on)


def check_batch(batch: Batch, category: str, day: date) -> Json:
    """The report of every battery that a folder, package or file brings; nothing is stored.  Malformed where nothing can be judged."""
    cases = [_Case(passport, layers, None) for passport, layers in thorough.passports(batch)]
    with reading("The passport"):
        reports = [_report(case, category, day) for case in cases]
    told_anyway = {finding.what for report in reports for finding in report.findings}
    return report_json(reports, day, [each for each in batch.findings if each.what not in told_anyway])


def day_of(text: str) -> date:
    """A day that somebody wrote; Malformed otherwise."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{text!r} is no day.", next="Write it as 2027-02-18.", code="input.invalid", where="date") from None


async def _cases(tx: Transaction, name: str) -> list[_Case]:
    model = await tx.get(Model, name)
    if model is None:
        return [await _case(tx, await names.battery(tx, name))]
    batteries = await tx.find(Battery, model=model.id, limit=MOST)
    if batteries:
        return [await _case(tx, each) for each in batteries]
    layers = tuple([_layer(each, model.id, "") for each in await tx.find(Layer, owner=model.id)])
    documents = tuple([release.document_of(each) for each in await tx.find(Document, owner=model.id)])
    parts = {each.part: each.tree for each in layers}
    whole = Passport(battery=model.id, model=model.id, category=model.category, revision="", parts=parts, documents=documents)
    return [_Case(whole, layers, None)]


async def _case(tx: Transaction, battery: Battery) -> _Case:
    passport = await release.load(tx, battery, published=False)
    model = await tx.get(Model, battery.model)
    if passport is None or model is None:
        raise Hidden(f"No battery {battery.id} here.", "saltbridge passport list")
    before = None
    if battery.revision > 1:
        version = Version(model.revision, battery.revision - 1, battery.changed, standing(model.status, battery.status))
        was = await release.load(tx, battery, published=False, version=version)
        before = was.parts if was else None
    return _Case(passport, await layers_of(tx, battery), before)


def _judge(cases: Sequence[_Case], category: str, day: date) -> Json:
    with reading("The category"):
        reports = [_report(case, category, day) for case in cases]
    return report_json(reports, day)


def _report(case: _Case, category: str, day: date) -> Report:
    passport = replace(case.passport, category=category.lower()) if category else case.passport
    return thorough.judged(passport, day, case.layers, case.before)


# --- as JSON ---------------------------------------------------------------------------------------


def report_json(reports: Iterable[Report], day: date, others: Iterable[Finding] = ()) -> Json:
    """Reports that say the same once, with the batteries that they are about; `others` are of what was read.

    The places of what is there (`where`) are those of the first: lists of different lengths are no difference.
    """
    told: dict[object, Json] = {}
    for report in reports:
        key = (report.category, report.findings, tuple((each.standing, each.next) for each in report.verdicts))
        if key not in told:
            told[key] = {"batteries": [], **_one(report)}
        told[key]["batteries"].append(report.battery)
    return {
        "date": day.isoformat(),
        "applies_from": applies_from().isoformat(),
        "complete": all(each["complete"] for each in told.values()),
        "reports": list(told.values()),
        "reading": [finding_json(finding) for finding in others],
    }


def _one(report: Report) -> Json:
    counts: dict[str, int] = {}
    for verdict in report.verdicts:
        counts[verdict.standing.value] = counts.get(verdict.standing.value, 0) + 1
    return {
        "category": report.category,
        "judged_as": column(report.category),
        "complete": report.complete,
        "counts": counts,
        "points": [_verdict_json(verdict) for verdict in report.verdicts],
        "findings": [finding_json(finding) for finding in report.findings],
    }


def _verdict_json(verdict: Verdict) -> Json:
    point = verdict.point
    return {
        "point": point.number,
        "name": point.name,
        "clause": point.clause,
        "section": point.section,
        "seen_by": point.seen_by,
        "level": point.level,
        "behaviour": point.behaviour,
        "status": verdict.status.value,
        "standing": verdict.standing.value,
        "where": list(verdict.where),
        "next": verdict.next,
        "later": [{"from": since.isoformat(), "status": status.value} for since, status in verdict.later],
    }


# --- where values come from ------------------------------------------------------------------------


async def layers_of(tx: Transaction, battery: Battery) -> tuple[provenance.Layer, ...]:
    """The layers of a battery's passport, the model's first."""
    stored = [each for owner in battery.owners for each in await tx.find(Layer, owner=owner)]
    return tuple(_layer(each, battery.model, battery.id) for each in stored)


def _layer(stored: Layer, model: str, battery: str) -> provenance.Layer:
    level = "model" if stored.owner == model else "item" if stored.owner == battery else "batch"
    owner = stored.owner.rpartition("/")[2]
    return provenance.Layer(
        level=level, owner=owner, part=stored.part, tree=read_json(stored.content), source=stored.source, at=stored.at, who=stored.who
    )


async def origins(world: World, name: str) -> Json:
    """Of every leaf of a battery's passport: which level says it, from which source, since when, by whom."""
    async with world.store.transaction() as tx:
        battery = await names.battery(tx, name)
        layers = await layers_of(tx, battery)
    return {
        "battery": battery.id,
        "model": battery.model,
        "batch": battery.batch,
        "elements": [_origin_json(path, layer) for path, layer in provenance.by_path(layers).items()],
    }


def _origin_json(path: str, layer: provenance.Layer) -> Json:
    at = utc(layer.at) if isinstance(layer.at, datetime) else ""
    return {"path": path, "level": layer.level, "owner": layer.owner, "source": layer.source, "at": at, "who": layer.who}


# --- the matrix ------------------------------------------------------------------------------------


def law(category: str, day: date) -> Json:
    """Who may see what of any passport of a category on a day; Malformed for a category that nobody knows."""
    with reading("The category"):
        column(category)
    lines = matrix.matrix(category, day)
    return {
        "date": day.isoformat(),
        "category": category,
        "battery": "",
        "counts": matrix.counts(lines),
        "lines": [_line(each) for each in lines],
    }


async def matrix_of(world: World, name: str, day: str = "") -> Json:
    """The same of one battery, or of the first of a model: only what it has, and how many values of it each audience gets.

    The lines are derived from the table, the numbers counted in what `select` lets out; `agrees` says whether both say one thing.
    """
    on = day_of(day) if day else world.clock.now().date()
    async with world.store.transaction() as tx:
        model = await tx.get(Model, name)
        battery = next(iter(await tx.find(Battery, model=name, limit=1)), None) if model else await names.battery(tx, name)
        model = model or (await tx.get(Model, battery.model) if battery else None)
    if battery is None or model is None:
        raise Hidden(f"{name} has no battery.", next="saltbridge passport list")
    waiting = pending(model.category, on)
    there = _there(await release.operator(world, battery.id), waiting)
    given = {who: _there(await release.preview(world, battery.id, _everything(who), who, on), waiting) for who in matrix.AUDIENCES}
    told = law(model.category, on)
    lines = []
    for each in told["lines"]:
        key = (each["place"], each["when"])
        got = {who: given[who][key] for who in matrix.AUDIENCES}
        if there[key]:
            lines.append(each | {"values": there[key], "given": got})
    right = all(got == (each["values"] if each["sees"][who] == matrix.YES else 0) for each in lines for who, got in each["given"].items())
    tallies = {who: _tally(lines, who) for who in matrix.AUDIENCES}
    return told | {"battery": battery.id, "lines": lines, "counts": tallies, "agrees": right}


def _everything(ceiling: str) -> AttributeGrant:
    return make_grant([f"{part}/**" for part in PARTS], list(KINDS), ceiling)


def _there(seen: Redacted, waiting: Iterable[int]) -> Counter[tuple[str, str]]:
    return matrix.tally(seen.parts, [each.kind for each in seen.documents], waiting)


def _tally(lines: Iterable[Json], who: str) -> Json:
    counted = Counter(each["sees"][who] for each in lines)
    return {answer: counted[answer] for answer in (matrix.YES, matrix.NO, matrix.PENDING)}


def _line(line: matrix.Line) -> Json:
    return {
        "place": line.place,
        "when": line.when,
        "points": list(line.points),
        "annex": list(line.annex),
        "class": line.audience or "",
        "sees": dict(line.sees),
        "decided": line.decided,
    }
