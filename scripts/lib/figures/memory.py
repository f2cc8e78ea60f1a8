"""What a node holds in memory after many negotiations."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan, figure
from .negotiating import negotiating, run

NAMES = ("rss_after_mib",)


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    with negotiating(plan, stores) as nodes:
        for _ in range(10):
            run(nodes, plan.many // 10, plan.at_once)
        used = [float(each.do("usage")["rss_mib"]) for each in nodes.both]
    how = f"resident memory of the larger of the two nodes after {plan.many} negotiations; spread: provider and consumer"
    yield figure("rss_after_mib", "MiB", used, how, value=max(used))
