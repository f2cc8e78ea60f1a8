"""Annex XIII as a lattice: who may see which class; the class of a leaf; the public view and its Release.

A `Release` is the only argument that lets anything out of a passport.  It is made here (the public view) and in
`connector.exchange.release` (everything else), nowhere else; a test walks the source and proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from submodels.documents import KINDS
from submodels.grant import AttributeGrant, make_grant
from submodels.table import CEILINGS, PARTS, SEES, Audience, Element, every_element
from submodels.value import Tree

__all__ = ["CEILINGS", "PUBLIC_GRANT", "Audience", "Release", "beyond_public", "class_of", "may_see", "public_gaps", "public_release"]


def may_see(ceiling: str, audience: Audience | None) -> bool:
    """Whether a class is within a ceiling.  No class is within none."""
    return audience in SEES[ceiling]


def class_of(element: Element, siblings: Mapping[str, Tree]) -> Audience | None:
    """The class of a leaf beside these siblings: some are public only where a sibling has one value.

    None: no class, or that of a document (handover entries); either way the leaf does not leave by itself.
    """
    if element.public_when is not None:
        name, value = element.public_when
        given = siblings.get(name)
        if type(given) is type(value) and given == value:
            return Audience.PUBLIC
    return element.audience


PUBLIC_GRANT: AttributeGrant = make_grant(
    [f"{part}/**" for part in PARTS],
    [kind.key for kind in KINDS.values() if kind.audience is Audience.PUBLIC],
    Audience.PUBLIC,
)
"""Everything that the law makes public (grants.md 6)."""


@dataclass(frozen=True, slots=True)
class Release:
    """What one pull may carry: of which battery, what, to whom, under which agreement."""

    battery: str
    grant: AttributeGrant
    receiver: str
    agreement: str = ""
    day: date = date.min  # as of when: decides which data points are pending; without one, all that were at the beginning
    operator: bool = False  # the operator's own reading: everything, on the operator listener only


def public_release(battery: str, day: date = date.min) -> Release:
    """What anyone may have without a contract, on a day."""
    return Release(battery, PUBLIC_GRANT, "public", day=day)


def public_gaps(grant: AttributeGrant) -> tuple[str, ...]:
    """What the law makes public and this grant leaves out; a public view must have none (grants.md 6)."""
    held = {each.template for each in grant.elements}
    public = [each.template for each in every_element() if each.audience is Audience.PUBLIC or each.public_when]
    kinds = [kind.key for kind in KINDS.values() if kind.audience is Audience.PUBLIC and kind.key not in grant.kinds]
    return (*(template for template in public if template not in held), *(f"documents/{kind}" for kind in kinds))


def beyond_public(grant: AttributeGrant) -> tuple[str, ...]:
    """What this grant can let out that is not public; empty for a view that needs no protection (grants.md 7)."""
    if grant.ceiling == Audience.PUBLIC:
        return ()
    leaves = [each.template for each in grant.elements if each.audience is not Audience.PUBLIC]
    return (*leaves, *(f"documents/{kind}" for kind in sorted(grant.kinds) if KINDS[kind].audience is not Audience.PUBLIC))
