"""Judge a passport against the 71 data points for its category and a day: what is there, what is missing, what may not be shown.

`missing` is what stands against publishing; `report` is everything `saltbridge passport check` tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from submodels.errors import Finding
from submodels.passport import Passport
from submodels.points import DOCUMENTS, MODEL, Held, Point, Status, changes, found, held, lacks, points, status

_ASKED = (Status.MANDATORY, Status.OPTIONAL, Status.CONDITIONAL)


class Standing(StrEnum):
    """How a passport stands to one data point."""

    MISSING = "missing"  # mandatory, and not there
    INVALID = "invalid"  # there, and wrong
    UNWANTED = "unwanted"  # there, and not to be filled
    WITHHELD = "withheld"  # there and pending: kept, and shown to nobody
    PRESENT = "present"
    ABSENT = "absent"  # not there, and nothing is wrong with that


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One data point: what is asked, how the passport stands, and what to do."""

    point: Point
    status: Status
    standing: Standing
    where: tuple[str, ...]  # paths it stands at
    next: str = ""
    later: tuple[tuple[date, Status], ...] = ()  # what will be asked, as far as it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A passport judged for a category and a day."""

    battery: str
    category: str
    day: date
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """Whether it may be published: no mandatory point is missing and nothing is an error."""
        return not any(finding.severity == "error" for finding in self.findings)


def missing(passport: Passport, day: date) -> tuple[Finding, ...]:
    """The mandatory data points that a passport lacks on a day: what stands against publishing it; empty when nothing does.

    One error for each, in the order of the points: `point` is its number, `where` the place it belongs to, `what` its name and
    clause, `next` what to write and where.  Judged by `passport.category` (Invalid for one that the guidance does not know).
    `submodels.check.missing` is the name to import it by.
    """
    has = held(passport.parts, passport.documents, passport.model)
    wanted = (point for point in points().values() if status(point.number, passport.category, day) is Status.MANDATORY)
    return tuple(_missing(point, has) for point in wanted if lacks(point, has) or not point.homes)


def report(passport: Passport, day: date, others: Iterable[Finding] = ()) -> Report:
    """Every verdict and every finding: `others` (of `check.check` and `check.thorough`) and those about data points.

    A missing element is told once: by the data point that asks for it, not again by its template.
    """
    has = held(passport.parts, passport.documents, passport.model)
    lacking = missing(passport, day)
    told = [each for each in others if not _told_by_a_point(each, lacking)]
    asked = {place for point in points().values() for place in point.places if status(point.number, passport.category, day) in _ASKED}
    unwanted = tuple(_unwanted(passport.category, day, has, asked))
    wrong = {each.where: each.what for each in told if each.severity == "error"}
    verdicts = tuple(_verdict(point, status(point.number, passport.category, day), has, (wrong, asked)) for point in points().values())
    verdicts = tuple(replace(each, later=tuple(changes(each.point.number, passport.category, day))) for each in verdicts)
    return Report(battery=passport.battery, category=passport.category, day=day, verdicts=verdicts, findings=(*lacking, *unwanted, *told))


# --- one point -------------------------------------------------------------------------------------


def _verdict(point: Point, asked: Status, has: Held, known: tuple[Mapping[str, str], Collection[str]]) -> Verdict:
    wrong, wanted = known
    where, groups = found(point, has), lacks(point, has)
    there = bool(point.homes) and not groups
    standing, next = Standing.ABSENT, ""
    if asked is Status.PENDING:
        standing = Standing.WITHHELD if where else Standing.ABSENT
        next = "kept, and shown to nobody until an act says so" if where else "not to be shown before an act says so"
    elif asked is Status.NOT_TO_BE_FILLED:
        surplus = [path for path in where if _template(path) not in wanted]
        standing, where = (Standing.UNWANTED, tuple(surplus)) if surplus else (Standing.ABSENT, ())
        next = "leave it out" if surplus else "" if point.homes else point.note
    elif there:
        why = [what for each, what in wrong.items() if any(_beside(path, each) for path in where)]
        standing, next = (Standing.INVALID, why[0]) if why else (Standing.PRESENT, "")
    elif asked is Status.MANDATORY:
        standing, next = Standing.MISSING, what_to_do(point, groups)
    else:
        next = f"{what_to_do(point, groups)}, {point.condition}" if asked is Status.CONDITIONAL else ""
    return Verdict(point=point, status=asked, standing=standing, where=where, next=next)


def _beside(path: str, wrong: str) -> bool:
    """Whether what is wrong is this leaf or holds it."""
    return path == wrong or path.startswith(f"{wrong}/") or wrong.startswith(f"{path}/")


def _missing(point: Point, has: Held) -> Finding:
    groups = lacks(point, has)
    where = groups[0][0] if groups else f"point {point.number}"
    clause = point.clause if point.clause.startswith("Art.") else f"Annex {point.clause}"
    return Finding(where, f"{point.name} is missing ({clause})", what_to_do(point, groups), "error", f"point.{point.number}", point.number)


def _unwanted(category: str, day: date, has: Held, asked: Collection[str]) -> Iterator[Finding]:
    """Points that are filled though they are not to be, unless the same leaf is asked for as another point."""
    for point in points().values():
        if status(point.number, category, day) is Status.NOT_TO_BE_FILLED:
            for path in found(point, has):
                if _template(path) not in asked:
                    what = f"is {point.name}, which is not to be filled for this category"
                    yield Finding(path, what, "leave it out", "warning", f"unwanted.{point.number}", point.number)


def _template(path: str) -> str:
    return "/".join("*" if step.isdecimal() else step for step in path.split("/"))


def _told_by_a_point(each: Finding, lacking: Iterable[Finding]) -> bool:
    if each.rule not in ("element.missing", "list.empty"):
        return False
    template = _template(each.where)
    places = (place for one in lacking for place in (one.where, *points()[one.point].places))
    return any(place == template or place.startswith(f"{template}/") for place in places)


def what_to_do(point: Point, groups: Sequence[Sequence[str]]) -> str:
    """What to write, and where, so that a point that lacks these groups is there."""
    if not point.homes:
        return point.note or "no element carries it"
    wanted = [" or ".join(_named(place) for place in group) for group in groups]
    for_whom = f", where {point.entry.rpartition('/')[2]} names {point.words[0]}" if point.words else ""
    return f"give {' and '.join(wanted)}{for_whom}"


def _named(place: str) -> str:
    part, _, path = place.partition("/")
    if place == MODEL:
        return "the model's id in model.toml"
    return f"a document of the kind {path}" if part == DOCUMENTS else place
