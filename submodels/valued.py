"""Passports as `$value` JSON in one file: what `passport export --as value` writes.

    {"model": "EV-72", "category": "ev", "identifiers": {...}, "parts": {part: value}, "items": {serial: {part: value}}}

Values are read in either dialect and with their number tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

from submodels.batch import CATEGORIES, Batch, BatteryIn, LayerIn, aliases, in_order, valid_id
from submodels.errors import Finding, Invalid
from submodels.table import PARTS
from submodels.value import Tree, normalise

_KEYS = ("model", "category", "identifiers", "parts", "items")


def is_valued(found: Tree) -> bool:
    """Whether JSON is such a file."""
    return isinstance(found, dict) and "model" in found and ("parts" in found or "items" in found)


def read_valued(found: Tree) -> Batch:
    """The file as a batch; Invalid when it cannot be read as one, findings for what a person should look at."""
    if not isinstance(found, dict):
        raise Invalid("/", "is no object", 'write {"model": ..., "parts": {...}}')
    if unknown := next((key for key in found if key not in _KEYS), ""):
        raise Invalid(f"/{unknown[:60]}", "does not belong here", f"keys are {', '.join(_KEYS)}")
    model, category, identifiers = found["model"], found.get("category", ""), found.get("identifiers", {})
    if type(model) is not str or not valid_id(model):
        raise Invalid("/model", "must be the model's id, of letters, digits and -._~:", '"model": "EV-72"')
    if category != "" and category not in CATEGORIES:
        raise Invalid("/category", f"must be one of {', '.join(CATEGORIES)}", '"category": "ev"')
    if not isinstance(identifiers, dict) or not all(type(text) is str for text in identifiers.values()):
        raise Invalid("/identifiers", "must hold texts", '{"manufacturer": "..."}')
    findings: list[Finding] = []
    layers = tuple(_layers(found, findings))
    owned: dict[str, dict[str, Tree]] = {}
    for layer in layers:
        owned.setdefault(layer.owner, {})[layer.part] = layer.tree
    return Batch(
        model=model,
        category=str(category),
        identifiers={name: str(text) for name, text in identifiers.items()},
        layers=in_order(layers),
        batteries=tuple(BatteryIn(serial=serial, aliases=aliases(parts)) for serial, parts in owned.items() if serial),
        findings=tuple(findings),
        source="value",
    )


def _layers(found: dict[str, Tree], findings: list[Finding]) -> Iterator[LayerIn]:
    yield from _parts("", "/parts", found.get("parts", {}), findings)
    items = found.get("items", {})
    if not isinstance(items, dict):
        raise Invalid("/items", "must be an object", '{"000017": {"condition": {...}}}')
    for serial, parts in items.items():
        if not valid_id(serial):
            raise Invalid(f"/items/{serial[:60]}", "the serial number may hold letters, digits and -._~: only")
        yield from _parts(serial, f"/items/{serial}", parts, findings)


def _parts(owner: str, where: str, parts: Tree, findings: list[Finding]) -> Iterator[LayerIn]:
    if not isinstance(parts, dict):
        raise Invalid(where, "must be an object", '{"materials": {...}}')
    for part, value in parts.items():
        if part not in PARTS:
            raise Invalid(f"{where}/{part[:60]}", "is no part", f"parts are {', '.join(PARTS)}")
        try:
            tree, odd = normalise(part, value)
        except Invalid as error:
            raise Invalid(f"{where}/{part}", error.what, error.next) from None
        findings.extend(Finding(f"{where}: {each.where}", each.what, each.next, each.severity) for each in odd)
        yield LayerIn(owner=owner, part=part, tree=tree)
