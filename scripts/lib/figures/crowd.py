"""Many negotiations at a time: how many a second, at what cost, whether any gets lost, and what stays in memory after ten thousand.

One pair does them all, one after another: ten thousand are by far the longest part of the whole benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib.bench_pair import Pair, Stores

from .figure import Figure, Plan, figure
from .negotiating import FOUR, lost, negotiating, run

NAMES = ("negotiations_per_s", "cpu_ms_per_negotiation", "negotiations_lost", "negotiations_six_per_s", "rss_after_mib")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    six = plan.busy // 2
    with negotiating(plan, stores) as nodes:
        yield from _four(plan, nodes)
        rates = [run(nodes, six, plan.at_once, wider=True)[0] for _ in range(plan.runs)]
        said = "six messages: the consumer asks for longer than is offered, the provider makes its offer again, and that is accepted"
        yield figure("negotiations_six_per_s", "1/s", rates, f"{said}; {six} a run, otherwise as negotiations_per_s")
        run(nodes, max(1, plan.many - plan.runs * (plan.busy + six)), plan.at_once)
        used = [float(each.do("usage")["rss_mib"]) for each in nodes.both]
    how = f"resident memory of the larger of the two nodes after {plan.many} negotiations; spread: provider and consumer"
    yield figure("rss_after_mib", "MiB", used, how, value=max(used))


def _four(plan: Plan, nodes: Pair) -> Iterator[Figure]:
    rates, costs, missing = [], [], []
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
