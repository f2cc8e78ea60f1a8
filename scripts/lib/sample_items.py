"""The three batteries of the sample: what each has been through, in numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Item:
    """One battery.  Percentages unless said otherwise."""

    serial: str
    passport: str  # last segment of its passport's id
    manufactured: str
    in_service: str
    stage: str
    measured: datetime  # when its last readings began
    cycles: int
    spare_charge: float  # Ah beyond the whole cycles
    capacity_fade: float
    certified: float  # state of certified energy
    power_fade: float
    efficiency_fade: float  # points
    resistance: tuple[float, float, float]  # increase on cell, pack and module level
    charge: float
    power_at: float
    temperature: tuple[float, float, float, float, float]  # degC, then minutes: hot, cold, charging hot, charging cold
    rated_capacity: float  # Ah, as measured when it was placed on the market
    expected_cycles: int
    expected_years: int
    negative_events: tuple[str, ...]
    accident: bool = False

    def moment(self, step: int) -> str:
        """The instant of one reading: all differ, none is before `measured`."""
        return (self.measured + timedelta(seconds=37 * step)).strftime("%Y-%m-%dT%H:%M:%SZ")


ITEMS: tuple[Item, ...] = (
    Item(
        serial="000017",
        passport="7QX4-000017",
        manufactured="2024-03-14",
        in_service="2024-05-22",
        stage="original",
        measured=datetime(2026, 11, 12, 8, 41, 7, tzinfo=UTC),
        cycles=431,
        spare_charge=87.43,
        capacity_fade=8.427,
        certified=90.86,
        power_fade=6.318,
        efficiency_fade=1.746,
        resistance=(11.93, 13.47, 12.62),
        charge=43.71,
        power_at=79.35,
        temperature=(17.83, 214.6, 1093.4, 36.75, 128.25),
        rated_capacity=205.37,
        expected_cycles=1624,
        expected_years=15,
        negative_events=("Charged below -10 degrees for 26 minutes", "Kerb strike, underbody plate dented"),
        accident=True,
    ),
    Item(
        serial="000018",
        passport="7QX4-000018",
        manufactured="2024-03-15",
        in_service="2024-06-11",
        stage="original",
        measured=datetime(2026, 11, 13, 10, 12, 44, tzinfo=UTC),
        cycles=268,
        spare_charge=141.96,
        capacity_fade=5.193,
        certified=94.37,
        power_fade=3.874,
        efficiency_fade=1.128,
        resistance=(7.162, 8.345, 7.781),
        charge=61.29,
        power_at=80.65,
        temperature=(12.46, 57.35, 1871.2, 14.85, 203.15),
        rated_capacity=204.91,
        expected_cycles=1651,
        expected_years=16,
        negative_events=("Left at 3 % state of charge for nine days",),
    ),
    Item(
        serial="000019",
        passport="7QX4-000019",
        manufactured="2024-03-18",
        in_service="2024-04-29",
        stage="repurposed",
        measured=datetime(2026, 11, 16, 6, 5, 31, tzinfo=UTC),
        cycles=922,
        spare_charge=23.58,
        capacity_fade=19.64,
        certified=78.52,
        power_fade=15.76,
        efficiency_fade=3.294,
        resistance=(27.84, 31.58, 29.16),
        charge=55.48,
        power_at=78.95,
        temperature=(23.19, 902.7, 641.8, 188.4, 91.65),
        rated_capacity=204.58,
        expected_cycles=1583,
        expected_years=13,
        negative_events=("Cell pair 41 overcharged to 4.24 V", "Coolant pump stood still for 18 minutes"),
    ),
)
