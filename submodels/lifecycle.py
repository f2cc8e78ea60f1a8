"""The life of a passport: one table (state, act) -> state, and which change of a battery's status needs a new passport.

A model and each of its batteries have a state; what counts for a battery is `standing(model, battery)`.  Pure: who may act,
what is checked before and what follows is the operator's side's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from submodels.errors import Invalid


class State(StrEnum):
    """Where a passport stands."""

    DRAFT = "draft"  # of a template: elements without a battery's values
    IMPORTED = "imported"  # whole or not, seen by its operator only
    PUBLISHED = "published"
    SUPERSEDED = "superseded"  # another passport follows; answered, no longer offered
    ARCHIVED = "archived"  # answered, no longer offered
    CEASED = "ceased"  # the battery was recycled: a signed statement is left (Art. 77(8))
    FORGOTTEN = "forgotten"  # never published and removed; its ids stay used


class Act(StrEnum):
    """What an operator does to a passport."""

    TEMPLATE = "template"  # import an official template
    IMPORT = "import"
    PUBLISH = "publish"
    UPDATE = "update"  # other values or documents: a new version
    STATUS = "status"  # the battery's own status, LifeCycleStage
    FOLLOW = "follow"  # say which passport it follows
    SUPERSEDE = "supersede"
    ARCHIVE = "archive"
    CEASE = "cease"
    FORGET = "forget"


NEW = None  # before the first import

TABLE: Mapping[tuple[State | None, Act], State] = {
    (NEW, Act.TEMPLATE): State.DRAFT,
    (NEW, Act.IMPORT): State.IMPORTED,
    (State.DRAFT, Act.TEMPLATE): State.DRAFT,
    (State.DRAFT, Act.IMPORT): State.IMPORTED,
    (State.DRAFT, Act.FORGET): State.FORGOTTEN,
    (State.IMPORTED, Act.UPDATE): State.IMPORTED,
    (State.IMPORTED, Act.STATUS): State.IMPORTED,
    (State.IMPORTED, Act.FOLLOW): State.IMPORTED,
    (State.IMPORTED, Act.PUBLISH): State.PUBLISHED,
    (State.IMPORTED, Act.FORGET): State.FORGOTTEN,
    (State.PUBLISHED, Act.PUBLISH): State.PUBLISHED,
    (State.PUBLISHED, Act.UPDATE): State.PUBLISHED,
    (State.PUBLISHED, Act.STATUS): State.PUBLISHED,
    (State.PUBLISHED, Act.FOLLOW): State.PUBLISHED,
    (State.PUBLISHED, Act.SUPERSEDE): State.SUPERSEDED,
    (State.PUBLISHED, Act.ARCHIVE): State.ARCHIVED,
    (State.PUBLISHED, Act.CEASE): State.CEASED,
    (State.SUPERSEDED, Act.ARCHIVE): State.ARCHIVED,
    (State.SUPERSEDED, Act.CEASE): State.CEASED,
    (State.ARCHIVED, Act.PUBLISH): State.PUBLISHED,
    (State.ARCHIVED, Act.SUPERSEDE): State.SUPERSEDED,
    (State.ARCHIVED, Act.CEASE): State.CEASED,
}
"""What is absent is refused.  An ended passport takes no values; from CEASED and FORGOTTEN nothing leads on."""

ANSWERED = frozenset({State.PUBLISHED, State.SUPERSEDED, State.ARCHIVED})
"""Whose content is given to whoever may have it."""

OFFERED = frozenset({State.PUBLISHED})
"""What new offers may be made of."""


def after(state: State | None, act: Act, what: str = "passport") -> State:
    """Where the act leads; Invalid when it is not for this state."""
    found = TABLE.get((state, act))
    if found is None:
        fit = ", ".join(str(each) for each, told in TABLE if told is act and each is not None) or "nothing"
        raise Invalid(what, f"is {state or 'new'}, and {act} is for what is {fit}", "saltbridge passport history shows how it came there")
    return found


def standing(model: str, own: str) -> State:
    """Where a battery stands: as its model, unless its own state says more; what either has not published is not."""
    states = {State(model), State(own or model)}
    for state in (State.DRAFT, State.IMPORTED):
        if state in states:
            return state
    return max(states, key=_RANK.__getitem__)


_RANK = {State.PUBLISHED: 0, State.ARCHIVED: 1, State.SUPERSEDED: 2, State.CEASED: 3, State.FORGOTTEN: 4}


# --- the status of the battery itself -------------------------------------------------------------

STAGES = ("original", "re-used", "repurposed", "remanufactured", "waste")
"""LifeCycleStage (Annex XIII 4(c), Art. 77(7)), in the spelling of the SAMM model."""

IN_PLACE, NEW_PASSPORT = "in place", "new passport"

STAGE_TABLE: Mapping[tuple[str, str], str] = {
    ("", "original"): IN_PLACE,
    **{(stage, "waste"): IN_PLACE for stage in STAGES if stage != "waste"},
    **{(stage, after): NEW_PASSPORT for stage in STAGES for after in STAGES[1:4]},
}
"""(status now, status then) -> how.  Whoever places a re-used, repurposed or remanufactured battery on the market makes a new
passport, linked to the old (Art. 77(7); IDTA guideline 1.2: with an id of its own); waste is a change of the passport that is."""


def stage(text: str) -> str:
    """A status in the spelling of the table, whatever its case (template: `Original`); Invalid for another word."""
    folded = text.strip().casefold().replace("reused", "re-used")
    if folded not in STAGES:
        raise Invalid("status", f"{text[:40]!r} is no status of a battery", f"one of {', '.join(STAGES)}")
    return folded


def stage_change(now: str, then: str) -> str:
    """How the battery's status may change: in place, or by a new passport; Invalid when it may not."""
    known = stage(now) if now else ""
    how = STAGE_TABLE.get((known, stage(then)))
    if how is None:
        raise Invalid("status", f"a battery that is {known or 'of no status'} does not become {stage(then)}", "look at its history")
    return how
