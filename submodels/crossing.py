"""Fields of a passport that contradict each other, or the day of the check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from submodels.errors import Finding
from submodels.leaves import day_of
from submodels.points import points, tells
from submodels.rules import finding
from submodels.table import Element
from submodels.value import Number, Tree, walk

Parts = Mapping[str, Tree]
_MARGIN = Decimal("1.1")  # what measuring and rounding may add to a bound


def contradictions(parts: Parts) -> Iterator[Finding]:
    """Every finding about fields that do not go together."""
    once = _Once(parts)
    for rule in _RULES:
        yield from rule(once)


def of_the_day(parts: Parts, day: date) -> Iterator[Finding]:
    """What cannot be on a day: a battery that is not made yet."""
    made = _day_at(parts.get("nameplate"), "DateOfManufacture")
    if made and made > day:
        yield finding("date.future", "nameplate/DateOfManufacture", f"{made} is after the day of the check, {day}", "check the day")


def of_the_category(parts: Parts, category: str) -> Iterator[Finding]:
    """What does not go with the passport's category; stationary storage may call itself industrial."""
    where = ("technical", "GeneralInformation", "BatteryCategory")
    said = _at(parts, where)
    kin = {"stationary", "industrial"}
    if type(said) is str and category and said.lower() != category and not {said.lower(), category} <= kin:
        yield finding("same.category", "/".join(where), f"is {said[:40]!r}, the passport's is {category!r}", "let both say the same")


class _Once(dict[str, Tree]):
    """Parts whose numbers many rules ask for: each part is walked once."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._walked: dict[str, Sequence[tuple[tuple[str, ...], Element | None, Tree]]] = {}

    def leaves(self, part: str) -> Sequence[tuple[tuple[str, ...], Element | None, Tree]]:
        """The leaves of a part that are numbers."""
        if part not in self._walked:
            self._walked[part] = [each for each in walk(part, self.get(part)) if isinstance(each[2], Number)]
        return self._walked[part]


def numbers(parts: Parts, part: str, *wanted: str) -> list[tuple[str, Decimal]]:
    """(where, value) of every number at paths that end so, list positions aside."""
    return [
        ("/".join((part, *path)), value.decimal)
        for path, element, value in (parts.leaves(part) if isinstance(parts, _Once) else walk(part, parts.get(part)))
        if element and isinstance(value, Number) and element.path[-len(wanted) :] == wanted
    ]


# --- bounds ----------------------------------------------------------------------------------------


def _in_order(rule: str, found: Sequence[tuple[str, Decimal]], words: str) -> Iterator[Finding]:
    for (_, low), (where, high) in pairwise(found):
        if low > high:
            yield finding(rule, where, f"{high} is below {low}", words)


def _voltages(parts: Parts) -> Iterator[Finding]:
    names = ("MinVoltage", "NominalVoltage", "MaxVoltage")
    found = [each for name in names for each in numbers(parts, "technical", name)]
    yield from _in_order("order.voltage", found, "minimum <= nominal <= maximum")


def _temperatures(parts: Parts) -> Iterator[Finding]:
    names = ("TemperatureRangeIdleState_LowerBoundary", "TemperatureRangeIdleState_UpperBoundary")
    found = [each for name in names for each in numbers(parts, "technical", name)]
    yield from _in_order("order.temperature", found, "the lower bound comes first")


def _efficiencies(parts: Parts) -> Iterator[Finding]:
    names = ("RoundTripEnergyEfficiencyAt50PercentOfCycleLife", "InitialRoundTripEnergyEfficiency")
    found = [each for name in names for each in numbers(parts, "technical", name)]
    yield from _in_order("order.efficiency", found, "efficiency falls with age")


def _powers(parts: Parts) -> Iterator[Finding]:
    for _, most in numbers(parts, "technical", "MaximumPermittedBatteryPower"):
        for where, power in numbers(parts, "technical", "powerCapabilityAt"):
            if power > most > 0:  # what is out of range is told by its range
                yield finding("order.power", where, f"{power} W is above the maximum permitted {most} W", "compare both")


def _energy(parts: Parts) -> Iterator[Finding]:
    volts, hours = numbers(parts, "technical", "NominalVoltage"), numbers(parts, "technical", "RatedCapacity")
    certified = numbers(parts, "technical", "CertifiedUsableBatteryEnergy")
    for where, energy in certified:
        if volts and hours and energy * 1000 > volts[0][1] * hours[0][1] * _MARGIN:
            what = f"{energy} kWh is more than nominal voltage times rated capacity"
            yield finding("energy.certified", where, what, "check voltage, capacity and energy")
    yield from _no_more("energy.remaining", numbers(parts, "condition", "RemainingEnergyValue"), certified, "kWh")
    yield from _no_more("capacity.remaining", numbers(parts, "condition", "RemainingCapacityValue"), hours, "Ah")


def _no_more(rule: str, left: Sequence[tuple[str, Decimal]], whole: Sequence[tuple[str, Decimal]], unit: str) -> Iterator[Finding]:
    for where, value in left:
        if whole and value > whole[0][1] * _MARGIN:
            yield finding(rule, where, f"{value} {unit} remain of {whole[0][1]} {unit}", f"compare {whole[0][0]}; the unit is {unit}")


# --- sums ------------------------------------------------------------------------------------------


def _masses(parts: Parts) -> Iterator[Finding]:
    masses = numbers(parts, "materials", "BatteryMaterialMass")
    for where, whole in numbers(parts, "technical", "BatteryMass"):
        if masses and (total := sum(mass for _, mass in masses)) > whole:
            what = f"the masses add up to {total} kg, the battery has {whole} kg"
            yield finding("sum.mass", "materials/BatteryMaterials", what, f"compare {where}")


def _shares(parts: Parts) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, each in enumerate(_entries(parts, "circularity", "RecycledContentInformation")):
        where = f"circularity/RecycledContentInformation/{number}"
        shares = [each.get(name) for name in ("PreConsumerShare", "PostConsumerShare")]
        if (total := sum(share.decimal for share in shares if isinstance(share, Number))) > 100:
            yield finding("sum.share", where, f"the shares add up to {total} %", "at most 100 %")
        material = str(each.get("RecycledMaterial", "")).lower()
        if material and material in seen:
            yield finding("share.twice", where, f"{material} is told before", "tell each material once")
        seen.add(material)


# --- days ------------------------------------------------------------------------------------------


def _dates(parts: Parts) -> Iterator[Finding]:
    plate = parts.get("nameplate")
    yield from _days_in_order("date.service", plate, "DateOfManufacture", "DateOfPuttingIntoService", "nameplate")
    for number, marking in enumerate(_entries(parts, "nameplate", "Markings")):
        yield from _days_in_order("date.marking", marking, "IssueDate", "ExpiryDate", f"nameplate/Markings/{number}")
    made = _day_at(plate, "DateOfManufacture")
    for path, element, value in walk("condition", parts.get("condition")):
        day = day_of(value) if element and element.value_type == "xs:dateTime" and type(value) is str else None
        if made and day and day < made:
            yield finding("date.measured", "/".join(("condition", *path)), f"{day} is before manufacture on {made}", "check both days")


def _days_in_order(rule: str, found: Tree, first: str, second: str, where: str) -> Iterator[Finding]:
    one, other = _day_at(found, first), _day_at(found, second)
    if one and other and other < one:
        yield finding(rule, f"{where}/{second}", f"{other} is before {first}, {one}", "check both days")


def _day_at(found: Tree, name: str) -> date | None:
    text = found.get(name) if isinstance(found, dict) else None
    return day_of(text) if type(text) is str else None


# --- the same thing said twice, and things that go together ------------------------------------------

_SAME = (
    ("same.manufacturer", ("technical", "GeneralInformation", "ManufacturerIdentifier"), ("nameplate", "ManufacturerIdentifier")),
    ("same.product", ("metadata", "uniqueProductIdentifier"), ("nameplate", "URIOfTheProduct")),
    ("same.facility", ("metadata", "facilityId"), ("nameplate", "UniqueFacilityIdentifier")),
    ("same.operator", ("metadata", "economicOperatorId"), ("nameplate", "OperatorIdentifier")),
)


def _identities(parts: Parts) -> Iterator[Finding]:
    for rule, here, there in _SAME:
        one, other = _at(parts, here), _at(parts, there)
        if one is not None and other is not None and one != other:
            yield finding(rule, "/".join(here), f"{str(one)[:80]!r} differs from {'/'.join(there)}", "make them equal")


_METALS = (  # of Art. 13(5): name, CAS number, share of the battery's mass in % above which it is marked
    ("cadmium", "7440-43-9", Decimal("0.002")),
    ("lead", "7439-92-1", Decimal("0.004")),
)


def _heavy_metals(parts: Parts) -> Iterator[Finding]:
    marking = points()[41]
    marked = any(tells(marking.words, str(each.get("MarkingName", ""))) for each in _entries(parts, "nameplate", "Markings"))
    for name, number, most in _METALS:
        share = _share_of(parts, name, number)
        if share > most and not marked:
            what = f"no marking names it, and the battery holds {share.quantize(Decimal('0.001'))} % {name}"
            yield finding("marking.heavy-metal", "nameplate/Markings", what, f"add a marking {'Cd' if name == 'cadmium' else 'Pb'}", 41)


def _share_of(parts: Parts, name: str, number: str) -> Decimal:
    """How much of the battery's mass a metal is, in percent, by its concentration or by masses."""
    masses = numbers(parts, "technical", "BatteryMass")
    shares = [Decimal(0)]
    for each in _entries(parts, "materials", "HazardousSubstances"):
        share = each.get("HazardousSubstanceConcentration")
        if isinstance(share, Number) and _is(each, "HazardousSubstance", name, number):
            shares.append(share.decimal)
    for each in _entries(parts, "materials", "BatteryMaterials"):
        mass = each.get("BatteryMaterialMass")
        if isinstance(mass, Number) and masses and masses[0][1] and _is(each, "BatteryMaterial", name, number):
            shares.append(100 * mass.decimal / masses[0][1])
    return max(shares)


def _is(each: Mapping[str, Tree], what: str, name: str, number: str) -> bool:
    return tells((number,), str(each.get(f"{what}Identifier", ""))) or tells((name,), str(each.get(f"{what}Name", "")))


def _entries(parts: Parts, part: str, name: str) -> list[dict[str, Tree]]:
    """The entries of a list at the root of a part; an empty one for what is none, so that positions stay."""
    found = _at(parts, (part, name))
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def _at(parts: Parts, path: Iterable[str]) -> Tree:
    found: Tree = dict(parts)
    for segment in path:
        found = found.get(segment) if isinstance(found, dict) else None
    return found


_RULES: tuple[Callable[[Parts], Iterator[Finding]], ...] = (
    _voltages,
    _temperatures,
    _efficiencies,
    _powers,
    _energy,
    _masses,
    _shares,
    _dates,
    _identities,
    _heavy_metals,
)
