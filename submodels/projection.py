"""The forms of a submodel that AAS Part 2 knows, made of its Normal JSON: value, metadata, paths, references; levels and extents.

Works on any submodel element of the metamodel, so it serves what an operator imported beside passports as well.  It adds
nothing: whatever it is given has been filtered, and every form is a part of that.  An element without a value has no value form
and disappears from its parent's; an element of a kind that never has one is Invalid when it is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from submodels.errors import Invalid
from submodels.idshort import Path, written
from submodels.table import COLLECTION, LIST
from submodels.value import Tree, typed

Object = dict[str, Tree]

NO_VALUE: Final = object()
"""Stands for: this element says nothing (None is a JSON value)."""

ENTITY, ANNOTATED = "Entity", "AnnotatedRelationshipElement"
VALUELESS = frozenset({"Operation", "Capability"})
_INSIDE: Mapping[str, str] = {COLLECTION: "value", LIST: "value", ENTITY: "statements", ANNOTATED: "annotations"}
# What an element's metadata leaves out: its value, and what is inside it.
_VALUES: Mapping[str, tuple[str, ...]] = {
    "Property": ("value", "valueId"),
    "MultiLanguageProperty": ("value", "valueId"),
    "Range": ("min", "max"),
    "File": ("value", "contentType"),
    "Blob": ("value", "contentType"),
    "ReferenceElement": ("value",),
    "RelationshipElement": ("first", "second"),
    ANNOTATED: ("first", "second", "annotations"),
    ENTITY: ("statements", "globalAssetId", "specificAssetIds"),
    "BasicEventElement": ("observed",),
    COLLECTION: ("value",),
    LIST: ("value",),
}


def kind_of(element: Object) -> str:
    """The model type."""
    return str(element.get("modelType", ""))


def elements_of(submodel: Object) -> list[Object]:
    """The elements at the top."""
    return _objects(submodel.get("submodelElements"))


def steps(element: Object) -> Iterator[tuple[str | int, Object]]:
    """The elements inside one, each with its step of an idShortPath."""
    kind = kind_of(element)
    for number, child in enumerate(_objects(element.get(_INSIDE.get(kind, "")))):
        yield (number if kind == LIST else str(child.get("idShort", ""))), child


def find(submodel: Object, path: Path) -> Object:
    """The element at a path; KeyError when there is none."""
    level: Iterator[tuple[str | int, Object]] = ((str(each.get("idShort", "")), each) for each in elements_of(submodel))
    found: Object | None = None
    for step in path:
        found = next((child for name, child in level if name == step and type(name) is type(step)), None)
        if found is None:
            raise KeyError(step)
        level = steps(found)
    if found is None:
        raise KeyError("")
    return found


# --- normal --------------------------------------------------------------------------------------


def normal(element: Object, *, core: bool = False, blobs: bool = False, depth: int = 0) -> Object:
    """The element as it is; `core` leaves out what is inside its children, without `blobs` no Blob has its value.

    `depth` 1 is for an element that is itself a child of what was asked for.
    """
    kind = kind_of(element)
    if kind == "Blob" and not blobs:
        return {key: value for key, value in element.items() if key != "value"}
    inside = _INSIDE.get(kind)
    if inside is None or inside not in element:
        return element
    if core and depth:
        return {key: value for key, value in element.items() if key != inside}
    children: list[Tree] = [normal(child, core=core, blobs=blobs, depth=depth + 1) for child in _objects(element[inside])]
    return {**element, inside: children}


def normal_submodel(submodel: Object, *, core: bool = False, blobs: bool = False) -> Object:
    """The same of a whole submodel."""
    found: list[Tree] = [normal(each, core=core, blobs=blobs, depth=1) for each in elements_of(submodel)]
    return {**submodel, "submodelElements": found} if found else submodel


# --- value ---------------------------------------------------------------------------------------


def value(element: Object, *, core: bool = False, blobs: bool = False) -> Tree:
    """The value of an element that was asked for by itself; Invalid for one that has none."""
    if kind_of(element) in VALUELESS:
        raise Invalid("$value", f"a {kind_of(element)} has no value form", "ask for the element without $value")
    found = _value(element, core, blobs, 0)
    if found is NO_VALUE:
        raise Invalid("$value", "the element has no value", "ask for the element without $value")
    return _tree(found)


def submodel_value(submodel: Object, *, core: bool = False, blobs: bool = False) -> Tree:
    """The values of a submodel by idShort."""
    return _named(elements_of(submodel), core, blobs, 1)


def element_values(elements: Sequence[Object], *, core: bool = False, blobs: bool = False) -> list[Tree]:
    """The values of some elements, each under its idShort; what has no value is left out."""
    found = (_named([each], core, blobs, 1) for each in elements)
    return [each for each in found if each]


def _named(elements: Sequence[Object], core: bool, blobs: bool, depth: int) -> Tree:
    values = ((str(each.get("idShort", "")), _value(each, core, blobs, depth)) for each in elements)
    return {name: _tree(found) for name, found in values if found is not NO_VALUE}


def _value(element: Object, core: bool, blobs: bool, depth: int) -> object:
    kind = kind_of(element)
    if kind in _INSIDE and core and depth and kind in (COLLECTION, LIST):
        return NO_VALUE
    match kind:
        case "Property":
            return _scalar(element, "value")
        case "MultiLanguageProperty":
            texts: list[Tree] = [{str(each.get("language")): each.get("text")} for each in _objects(element.get("value"))]
            return texts or NO_VALUE
        case "Range":
            ends = {end: _tree(found) for end in ("min", "max") if (found := _scalar(element, end)) is not NO_VALUE}
            return ends or NO_VALUE
        case "File":
            return _picked(element, ("contentType", "value")) if "value" in element else NO_VALUE
        case "Blob":
            return _picked(element, ("contentType", "value") if blobs else ("contentType",))
        case "ReferenceElement":
            return element.get("value", NO_VALUE)
        case "BasicEventElement":
            return _picked(element, ("observed",))
        case _:
            return _inner(kind, element, core, blobs, depth)


def _inner(kind: str, element: Object, core: bool, blobs: bool, depth: int) -> object:
    inside = _objects(element.get(_INSIDE.get(kind, "")))
    if kind == COLLECTION:
        return _named(inside, core, blobs, depth + 1) or NO_VALUE
    if kind == LIST:
        values = [_value(each, core, blobs, depth + 1) for each in inside]
        return [_tree(each) for each in values if each is not NO_VALUE] or NO_VALUE
    if kind == ENTITY:
        statements = _named(inside, core, blobs, depth + 1)
        about = _picked(element, ("entityType", "globalAssetId", "specificAssetIds"))
        return {"statements": statements, **about} if statements else about
    if kind in ("RelationshipElement", ANNOTATED):
        ends = _picked(element, ("first", "second"))
        notes = element_values(inside, core=core, blobs=blobs)
        return {**ends, "annotations": notes} if notes else ends
    return NO_VALUE


def _scalar(element: Object, name: str) -> object:
    text = element.get(name)
    if not isinstance(text, str):
        return NO_VALUE
    try:
        return typed(str(element.get("valueType", "xs:string")), text)
    except Invalid:  # INF and NaN have no JSON form, and a wrong value is shown as it stands
        return str(text)


def _picked(element: Object, names: Sequence[str]) -> Object:
    return {name: element[name] for name in names if name in element}


# --- metadata, paths, references -----------------------------------------------------------------


def metadata(element: Object) -> Object:
    """All of an element but its value and what is inside; Invalid for a kind that has no metadata form."""
    if kind_of(element) in VALUELESS:
        raise Invalid("$metadata", f"a {kind_of(element)} has no metadata form", "ask for the element without $metadata")
    return without_value(element)


def without_value(element: Object) -> Object:
    """The same in a list, where every kind may stand."""
    dropped = _VALUES.get(kind_of(element), ())
    return {key: each for key, each in element.items() if key not in dropped}


def submodel_metadata(submodel: Object) -> Object:
    """A submodel without its elements."""
    return {key: each for key, each in submodel.items() if key != "submodelElements"}


def paths(element: Object, path: Path, *, core: bool = False) -> list[Tree]:
    """The idShortPaths of an element and of what is inside; Invalid for an element that holds none."""
    if kind_of(element) not in (COLLECTION, LIST, ENTITY):
        raise Invalid("$path", f"a {kind_of(element)} holds no elements", "ask for $path of a collection, a list or an entity")
    return [*_paths(element, path, core, 0)]


def element_paths(elements: Sequence[Object], *, core: bool = False) -> list[Tree]:
    """The same of some elements at the top of a submodel."""
    return [each for element in elements for each in _paths(element, (str(element.get("idShort", "")),), core, 1)]


def _paths(element: Object, path: Path, core: bool, depth: int) -> Iterator[Tree]:
    yield written(path)
    if core and depth:
        return
    for step, child in steps(element):
        yield from _paths(child, (*path, step), core, depth + 1)


def reference(kind: str, id: str) -> Object:
    """A ModelReference to a shell or submodel."""
    return {"type": "ModelReference", "keys": [{"type": kind, "value": id}]}


def element_reference(submodel: Object, path: Path) -> Object:
    """A ModelReference to an element: a key for each step, places in lists as their number."""
    keys: list[Tree] = [{"type": "Submodel", "value": submodel.get("id")}]
    for end in range(1, len(path) + 1):
        step = path[end - 1]
        keys.append({"type": kind_of(find(submodel, path[:end])), "value": str(step)})
    return {"type": "ModelReference", "keys": keys}


# --- what is looked for ---------------------------------------------------------------


def asset_ids(shell: Object) -> set[tuple[str, str]]:
    """The (name, value) pairs that a shell can be found by."""
    about = shell.get("assetInformation")
    if not isinstance(about, dict):
        return set()
    known = {(str(each.get("name")), str(each.get("value"))) for each in _objects(about.get("specificAssetIds"))}
    return known | ({("globalAssetId", str(about["globalAssetId"]))} if "globalAssetId" in about else set())


def key_values(reference: Tree) -> tuple[str, ...]:
    """What the keys of a reference say."""
    keys = reference.get("keys") if isinstance(reference, dict) else None
    return tuple(str(each.get("value")) for each in _objects(keys))


def _objects(found: Tree) -> list[Object]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _tree(found: object) -> Tree:
    return found  # type: ignore[return-value]  # what stands for "no value" has been left out before
