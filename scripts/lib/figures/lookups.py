"""Whether finding a battery by an identifier stays as quick, however many batteries there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scripts.lib import bench_pair
from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan, figure

NAMES = ("lookup_ms_p95", "lookup_p95_ratio")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    few, _, many = plan.datasets
    tails: dict[int, list[float]] = {}
    with bench_pair.workplace() as folder, bench_pair.pair(folder, stores, view="") as nodes:
        nodes.pin_apart()
        for size in (few, many):
            nodes.maker.do("batteries", upto=size)
            nodes.recycler.do("lookups", count=max(10, plan.pages // 4), upto=size)  # what is kept is kept, and no cold page counts
            tails[size] = [_p95(nodes.recycler.do("lookups", count=plan.pages, upto=size)["ms"]) for _ in range(plan.runs)]
    how = "POST /lookup/shellsByAssetLink by serial number and part number or by product identifier, one after another, signed each"
    yield figure("lookup_ms_p95", "ms", tails[many], f"{how}; {many} published batteries, 95th percentile of {plan.pages} a run")
    ratio = [large / small for small, large in zip(sorted(tails[few]), sorted(tails[many]), strict=True)]
    yield figure("lookup_p95_ratio", "ratio", ratio, f"95th percentile with {many} batteries divided by that with {few}; as lookup_ms_p95")


def _p95(took: Sequence[float]) -> float:
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
