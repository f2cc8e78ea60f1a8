"""How many pulls of a view one core answers."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib import bench_pair
from scripts.lib.bench_pair import BATTERY, LARGER_VIEW, Stores

from .figure import Figure, Plan, figure

NAMES = ("pulls_per_s",)


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    rates, size = [], 0.0
    with bench_pair.workplace() as folder, bench_pair.pair(folder, stores, LARGER_VIEW) as nodes:
        nodes.recycler.do("negotiate", count=1, at_once=1, view=LARGER_VIEW)
        nodes.recycler.do("start_transfer")
        nodes.pin_apart()
        nodes.recycler.do("pull", count=20, at_once=2, battery=BATTERY)
        for _ in range(plan.runs):
            done = nodes.recycler.do("pull", count=plan.pulls, at_once=16, battery=BATTERY)
            rates.append(plan.pulls / done["seconds"])
            size = done["bytes"]
    how = f"one battery's view of {size / 1000:.1f} kB over HTTP, 16 at a time, provider on one core"
    yield figure("pulls_per_s", "1/s", rates, f"{how}; each authorised anew, each in the audit chain")
