"""How long one negotiation takes between two nodes that do nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from scripts.lib.bench_pair import VIEW, Stores

from .figure import Figure, Plan, figure
from .negotiating import FOUR, negotiating

NAMES = ("negotiation_ms_p50", "negotiation_ms_p99")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    middles, tails = [], []
    with negotiating(plan, stores) as nodes:
        for _ in range(plan.runs):
            took = sorted(nodes.recycler.do("negotiate", count=plan.idle, at_once=1, view=VIEW)["ms"])
            middles.append(statistics.median(took))
            tails.append(took[min(len(took) - 1, int(len(took) * 0.99))])
    how = f"one after another, {plan.idle} a run, from the request to FINALIZED at the consumer; {FOUR}"
    yield figure("negotiation_ms_p50", "ms", middles, how)
    yield figure("negotiation_ms_p99", "ms", tails, how)
