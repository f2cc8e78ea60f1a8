"""Where each value of a merged passport comes from: the layer that says it, from which source, when and by whom.

A layer is the values of one part at one level.  `traced` repeats `passport.merge` leaf by leaf and keeps who won; a test holds
the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from submodels.errors import Finding
from submodels.passport import is_file
from submodels.points import points
from submodels.rules import finding
from submodels.table import PARTS, Audience, Element
from submodels.value import Tree, walk

LEVELS = ("model", "batch", "item")
"""From what all batteries share to what one says; a later level is laid over an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The values of one part at one level, and how they came here."""

    level: str
    owner: str  # model id, batch id, or battery id
    part: str
    tree: Tree
    source: str = ""  # "folder", "aasx", "update" ...: the way it came
    at: datetime | None = None
    who: str = ""


@dataclass(frozen=True, slots=True)
class Traced:
    """One leaf of the merged passport and the layer that says it; `path` has the part and list positions."""

    path: str
    element: Element | None
    value: Tree
    layer: Layer


def traced(layers: Iterable[Layer]) -> Iterator[Traced]:
    """Every leaf of the passport that these layers make, in the order of the parts and levels."""
    stacks: dict[str, list[Layer]] = {}
    for layer in sorted(layers, key=lambda each: LEVELS.index(each.level)):
        stacks.setdefault(layer.part, []).append(layer)
    for part in PARTS:
        if part in stacks:
            merged, origins = _traced([(layer, layer.tree) for layer in stacks[part]])
            for path, element, value in walk(part, merged):
                yield Traced("/".join((part, *path)), element, value, _origin(origins, path))


def _traced(stack: Sequence[tuple[Layer, Tree]]) -> tuple[Tree, object]:
    """What a stack of values merges to, and whose it is: a layer for what is taken whole, else by name."""
    said = [(layer, value) for layer, value in stack if value is not None]
    if not said:
        return None, stack[-1][0]
    mixed: list[tuple[Layer, dict[str, Tree]]] = []
    for layer, value in reversed(said):
        if not isinstance(value, dict) or is_file(value):
            break
        mixed.insert(0, (layer, value))
    if not mixed:
        return said[-1][1], said[-1][0]
    names = dict.fromkeys(name for _, value in mixed for name in value)
    found = {name: _traced([(layer, value.get(name)) for layer, value in mixed]) for name in names}
    if not found:
        return {}, mixed[-1][0]
    return {name: value for name, (value, _) in found.items()}, {name: origin for name, (_, origin) in found.items()}


def _origin(origins: object, path: Sequence[str]) -> Layer:
    for name in path:
        if isinstance(origins, dict):
            origins = origins[name]
    while isinstance(origins, dict):  # a leaf that its layers wrote as a collection: the last of them
        origins = list(origins.values())[-1]
    assert isinstance(origins, Layer)  # noqa: S101 - what is no mapping is a layer
    return origins


def misplaced(layers: Sequence[Layer]) -> Iterator[Finding]:
    """Values told at a level that is not theirs: a battery's by its model, or a battery's over what is public of its model."""
    found = list(traced(layers))
    wanted = {place: point for point in points().values() for place in point.places if point.level != "model"}
    for each in found:
        point = wanted.get(each.element.template) if each.element else None
        if point and LEVELS.index(each.layer.level) < LEVELS.index(point.level):
            what = f"is told by the {each.layer.level}, {each.layer.owner}, for all of its batteries"
            next = f"data point {point.number} is of the {point.level}: write it there"
            yield finding("level.item", each.path, what, next, point.number)
    yield from _laid_over(found, layers)


def _laid_over(found: Sequence[Traced], layers: Sequence[Layer]) -> Iterator[Finding]:
    of_models = {each.path: each.value for each in traced([layer for layer in layers if layer.level == "model"])}
    for each in found:
        element = each.element
        if element is None or element.audience is not Audience.PUBLIC or element.level != "model" or each.layer.level == "model":
            continue
        if of_models.get(each.path) not in (None, each.value):
            what = f"the {each.layer.level} {each.layer.owner} lays a value of its own over its model's, and it is public"
            yield finding("level.public", each.path, what, "an item's own figures stand in Product Condition")


def by_path(layers: Iterable[Layer]) -> Mapping[str, Layer]:
    """Path of each merged leaf -> the layer that says it."""
    return {each.path: each.layer for each in traced(layers)}
