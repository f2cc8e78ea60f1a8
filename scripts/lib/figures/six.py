"""Negotiations with a counter-offer, six messages each."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan, figure
from .negotiating import negotiating, run

NAMES = ("negotiations_six_per_s",)


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    count = plan.busy // 2
    with negotiating(plan, stores) as nodes:
        rates = [run(nodes, count, plan.at_once, wider=True)[0] for _ in range(plan.runs)]
    said = "six messages: the consumer asks for longer than is offered, the provider makes its offer again, and that is accepted"
    yield figure("negotiations_six_per_s", "1/s", rates, f"{said}; {count} a run, otherwise as negotiations_per_s")
