"""Many negotiations at a time: how many a second, at what cost, and whether any gets lost."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan, figure
from .negotiating import FOUR, lost, negotiating, run

NAMES = ("negotiations_per_s", "cpu_ms_per_negotiation", "negotiations_lost")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    rates, costs, missing = [], [], []
    with negotiating(plan, stores) as nodes:
        for _ in range(plan.runs):
            rate, cost, ended = run(nodes, plan.busy, plan.at_once)
            rates.append(rate)
            costs.append(cost)
            missing.append(lost(nodes, ended))
        if any(missing):
            nodes.keep(f"{sum(missing)} negotiations were lost")
    how = f"{plan.busy} a run, {plan.at_once} at a time, two processes on two cores, load made in the consumer's process; {FOUR}"
    yield figure("negotiations_per_s", "1/s", rates, how)
    yield figure("cpu_ms_per_negotiation", "ms", costs, f"user and system time of both processes; {how}")
    total = f"of {plan.runs * plan.busy} in the runs of negotiations_per_s: terminated, stuck, or another state at the other end"
    yield figure("negotiations_lost", "", missing, total, value=float(sum(missing)))
