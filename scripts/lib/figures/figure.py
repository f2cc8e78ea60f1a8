"""One figure: the median of its runs with the least and the most of them.  `Plan` says how much is done in a run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    runs: int = 5
    idle: int = 100  # negotiations one after another, in a run
    busy: int = 400  # at concurrency `at_once`; five runs are the 2,000 that none may be lost of
    at_once: int = 32
    many: int = 10_000
    datasets: tuple[int, int, int] = (1_000, 100_000, 1_000_000)
    pages: int = 400
    pulls: int = 2_000


QUICK = Plan(runs=2, idle=10, busy=20, at_once=8, many=40, datasets=(100, 300, 1_000), pages=10, pulls=50)
"""Only shows that everything runs."""


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str
    spread: tuple[float, float]
    runs: int
    how: str

    def json(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit, "spread": list(self.spread), "runs": self.runs, "how": self.how}


def figure(name: str, unit: str, runs: Sequence[float], how: str, value: float | None = None) -> Figure:
    """The median of runs (or `value`), rounded to what can be told apart."""
    middle = statistics.median(runs) if value is None else value
    return Figure(name, _rounded(middle), unit, (_rounded(min(runs)), _rounded(max(runs))), len(runs), how)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))
