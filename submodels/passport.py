"""A battery passport as it is read: identity, the merged values of its parts, its documents.

This is the whole passport.  It must never reach a serialiser: only `view.select` turns it into something that may leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from submodels.documents import PassportDocument
from submodels.value import Tree


@dataclass(frozen=True, slots=True)
class Ties:
    """Where a passport stands, and the addresses of those before and after it: what names a passport, nothing that one says."""

    status: str = ""
    successor: str = ""
    predecessors: tuple[str, ...] = ()


NO_TIES = Ties()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """One battery with everything known of it; `parts` holds merged trees in IDTA names."""

    battery: str
    model: str
    category: str
    revision: str
    identifiers: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Tree] = field(default_factory=dict, repr=False)
    documents: tuple[PassportDocument, ...] = ()
    ties: Ties = NO_TIES


def merge(layers: Sequence[Tree]) -> Tree:
    """One part from its layers, model first, item last: the later layer wins per leaf, lists are replaced whole.

    A list is one statement (all materials, all markings), so its elements are never mixed; the same holds for a file's
    path and type.  A null says nothing.
    """
    merged: Tree = None
    for layer in layers:
        merged = _over(merged, layer)
    return merged


def _over(below: Tree, above: Tree) -> Tree:
    if above is None:
        return below
    if not isinstance(below, dict) or not isinstance(above, dict) or is_file(below) or is_file(above):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def is_file(value: dict[str, Tree]) -> bool:
    """Whether an object is the value of a File: one statement, never mixed of two."""
    return "value" in value and value.keys() <= {"contentType", "value"}
