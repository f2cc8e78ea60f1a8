"""What is wrong with a passport: types, ranges, cardinality, and fields that contradict each other.

An error must not be published; a warning may.  The 71 data points of the Commission and their states are not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from submodels.documents import KINDS, PassportDocument, entry_identifiers, kinds_of, kinds_referred, kinds_stated
from submodels.errors import Finding
from submodels.judge import missing
from submodels.passport import Passport
from submodels.table import LIST, PARTS, Element, Node, tree
from submodels.value import INTEGERS, NUMERIC, Number, Tree, walk

__all__ = ["Finding", "check", "missing"]

Parts = Mapping[str, Tree]


def check(given: Passport | Parts, documents: Sequence[PassportDocument] = ()) -> tuple[Finding, ...]:
    """Every finding about a passport, or about parts and their documents, in the order of the parts."""
    parts = given.parts if isinstance(given, Passport) else given
    documents = given.documents if isinstance(given, Passport) else documents
    findings: list[Finding] = []
    for part in PARTS:
        if parts.get(part) is not None:
            findings.extend(_leaves(part, parts[part]))
            findings.extend(_cardinality(tree(part), parts[part], part))
    for rule in _RULES:
        findings.extend(rule(parts))
    findings.extend(_documents(parts, documents))
    return tuple(findings)


def _error(where: str, what: str, next: str = "") -> Finding:
    return Finding(where, what, next, "error")


# --- one leaf --------------------------------------------------------------------------------------

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
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

_WORDS: Mapping[str, tuple[str, ...]] = {
    "nameplate/LifeCycleStage": ("original", "repurposed", "re-used", "remanufactured", "waste"),
    "technical/GeneralInformation/BatteryCategory": ("lmt", "ev", "industrial", "stationary"),
    "metadata/granularity": ("model", "batch", "item"),
    "metadata/dppStatus": ("active", "inactive", "archived", "invalid"),
}


def _leaves(part: str, whole: Tree) -> Iterator[Finding]:
    for path, element, value in walk(part, whole):
        where = "/".join((part, *path))
        if element is None:
            yield Finding(where, "no such element; kept here, never given out", "check its name and place")
        elif value is not None:
            yield from _KIND.get(element.kind, _property)(element, value, where)


def _texts(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    texts = [pair for each in value if isinstance(each, dict) for pair in each.items()] if isinstance(value, list) else []
    if not isinstance(value, list) or len(texts) < len(value) or any(type(text) is not str for _, text in texts):
        yield _error(where, "is not a text in several languages", 'write [{"en": "..."}]')
    elif not texts:
        yield Finding(where, "has no text", "give one or leave the element out")
    for language, _ in texts:
        if not _LANGUAGE.fullmatch(language):
            yield _error(where, f"is no language tag: {language[:20]!r}", "use tags as en, de, pt-BR")


def _file(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    if not isinstance(value, dict) or not {"value"} <= value.keys() <= {"contentType", "value"} or type(value["value"]) is not str:
        yield _error(where, "is not a file", 'write {"contentType": "application/pdf", "value": "path"}')
        return
    media_type = value.get("contentType")
    if not isinstance(media_type, str) or not _MEDIA_TYPE.fullmatch(media_type):
        yield _error(where, "has no media type", 'give "contentType", as application/pdf')


def _property(element: Element, value: Tree, where: str) -> Iterator[Finding]:
    wrong = _type_error(element, value)
    if wrong:
        yield _error(where, f"is not {element.value_type or 'a value'}: {str(value)[:40]!r}", wrong)
        return
    if isinstance(value, Number):
        yield from _range(element, value, where)
    elif isinstance(value, str):
        words = _WORDS.get(element.template)
        if words and value.lower() not in words:
            yield _error(where, f"is not a known value: {value[:40]!r}", "one of " + ", ".join(words))
        if element.value_type == "xs:dateTime" and not re.search(r"(Z|[+-]\d\d:\d\d)$", value):
            yield Finding(where, "has no time zone", "write UTC, as 2026-11-24T09:30:00Z")
        if element.path[-1] == "WarrantyPeriod" and not _PERIOD.fullmatch(value):
            yield Finding(where, f"is no duration: {value[:40]!r}", "write P96M for 96 months")
        if not value.strip():
            yield Finding(where, "is empty", "give a value or leave the element out")


_KIND: Mapping[str, Callable[[Element, Tree, str], Iterator[Finding]]] = {"MultiLanguageProperty": _texts, "File": _file}


def _type_error(element: Element, value: Tree) -> str:
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
        return "" if _DAY.fullmatch(value) and _day(value) else "write a day, as 2026-11-24"
    if kind == "xs:dateTime":
        return "" if _INSTANT.fullmatch(value) and _instant(value) else "write an instant, as 2026-11-24T09:30:00Z"
    return "write an address without spaces" if kind == "xs:anyURI" and re.search(r"\s", value) else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _range(element: Element, value: Number, where: str) -> Iterator[Finding]:
    least, most = _RANGES.get(element.unit, (None, None))
    if _OPEN_PERCENT.search(element.pointer):
        most = None
    if least is not None and (value.decimal < least or (most is not None and value.decimal > most)):
        yield _error(where, f"{value} {element.unit} is out of range", f"{least} to {most}" if most is not None else f"{least} or more")


# --- cardinality -----------------------------------------------------------------------------------


def _cardinality(node: Node, value: Tree, where: str) -> Iterator[Finding]:
    element = node.element
    if element is not None and not element.container:
        return
    if element is not None and element.kind == LIST:
        if not isinstance(value, list):
            yield _error(where, "is not a list", "write [ ... ]")
            return
        item = node.item
        if not value and item and item.element and item.element.cardinality in ("One", "OneToMany"):
            yield Finding(where, "has no element", "give at least one")
        for number, each in enumerate(value):
            yield from _cardinality(item, each, f"{where}/{number}") if item else ()
    elif not isinstance(value, dict):
        yield _error(where, "holds elements, not a value", "write { name: value }")
    else:
        for name, below in node.children.items():
            if value.get(name) is not None:
                yield from _cardinality(below, value[name], f"{where}/{name}")
            elif below.element and below.element.cardinality in ("One", "OneToMany"):
                yield Finding(f"{where}/{name}", "is missing, though its template asks for it", "give it where the law asks for it")


# --- fields that contradict each other ----------------------------------------------------------------


def _numbers(parts: Parts, part: str, *wanted: str) -> list[tuple[str, Decimal]]:
    """(where, value) of every number at paths that end so, list positions aside."""
    return [
        ("/".join((part, *path)), value.decimal)
        for path, element, value in walk(part, parts.get(part))
        if element and isinstance(value, Number) and element.path[-len(wanted) :] == wanted
    ]


def _in_order(found: Sequence[tuple[str, Decimal]], words: str) -> Iterator[Finding]:
    for (_, low), (where, high) in pairwise(found):
        if low > high:
            yield _error(where, f"{high} is below {low}", words)


def _voltages(parts: Parts) -> Iterator[Finding]:
    names = ("MinVoltage", "NominalVoltage", "MaxVoltage")
    yield from _in_order([each for name in names for each in _numbers(parts, "technical", name)], "minimum <= nominal <= maximum")


def _temperatures(parts: Parts) -> Iterator[Finding]:
    names = ("TemperatureRangeIdleState_LowerBoundary", "TemperatureRangeIdleState_UpperBoundary")
    yield from _in_order([each for name in names for each in _numbers(parts, "technical", name)], "the lower bound comes first")


def _masses(parts: Parts) -> Iterator[Finding]:
    masses = _numbers(parts, "materials", "BatteryMaterialMass")
    for where, whole in _numbers(parts, "technical", "BatteryMass"):
        if masses and (total := sum(mass for _, mass in masses)) > whole:
            yield _error("materials/BatteryMaterials", f"the masses add up to {total} kg, the battery has {whole} kg", f"compare {where}")


def _energy(parts: Parts) -> Iterator[Finding]:
    volts, hours = _numbers(parts, "technical", "NominalVoltage"), _numbers(parts, "technical", "RatedCapacity")
    for where, energy in _numbers(parts, "technical", "CertifiedUsableBatteryEnergy"):
        if volts and hours and energy * 1000 > volts[0][1] * hours[0][1] * Decimal("1.1"):
            yield _error(where, f"{energy} kWh is more than nominal voltage times rated capacity", "check voltage, capacity and energy")


def _shares(parts: Parts) -> Iterator[Finding]:
    content = parts.get("circularity")
    recycled = content.get("RecycledContentInformation") if isinstance(content, dict) else None
    for number, each in enumerate(recycled if isinstance(recycled, list) else ()):
        shares = [each.get(name) for name in ("PreConsumerShare", "PostConsumerShare")] if isinstance(each, dict) else []
        if (total := sum(share.decimal for share in shares if isinstance(share, Number))) > 100:
            yield _error(f"circularity/RecycledContentInformation/{number}", f"the shares add up to {total} %", "at most 100 %")


def _dates(parts: Parts) -> Iterator[Finding]:
    plate = parts.get("nameplate")
    yield from _days_in_order(plate, "DateOfManufacture", "DateOfPuttingIntoService", "nameplate")
    markings = plate.get("Markings") if isinstance(plate, dict) else None
    for number, marking in enumerate(markings if isinstance(markings, list) else ()):
        yield from _days_in_order(marking, "IssueDate", "ExpiryDate", f"nameplate/Markings/{number}")
    made = _day_at(plate, "DateOfManufacture")
    for path, element, value in walk("condition", parts.get("condition")):
        day = _day(value) if element and element.value_type == "xs:dateTime" and type(value) is str else None
        if made and day and day < made:
            yield _error("/".join(("condition", *path)), f"{day} is before manufacture on {made}", "check both days")


def _days_in_order(found: Tree, first: str, second: str, where: str) -> Iterator[Finding]:
    one, other = _day_at(found, first), _day_at(found, second)
    if one and other and other < one:
        yield _error(f"{where}/{second}", f"{other} is before {first}, {one}", "check both days")


def _day_at(found: Tree, name: str) -> date | None:
    text = found.get(name) if isinstance(found, dict) else None
    return _day(text) if type(text) is str else None


def _identities(parts: Parts) -> Iterator[Finding]:
    """The same thing said in two parts."""
    for here, there in (
        (("technical", "GeneralInformation", "ManufacturerIdentifier"), ("nameplate", "ManufacturerIdentifier")),
        (("metadata", "uniqueProductIdentifier"), ("nameplate", "URIOfTheProduct")),
        (("metadata", "facilityId"), ("nameplate", "UniqueFacilityIdentifier")),
    ):
        one, other = _at(parts, here), _at(parts, there)
        if one is not None and other is not None and one != other:
            yield _error("/".join(here), f"{str(one)[:80]!r} differs from {'/'.join(there)}", "make them equal")


def _at(parts: Parts, path: Iterable[str]) -> Tree:
    found: Tree = dict(parts)
    for segment in path:
        found = found.get(segment) if isinstance(found, dict) else None
    return found


_RULES: tuple[Callable[[Parts], Iterator[Finding]], ...] = (_voltages, _temperatures, _energy, _masses, _shares, _dates, _identities)


# --- documents -------------------------------------------------------------------------------------


def _documents(parts: Parts, documents: Sequence[PassportDocument]) -> Iterator[Finding]:
    """References without a document, and documents that nobody may have because their kind is not plain."""
    referred, stated = kinds_referred(parts), kinds_stated(documents)
    handover = parts.get("handover")
    listed = handover.get("Documents") if isinstance(handover, dict) else None
    entries = {each for entry in (listed if isinstance(listed, list) else ()) for each in entry_identifiers(entry)}
    known = entries | {document.identifier for document in documents}
    for identifier, kinds in referred.items():
        if identifier not in known:
            yield Finding(
                f"documents/{identifier}", f"is referred to ({', '.join(sorted(kinds))}) but not there", "add it to documents.csv"
            )
    for identifier in sorted(known):
        kinds = kinds_of([identifier], referred, stated)
        if len(kinds) != 1 or not kinds <= KINDS.keys():
            what = f"is of several kinds ({', '.join(sorted(kinds))})" if len(kinds) > 1 else "is of no known kind"
            yield Finding(f"documents/{identifier}", f"{what}; given to nobody", "state one kind, and refer to it as that only")
