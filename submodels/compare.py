"""A passport against the version before it: counters, readings and identities that cannot go back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from submodels.errors import Finding
from submodels.leaves import instant_of
from submodels.rules import finding
from submodels.value import Number, Tree

Parts = Mapping[str, Tree]

COUNTERS = (
    "EnergyThroughput/EnergyThroughputValue",
    "CapacityThroughput/CapacityThroughputValue",
    "NumberOfFullCycles/NumberOfFullCyclesValue",
    "TemperatureInformation/TimeExtremeHighTemp",
    "TemperatureInformation/TimeExtremeLowTemp",
    "TemperatureInformation/TimeExtremeHighTempCharging",
    "TemperatureInformation/TimeExtremeLowTempCharging",
)
"""Of Product Condition: what only ever grows."""

REPAIRED = ("remanufactured", "repurposed")
"""Stages of life that a battery enters by a repair: its counters may begin again with the version that first says so."""

_IDENTITY = ("SerialNumber", "URIOfTheProduct", "DateOfManufacture")


def since(before: Parts, after: Parts) -> tuple[Finding, ...]:
    """What an item's new version cannot say, given the one that it replaces; both with their merged parts."""
    return (*_counters(before, after), *_readings(before, after), *_identities(before, after))


def _counters(before: Parts, after: Parts) -> Iterator[Finding]:
    stage = _at(after, "nameplate", "LifeCycleStage")
    if isinstance(stage, str) and stage.lower() in REPAIRED and stage != _at(before, "nameplate", "LifeCycleStage"):
        return
    for path in COUNTERS:
        was, now = _at(before, "condition", path), _at(after, "condition", path)
        if isinstance(was, Number) and isinstance(now, Number) and now.decimal < was.decimal:
            next = f"correct it, or say what was repaired: LifeCycleStage {' or '.join(REPAIRED)}"
            yield finding("counter.falls", f"condition/{path}", f"falls from {was} to {now}", next)


def _readings(before: Parts, after: Parts) -> Iterator[Finding]:
    condition = after.get("condition")
    for name in condition if isinstance(condition, dict) else ():
        was, now = (_at(parts, "condition", f"{name}/LastUpdate") for parts in (before, after))
        earlier, later = (instant_of(text) if type(text) is str else None for text in (was, now))
        if earlier and later and (earlier.tzinfo is None) == (later.tzinfo is None) and later < earlier:
            where = f"condition/{name}/LastUpdate"
            yield finding("time.falls", where, f"{now} is before the reading of {was} that it replaces", "give the newest reading")


def _identities(before: Parts, after: Parts) -> Iterator[Finding]:
    for name in _IDENTITY:
        was, now = _at(before, "nameplate", name), _at(after, "nameplate", name)
        if was is not None and now is not None and was != now:
            what = f"changes from {str(was)[:80]!r} to {str(now)[:80]!r}"
            yield finding("identity.changes", f"nameplate/{name}", what, "another battery has a passport of its own")


def _at(parts: Parts, part: str, path: str) -> Tree:
    found = parts.get(part)
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
