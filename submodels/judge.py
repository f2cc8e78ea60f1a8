"""Judge a passport against the 71 data points for its category and a day: what is there, what is missing, what may not be shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from submodels.errors import Finding
from submodels.passport import Passport
from submodels.points import DOCUMENTS, MODEL, Held, Point, Status, held, lacks, points, status


def missing(passport: Passport, day: date) -> tuple[Finding, ...]:
    """The mandatory data points that a passport lacks on a day: what stands against publishing it; empty when nothing does.

    One error for each, in the order of the points: `point` is its number, `where` the place it belongs to, `what` its name and
    clause, `next` what to write and where.  Judged by `passport.category` (Invalid for one that the guidance does not know).
    `submodels.check.missing` is the name to import it by.
    """
    has = held(passport.parts, passport.documents, passport.model)
    wanted = (point for point in points().values() if status(point.number, passport.category, day) is Status.MANDATORY)
    return tuple(_missing(point, has) for point in wanted if lacks(point, has) or not point.homes)


def _missing(point: Point, has: Held) -> Finding:
    groups = lacks(point, has)
    where = groups[0][0] if groups else f"point {point.number}"
    clause = point.clause if point.clause.startswith("Art.") else f"Annex {point.clause}"
    return Finding(where, f"{point.name} is missing ({clause})", what_to_do(point, groups), "error", f"point.{point.number}", point.number)


def what_to_do(point: Point, groups: Sequence[Sequence[str]]) -> str:
    """What to write, and into which file, so that a point that lacks these groups is there."""
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
