"""Read a Catena-X battery pass (SAMM `io.catenax.battery.battery_pass`, 6.x) as a passport, and say what of it has no place.

`elements/catenax.csv` says where each field goes: from a pointer (`*` any list entry, `**` everything below) to a path template of
ours, with a rule where a value changes its form, or to nowhere with the reason.  The gap report has every field of the file: mapped,
without a place, or unknown to the table; and the data points that are missing afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from submodels.batch import Batch, BatteryIn, LayerIn, aliases, in_order, safe_id, text_at
from submodels.errors import Finding, Invalid
from submodels.judge import missing
from submodels.passport import Passport, merge
from submodels.points import applies_from
from submodels.table import PARTS, element, rows
from submodels.value import Number, Tree

_SECTIONS = ("identification", "performance", "materials", "operation")  # every battery pass has these
_CATEGORIES = {"EV": "ev", "LMT": "lmt", "industrial": "industrial"}
_KILOGRAMS = {
    "unit:gram": Decimal("0.001"), "unit:kilogram": Decimal(1), "unit:tonneMetricTon": Decimal(1000), "unit:pound": Decimal("0.45359237"),
}  # fmt: skip
_PERCENT = {
    "unit:percent": Decimal(1), "unit:percentVolume": Decimal(1), "unit:partPerThousand": Decimal("0.1"),
    "unit:partPerMillion": Decimal("0.0001"), "unit:partPerBillionUs": Decimal("0.0000001"),
}  # fmt: skip
_PERIODS = {"unit:day": "D", "unit:month": "M", "unit:year": "Y"}
_DOCUMENT = frozenset({"content", "header"})

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Where a field goes."""

    path: _Path
    to: str
    rule: str
    note: str

    def fits(self, path: _Path) -> bool:
        """Whether a field of the file is this row's."""
        mine = self.path[:-1] if self.path[-1] == "**" else self.path
        if len(path) < len(mine) or (len(path) > len(mine) and self.path[-1] != "**"):
            return False
        return all(want in ("*", step) for want, step in zip(mine, path, strict=False))


@dataclass(slots=True)
class _Reading:
    """What a file says in our words."""

    root: Tree
    trees: dict[str, dict[str | int, object]] = field(default_factory=dict)
    documents: list[Tree] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    mapping: list[tuple[str, str]] = field(default_factory=list)
    serial: str = ""


@cache
def table() -> tuple[Row, ...]:
    """The mapping, in the order of its file: of two rows that fit, the first counts, unless both stand for one field."""
    return tuple(Row(tuple(row["from"][1:].split("/")), row["to"], row["rule"], row["note"]) for row in rows("catenax.csv"))


def is_battery_pass(found: Tree) -> bool:
    """Whether JSON is a Catena-X battery pass."""
    return isinstance(found, dict) and all(name in found for name in _SECTIONS) and "assetAdministrationShells" not in found


def read_battery_pass(found: Tree) -> Batch:
    """One battery with its model; `mapping` says where each field went ('' nowhere), the findings what is missing or odd."""
    model = text_at(found, "identification", "identification", "type", "manufacturerPartId")
    if not model:
        raise Invalid("/identification/identification/type/manufacturerPartId", "is missing", "it becomes the model's id")
    category = _CATEGORIES.get(text_at(found, "identification", "category"), "")
    if not category:
        said = text_at(found, "identification", "category")
        raise Invalid("/identification/category", f"{said[:40]!r} has no battery passport", f"one of {', '.join(_CATEGORIES)}")
    reading = _Reading(found)
    reading.serial = _serial(found)
    for path, value in _fields((), found):
        _field(reading, path, value)
    if reading.documents:
        reading.trees.setdefault("handover", {})["Documents"] = reading.documents
    layers = tuple(_layers(reading))
    owned: dict[str, dict[str, Tree]] = {}
    for layer in layers:
        owned.setdefault(layer.owner, {})[layer.part] = layer.tree
    items = [serial for serial in owned if serial]
    return Batch(
        model=safe_id(model),
        category=category,
        layers=in_order(layers),
        batteries=tuple(BatteryIn(serial=serial, aliases=aliases(owned[serial])) for serial in items),
        findings=(*reading.findings, *_missing(safe_id(model), category, owned)),
        source="catena-x",
        mapping=tuple(reading.mapping),
    )


# --- fields --------------------------------------------------------------------------------------


def _fields(path: _Path, value: Tree) -> Iterator[tuple[_Path, Tree]]:
    """Every field of the file; a document (a header and a link) is one."""
    if isinstance(value, dict) and not value.keys() >= _DOCUMENT:
        for name, below in value.items():
            yield from _fields((*path, name), below)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _fields((*path, str(number)), below)
    elif value is not None:
        yield path, value


def _field(reading: _Reading, path: _Path, value: Tree) -> None:
    where = "/" + "/".join(path)
    fitting = [row for row in table() if row.fits(path)]
    chosen = [row for row in fitting if row.path == fitting[0].path]
    if not chosen:
        reading.mapping.append((where, ""))
        reading.findings.append(Finding(where, "is no field of battery_pass 6.x that is known here; not imported"))
    for row in chosen:
        _place(reading, row, path, value, where)


def _place(reading: _Reading, row: Row, path: _Path, value: Tree, where: str) -> None:
    if row.rule == "beside":
        reading.mapping.append((where, row.to))
        return
    if row.rule == "model" or (row.rule == "serial" and (not row.to or value != reading.serial)):
        reading.mapping.append((where, "the model's id" if row.rule == "model" else "which serial number"))
        return
    if row.rule.startswith("kind:"):
        _document(reading, value, where, row.rule.partition(":")[2])
        return
    if not row.to:
        reading.mapping.append((where, ""))
        reading.findings.append(Finding(where, f"has no place: {row.note}" if row.note else "has no place"))
        return
    try:
        made = _RULES[row.rule.partition(":")[0]](reading, path, value)
    except Invalid as error:
        reading.mapping.append((where, ""))
        reading.findings.append(Finding(where, error.what, error.next))
        return
    part, *steps = _numbered(row, path)
    _put(reading.trees.setdefault(part, {}), steps, made)
    if row.rule.startswith("soc:"):
        _put(reading.trees[part], [*steps[:-1], "atSoc"], Number(row.rule.partition(":")[2]))
    reading.mapping.append((where, "/".join((part, *steps))))


def _numbered(row: Row, path: _Path) -> list[str]:
    """The target with the list positions of the field."""
    positions = [step for want, step in zip(row.path, path, strict=False) if want == "*"]
    return [positions.pop(0) if step == "*" and positions else "0" if step == "*" else step for step in row.to.split("/")]


def _put(found: dict[str | int, object], steps: list[str], value: object) -> None:
    for step in steps[:-1]:
        below = found.setdefault(int(step) if step.isdecimal() else step, {})
        assert isinstance(below, dict)  # noqa: S101 - the table's targets do not contradict each other; a test holds it
        found = below
    found[int(steps[-1]) if steps[-1].isdecimal() else steps[-1]] = value


# --- rules ---------------------------------------------------------------------------------------


def _copy(reading: _Reading, path: _Path, value: Tree) -> Tree:
    if isinstance(value, dict | list):
        raise Invalid("", "is a document where a value is wanted", "write the value")
    return value


def _mass(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return _scaled(value, _beside(reading, path, "unit"), _KILOGRAMS, "kg")


def _percent(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return _scaled(value, _beside(reading, path, "materialUnit"), _PERCENT, "%")


def _scaled(value: Tree, unit: str, factors: Mapping[str, Decimal], to: str) -> Tree:
    if not isinstance(value, Number) or unit not in factors:
        raise Invalid("", f"is told in {unit[:40] or 'no unit'}, which is not turned into {to} here", f"one of {', '.join(factors)}")
    if factors[unit] == 1:
        return value
    return Number(format((value.decimal * factors[unit]).normalize(), "f"))


def _period(reading: _Reading, path: _Path, value: Tree) -> Tree:
    unit = _beside(reading, path, "lifeUnit")
    if not isinstance(value, Number) or unit not in _PERIODS or value.decimal != value.decimal.to_integral_value():
        raise Invalid("", f"is told in {unit[:40] or 'no unit'}, which is no period of time", f"one of {', '.join(_PERIODS)}")
    return f"P{int(value.decimal)}{_PERIODS[unit]}"


def _unit(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return str(value).rpartition("/")[2].strip()


def _category(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return _CATEGORIES[str(value)]


def _product(reading: _Reading, path: _Path, value: Tree) -> Tree:
    if not re.match(r"(https?://|did:)", str(value)):
        raise Invalid("", f"is no address: {str(value)[:60]!r}", "IDTA 02035 identifies a battery by one; give URIOfTheProduct by hand")
    return str(value)


def _instant(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return f"{value}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)) else str(value)


def _english(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return [{"en": str(value)}]


def _header(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return text_at(value, "header") if isinstance(value, dict) else str(value)


def _referred(reading: _Reading, path: _Path, value: Tree) -> Tree:
    return _entry(reading, value)


_RULES: Mapping[str, Callable[[_Reading, _Path, Tree], Tree]] = {
    "": _copy, "soc": _copy, "serial": _copy, "mass": _mass, "percent": _percent, "period": _period, "unit": _unit, "category": _category,
    "product": _product, "instant": _instant, "en": _english, "header": _header, "document": _referred,
}  # fmt: skip


def _beside(reading: _Reading, path: _Path, name: str) -> str:
    """The text of the field's neighbour."""
    found: Tree = reading.root
    for step in path[:-1]:
        found = found[int(step)] if isinstance(found, list) else found[step] if isinstance(found, dict) else None
    return text_at(found, name)


def _document(reading: _Reading, value: Tree, where: str, kind: str) -> None:
    identifier = _entry(reading, value)
    reading.mapping.append((where, "handover/Documents"))
    reading.findings.append(
        Finding(where, f"document {identifier[:80]} is of kind {kind}; no element refers to it", "list it in documents.csv")
    )


def _entry(reading: _Reading, value: Tree) -> str:
    """The identifier of a document, which gets an entry in the handover documentation."""
    content, header = text_at(value, "content"), text_at(value, "header")
    if not content:
        raise Invalid("", "is a document without content", "give its address")
    version: dict[str, Tree] = {"Language": ["en"], "Title": [{"en": header or content}]}
    version["DigitalFiles"] = [{"contentType": "application/octet-stream", "value": content}]
    entry: Tree = {
        "DocumentIds": [{"DocumentDomainId": "catena-x", "DocumentIdentifier": content, "DocumentIsPrimary": True}],
        "DocumentVersions": [version],
    }
    if entry not in reading.documents:
        reading.documents.append(entry)
    return content


# --- layers --------------------------------------------------------------------------------------


def _serial(found: Tree) -> str:
    """The serial number: the one whose key says so, else the first; '' for a pass of a model."""
    identification = found.get("identification") if isinstance(found, dict) else None
    inner = identification.get("identification") if isinstance(identification, dict) else None
    listed = inner.get("serial") if isinstance(inner, dict) else None
    given = [(text_at(each, "key"), text_at(each, "value")) for each in listed] if isinstance(listed, list) else []
    return next((value for key, value in given if key == "partInstanceId"), given[0][1] if given else "")


def _layers(reading: _Reading) -> Iterator[LayerIn]:
    """What is a battery's own goes to the battery, the rest to the model."""
    serial = safe_id(reading.serial) if reading.serial else ""
    for part in PARTS:
        if part not in reading.trees:
            continue
        whole = _made(reading.trees[part])
        own, shared = _parted(part, (), whole) if serial else (None, whole)
        if shared is not None:
            yield LayerIn(part=part, tree=shared)
        if own is not None:
            yield LayerIn(owner=serial, part=part, tree=own)


def _parted(part: str, path: _Path, value: Tree) -> tuple[Tree, Tree]:
    """(the battery's, the model's); a list stays whole."""
    if isinstance(value, dict) and not value.keys() <= {"contentType", "value"}:
        own: dict[str, Tree] = {}
        shared: dict[str, Tree] = {}
        for name, below in value.items():
            mine, theirs = _parted(part, (*path, name), below)
            own |= {name: mine} if mine is not None else {}
            shared |= {name: theirs} if theirs is not None else {}
        return own or None, shared or None
    about = element(part, (*path, "0") if isinstance(value, list) else path)
    individual = (
        part == "condition" or (part == "metadata" and path[-1:] != ("facilityId",)) or (about is not None and about.level == "individual")
    )
    return (value, None) if individual else (None, value)


def _made(value: object) -> Tree:
    if not isinstance(value, dict):
        return value  # type: ignore[return-value] # a leaf, as the rules made it
    if value and all(isinstance(step, int) for step in value):
        return [_made(value[step]) for step in sorted(value)]
    return {str(step): _made(below) for step, below in value.items()}


def _missing(model: str, category: str, owned: Mapping[str, Mapping[str, Tree]]) -> Iterator[Finding]:
    """The mandatory data points that the file does not bring, as warnings: they can be given before the passport is published."""
    serial = next((each for each in owned if each), "")
    parts = {part: merge([owned.get(layer, {}).get(part) for layer in ("", serial)]) for part in PARTS}
    held = {part: tree for part, tree in parts.items() if tree is not None}
    passport = Passport(battery=f"{model}.{serial}", model=model, category=category, revision="", parts=held)
    for each in missing(passport, applies_from()):
        yield Finding(each.where, each.what, each.next, "warning", each.rule, each.point)
