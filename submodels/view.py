"""The only way out: `select(passport, release)` makes a `Redacted`, and serialisers take nothing else.

Redaction is selection: a leaf leaves when the grant names its path and its class is within the ceiling, and what holds no
granted leaf does not appear at all - no empty container, no placeholder, no list position.  Handover entries have no
class of their own: each goes with the document it describes (grants.md 5).  Of a data point that is pending on the
release's day nothing leaves at all, whoever asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Final

from submodels.audience import Release
from submodels.documents import KINDS, PassportDocument, entry_identifiers, kinds_of, kinds_referred, kinds_stated
from submodels.errors import Invalid
from submodels.grant import AttributeGrant
from submodels.passport import NO_TIES, Passport, Ties
from submodels.paths import segments_of
from submodels.plan import NO_CLASS, NOT_IN_VIEW, ONLY_FOR, Place, Plan, beside, plan_of
from submodels.points import pending
from submodels.table import PARTS, Audience
from submodels.value import Tree, walk, write_json

__all__ = [
    "EXTERNAL",
    "MISSHAPEN",
    "NOT_IN_VIEW",
    "NO_CLASS",
    "NO_KIND",
    "ONLY_FOR",
    "TWO_KINDS",
    "Redacted",
    "Withheld",
    "at",
    "outside",
    "part_json",
    "parts_json",
    "select",
    "walk",
]

NO_KIND = "document of no kind"
TWO_KINDS = "document of two kinds"
EXTERNAL = "external URL"
MISSHAPEN = "not of the element's kind"
NONE = "none"  # the class of what has none

_EXTERNAL = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:|[/\\]{2})")  # a scheme, or an address without one


@dataclass(frozen=True, slots=True)
class Withheld:
    """What stayed behind at one path template and why; for preview and metrics, never written by a serialiser."""

    part: str  # a part key, or "documents"
    path: str  # pointer template; of a document its kind
    annex: tuple[str, ...]
    reason: str
    count: int
    audience: Audience | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What may leave: only `select` makes one."""

    battery: str
    model: str
    revision: str
    grant: str  # digest
    parts: Mapping[str, Tree] = field(repr=False)
    documents: tuple[PassportDocument, ...]
    elements: int  # distinct element paths with a value, handover entries apart (they count as documents)
    leaves: int
    ties: Ties = NO_TIES
    tally: Tally | None = field(default=None, repr=False, compare=False)

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What stayed behind, made when asked for: a pull rarely does."""
        return self.tally.withheld() if self.tally else ()

    @property
    def withheld_by_class(self) -> Mapping[str, int]:
        """How many element paths (and documents) stayed behind, by class; `none` for what has no class."""
        return self.tally.by_class if self.tally else {}


def select(passport: Passport, release: Release) -> Redacted:
    """The granted leaves and documents of the passport, in their order, and a note of what stayed behind."""
    if passport.battery != release.battery:
        raise Invalid("release", "is for another battery", "ask for this one")
    known = (kinds_stated(passport.documents), kinds_referred(passport.parts))
    if release.operator:
        return _whole(passport, release, known)
    plan = plan_of(release.grant, pending(passport.category, release.day))
    tally = Tally(plan.ceiling)
    parts: dict[str, Tree] = {}
    for part in PARTS:
        whole = passport.parts.get(part)
        picked = _entries(plan, whole, known, tally) if part == "handover" else _pick(plan.roots[part], whole, {}, tally)
        if picked is not _NOTHING:
            parts[part] = picked
    return Redacted(
        battery=passport.battery,
        model=passport.model,
        revision=passport.revision,
        grant=release.grant.digest,
        parts=parts,
        documents=tuple(_documents(plan, passport.documents, known, tally)),
        elements=sum(place.part != "handover" for place in tally.given),
        leaves=sum(tally.given.values()),
        ties=passport.ties,
        tally=tally,
    )


def _whole(passport: Passport, release: Release, known: Sequence[_Kinds]) -> Redacted:
    """The operator's own reading: everything, what has no class too."""
    parts = {part: whole for part in PARTS if (whole := passport.parts.get(part)) is not None}
    leaves = [(part, element) for part, whole in parts.items() for _, element, _ in walk(part, whole)]
    return Redacted(
        battery=passport.battery,
        model=passport.model,
        revision=passport.revision,
        grant=release.grant.digest,
        parts=parts,
        documents=tuple(replace(each, kind=_only(kinds_of([each.identifier], *known))) for each in passport.documents),
        elements=len({element.template for part, element in leaves if element and part != "handover"}),
        leaves=len(leaves),
        ties=passport.ties,
    )


# --- picking ---------------------------------------------------------------------------------------

_Kinds = Mapping[str, frozenset[str]]


class _Nothing(Enum):
    """No granted leaf below: the container does not appear."""

    NOTHING = "nothing"


_NOTHING: Final = _Nothing.NOTHING
_NO_SIBLINGS: Final[Mapping[str, Tree]] = {}


class Tally:
    """What left and what stayed, counted per place; holds no value of the passport."""

    def __init__(self, ceiling: str) -> None:
        self.ceiling = ceiling
        self.given: dict[Place, int] = {}
        self.kept: dict[tuple[Place, str, Audience | None], int] = {}
        self.others: Counter[tuple[str, str, tuple[str, ...], str, Audience | None]] = Counter()

    def keep(self, place: Place, reason: str, audience: Audience | None) -> None:
        key = (place, reason, audience)
        self.kept[key] = self.kept.get(key, 0) + 1

    def keep_unknown(self, part: str, pointer: str, value: Tree) -> None:
        self.others[part, pointer, (), NO_CLASS, None] += _scalars(value)

    def keep_shut(self, item: Place, entry: Tree) -> bool:
        """Whether a list entry may not be shown yet; counts it if so."""
        shut = next((each for each in item.shut if each.shuts(entry)), None)
        if shut is not None:
            self.others[item.part, item.pointer(), shut.annex, shut.reason, Audience.PUBLIC] += _scalars(entry)
        return shut is not None

    def keep_document(self, part: str, pointer: str, kind: str, reason: str) -> None:
        known = KINDS.get(kind)
        self.others[part, pointer, known.annex if known else (), reason, known.audience if known else None] += 1

    @cached_property
    def by_class(self) -> Mapping[str, int]:
        counted = Counter(audience.value if audience else NONE for _, _, audience in self.kept)
        for part, _, _, _, audience in self.others:
            counted[audience.value if audience else NONE] += part != "handover"  # an entry goes with its document
        return counted

    def withheld(self) -> tuple[Withheld, ...]:
        kept = ((place, place.element.annex if place.element else (), why, who, n) for (place, why, who), n in self.kept.items())
        return (
            *(Withheld(place.part, place.pointer(), annex, why, n, who) for place, annex, why, who, n in kept),
            *(Withheld(part, path, annex, why, n, who) for (part, path, annex, why, who), n in self.others.items()),
        )


def _pick(place: Place, value: Tree, siblings: Mapping[str, Tree], tally: Tally) -> Tree | _Nothing:
    """The granted leaves at and below a place, in the value's own order; _NOTHING when there are none."""
    if value is None:
        return _NOTHING
    if place.leaf:
        return _leaf(place, value, siblings, tally)
    if place.item is not None and type(value) is list:
        item = place.item
        shown = [each for each in value if not tally.keep_shut(item, each)] if item.shut else value
        items = [picked for each in shown if (picked := _pick(item, each, _NO_SIBLINGS, tally)) is not _NOTHING]
        return items or _NOTHING
    if place.item is not None or type(value) is not dict:
        tally.keep_unknown(place.part, place.pointer(), value)
        return _NOTHING
    found: dict[str, Tree] = {}
    for key, each in value.items():
        below = place.children.get(key)
        if below is None:
            tally.keep_unknown(place.part, place.pointer(key), each)
        elif (picked := _pick(below, each, value, tally)) is not _NOTHING:
            found[key] = picked
    return found or _NOTHING


def _leaf(place: Place, value: Tree, siblings: Mapping[str, Tree], tally: Tally) -> Tree | _Nothing:
    reason, audience = beside(place, siblings, tally.ceiling) if place.conditional else (place.reason, place.audience)
    if not reason:
        reason = _shape(place.kind, value, audience)
    if reason:
        tally.keep(place, reason, audience)
        return _NOTHING
    tally.given[place] = tally.given.get(place, 0) + 1
    return value


def _shape(kind: str, value: Tree, audience: Audience | None) -> str:
    """Why a value may not stand for an element of this kind; "" when it may.  What is not understood is not let out."""
    if kind == "MultiLanguageProperty":
        return "" if type(value) is list and all(map(_is_text, value)) else MISSHAPEN
    if kind == "File":
        if type(value) is not dict or not {"value"} <= value.keys() <= {"contentType", "value"}:
            return MISSHAPEN
        path = value["value"]
        if type(path) is not str or type(value.get("contentType", "")) is not str:
            return MISSHAPEN
        # An address elsewhere is a copy that we cannot guard; of a public file it harms nobody.
        return EXTERNAL if audience is not Audience.PUBLIC and _EXTERNAL.match(path) else ""
    return MISSHAPEN if isinstance(value, (dict, list)) else ""


def _is_text(value: Tree) -> bool:
    return type(value) is dict and all(type(text) is str for text in value.values())


def _scalars(value: Tree) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 1 if below is None else sum(map(_scalars, below))


# --- documents -------------------------------------------------------------------------------------


def _entries(plan: Plan, whole: Tree, known: Sequence[_Kinds], tally: Tally) -> Tree | _Nothing:
    """The handover entries of the documents that may leave, each whole."""
    if not isinstance(whole, dict):
        return _NOTHING
    listed = whole.get("Documents")
    entries = listed if isinstance(listed, list) else []
    for key, each in whole.items():
        if key != "Documents" or entries is not each:
            tally.keep_unknown("handover", f"/{key}", each)
    found: list[Tree] = []
    for entry in entries:
        kinds = kinds_of(entry_identifiers(entry), *known)
        reason = _why_kept(plan, kinds)
        if reason:
            tally.keep_document("handover", "/Documents/*", _only(kinds), reason)
        elif (picked := _pick(plan.entries[_only(kinds)], entry, {}, tally)) is not _NOTHING:
            found.append(picked)
    return {"Documents": found} if found else _NOTHING


def _documents(plan: Plan, documents: Sequence[PassportDocument], known: Sequence[_Kinds], tally: Tally) -> Iterator[PassportDocument]:
    """The documents that may leave, each with the kind it turned out to be."""
    for document in documents:
        kinds = kinds_of([document.identifier], *known)
        reason = _why_kept(plan, kinds)
        if reason:
            tally.keep_document("documents", _only(kinds), _only(kinds), reason)
        else:
            yield replace(document, kind=_only(kinds))


def _why_kept(plan: Plan, kinds: frozenset[str]) -> str:
    if len(kinds) != 1:
        return TWO_KINDS if kinds else NO_KIND
    return plan.kinds.get(_only(kinds), NO_KIND)


def _only(kinds: frozenset[str]) -> str:
    return next(iter(kinds)) if len(kinds) == 1 else ""


# --- what takes a Redacted -------------------------------------------------------------------------


def part_json(redacted: Redacted, part: str) -> bytes:
    """One part as `$value` JSON; KeyError when nothing of it may leave."""
    return write_json(redacted.parts[part])


def parts_json(redacted: Redacted) -> bytes:
    """All granted parts as {part key: value}."""
    return write_json(redacted.parts)


def at(redacted: Redacted, part: str, pointer: str) -> Tree:
    """The value at a pointer of this view (list positions are the view's own); KeyError when there is none."""
    if pointer and not pointer.startswith("/"):
        raise Invalid(pointer[:200], "is no pointer", "a pointer begins with /")
    found = redacted.parts[part]
    for segment in segments_of(pointer):
        if isinstance(found, dict):
            found = found[segment]
        elif isinstance(found, list) and segment.isascii() and segment.isdecimal() and len(segment) < 10 and int(segment) < len(found):
            found = found[int(segment)]
        else:
            raise KeyError(segment)
    return found


def outside(grant: AttributeGrant, parts: Mapping[str, Tree]) -> tuple[str, ...]:
    """Leaves that this grant does not let out: what a consumer that received `parts` under it raises an alarm about."""
    return tuple(
        f"{part}/{'/'.join(path)}"
        for part, whole in parts.items()
        for path, element, _ in (walk(part, whole) if part in PARTS else [((), None, whole)])
        if element is None or not grant.allows(part, path)
    )
