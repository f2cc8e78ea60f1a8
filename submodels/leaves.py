"""What is wrong with one leaf or one container: names, types, units' ranges, words, cardinality."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches

from submodels.errors import Finding
from submodels.rules import finding
from submodels.table import LIST, Element, Node, find, tree
from submodels.value import INTEGERS, NUMERIC, Number, Tree, walk

LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PERIOD = re.compile(r"P(?!$)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")

# Value ranges by unit; None is open.
_RANGES: Mapping[str, tuple[Decimal, Decimal | None]] = {
    "%": (Decimal(0), Decimal(100)),
    "degC": (Decimal("-273.15"), None),
} | {unit: (Decimal(0), None) for unit in ("kg", "V", "Ah", "kWh", "W", "ohm", "year", "cycle", "min", "C", "CO2eq")}

# Percentages that may pass 100: growth over the initial value, a ratio, and a power that the templates give in percent.
_OPEN_PERCENT = re.compile(r"InternalResistanceIncrease|RatioNominal|PowerCapabilityAt$|EvolutionOfSelfDischargeValue")

WORDS: Mapping[str, tuple[str, ...]] = {
    "nameplate/LifeCycleStage": ("original", "repurposed", "re-used", "remanufactured", "waste"),
    "technical/GeneralInformation/BatteryCategory": ("lmt", "ev", "industrial", "stationary"),
    "metadata/granularity": ("model", "batch", "item"),
    "metadata/dppStatus": ("active", "inactive", "archived", "invalid"),
}


def check_part(part: str, whole: Tree) -> Iterator[Finding]:
    """Every finding about the leaves and containers of one part, each by itself."""
    shapes = list(_cardinality(tree(part), whole, part))
    misshapen = tuple(each.where for each in shapes if each.rule.endswith(".shape"))
    for path, element, value in walk(part, whole):
        where = "/".join((part, *path))
        if element is None and any(where == each or where.startswith(f"{each}/") for each in misshapen):
            continue  # told once: its container is none
        if element is None:
            yield finding("name.unknown", where, "no such element; kept here, never given out", _nearest(part, path))
        elif value is not None:
            yield from _KIND.get(element.kind, _property)(element, value, where)
    yield from shapes


def _nearest(part: str, path: tuple[str, ...]) -> str:
    """What the first unknown name of a path may have meant."""
    for depth, name in enumerate(path):
        if find(part, path[: depth + 1]) is None:
            node = find(part, path[:depth])
            near = get_close_matches(name, node.children, 1, 0.6) if node else []
            return f"did you mean {near[0]}?" if near else "check its name and place"
    return "check its name and place"


# --- one leaf --------------------------------------------------------------------------------------


def _texts(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    texts = [pair for each in value if isinstance(each, dict) for pair in each.items()] if isinstance(value, list) else []
    if not isinstance(value, list) or len(texts) < len(value) or any(type(text) is not str for _, text in texts):
        yield finding("text.languages", where, "is not a text in several languages", 'write [{"en": "..."}]')
    elif not texts or all(not str(text).strip() for _, text in texts):
        yield finding("text.none", where, "has no text", "give one or leave the element out")
    languages = [language.lower() for language, _ in texts]
    for language in dict.fromkeys(languages):
        if not LANGUAGE.fullmatch(language):
            yield finding("text.tag", where, f"is no language tag: {language[:20]!r}", "use tags as en, de, pt-BR")
        elif languages.count(language) > 1:
            yield finding("text.twice", where, f"has two texts in {language}", "keep one of them")


def _file(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    if not isinstance(value, dict) or not {"value"} <= value.keys() <= {"contentType", "value"} or type(value["value"]) is not str:
        yield finding("file.shape", where, "is not a file", 'write {"contentType": "application/pdf", "value": "path"}')
        return
    media_type = value.get("contentType")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        yield finding("file.type", where, "has no media type", 'give "contentType", as application/pdf')


def _property(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    wrong = wrong_type(element, value)
    if wrong:
        yield finding("type", where, f"is not {element.value_type or 'a value'}: {str(value)[:40]!r}", wrong)
        return
    if isinstance(value, Number):
        yield from _range(element, value, where)
    elif isinstance(value, str):
        words = WORDS.get(element.template)
        if words and value.strip() and value.lower() not in words:
            yield finding("word", where, f"is not a known value: {value[:40]!r}", "one of " + ", ".join(words))
        if element.value_type == "xs:dateTime" and not re.search(r"(Z|[+-]\d\d:\d\d)$", value):
            yield finding("time.zone", where, "has no time zone", "write UTC, as 2026-11-24T09:30:00Z")
        if element.path[-1] == "WarrantyPeriod" and not _PERIOD.fullmatch(value):
            yield finding("duration", where, f"is no duration: {value[:40]!r}", "write P96M for 96 months")
        if not value.strip():
            yield finding("text.blank", where, "is empty", "give a value or leave the element out")


_KIND: Mapping[str, Callable[[Element, Tree, str], Iterator[Finding]]] = {"MultiLanguageProperty": _texts, "File": _file}


def wrong_type(element: Element, value: Tree) -> str:
    """What to write instead; "" when the value is of the element's type."""
    kind = element.value_type
    if kind in NUMERIC:
        if not isinstance(value, Number):
            return "write a number without quotes, as 3.70"
        if kind in INTEGERS and value.decimal != value.decimal.to_integral_value():
            return "write a whole number"
        return "write a number of 0 or more" if kind.startswith("xs:unsigned") and value.decimal < 0 else ""
    if kind == "xs:boolean":
        return "" if isinstance(value, bool) else "write true or false"
    if type(value) is not str:
        return "write a text in quotes"
    if kind == "xs:date":
        return "" if _DAY.fullmatch(value) and day_of(value) else "write a day, as 2026-11-24"
    if kind == "xs:dateTime":
        return "" if _INSTANT.fullmatch(value) and instant_of(value) else "write an instant, as 2026-11-24T09:30:00Z"
    return "write an address without spaces" if kind == "xs:anyURI" and re.search(r"\s", value) else ""


def day_of(text: str) -> date | None:
    """The day that a text begins with."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def instant_of(text: str) -> datetime | None:
    """The instant that a text says."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _range(element: Element, value: Number, where: str) -> Iterator[Finding]:
    least, most = _RANGES.get(element.unit, (None, None))
    if _OPEN_PERCENT.search(element.pointer):
        most = None
    if least is not None and (value.decimal < least or (most is not None and value.decimal > most)):
        allowed = f"{least} to {most}" if most is not None else f"{least} or more"
        yield finding("range", where, f"{value} {element.unit} is out of range", allowed)


# --- cardinality -----------------------------------------------------------------------------------


def _cardinality(node: Node, value: Tree, where: str) -> Iterator[Finding]:
    element = node.element
    if element is not None and not element.container:
        return
    if element is not None and element.kind == LIST:
        if not isinstance(value, list):
            yield finding("list.shape", where, "is not a list", "write [ ... ]")
            return
        item = node.item
        if not value and item and item.element and item.element.cardinality in ("One", "OneToMany"):
            yield finding("list.empty", where, "has no element", "give at least one")
        for number, each in enumerate(value):
            yield from _cardinality(item, each, f"{where}/{number}") if item else ()
    elif not isinstance(value, dict):
        yield finding("collection.shape", where, "holds elements, not a value", "write { name: value }")
    else:
        for name, below in node.children.items():
            if value.get(name) is not None:
                yield from _cardinality(below, value[name], f"{where}/{name}")
            elif below.element and below.element.cardinality in ("One", "OneToMany"):
                what = "is missing, though its template asks for it"
                yield finding("element.missing", f"{where}/{name}", what, "give it where the law asks for it")
