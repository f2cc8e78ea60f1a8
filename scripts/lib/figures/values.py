"""How long `$value` of a passport's seven submodels takes in the process, and how many `$value` requests one core answers."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.lib import bench_pair
from scripts.lib.bench_pair import BATTERY, LARGER_VIEW, Stores

from .figure import Figure, Plan, figure

NAMES = ("value_ms", "value_first_ms", "value_per_s", "value_contract_per_s")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    kept, first, rates, open_rates, size = [], [], [], [], 0.0
    with bench_pair.workplace() as folder, bench_pair.pair(folder, stores, LARGER_VIEW) as nodes:
        nodes.recycler.do("negotiate", count=1, at_once=1, view=LARGER_VIEW)
        nodes.recycler.do("start_transfer")
        nodes.pin_apart()
        nodes.recycler.do("values", count=50, at_once=4, battery=BATTERY, public=False)
        for _ in range(plan.runs):
            done = nodes.maker.do("value", count=max(5, plan.pulls // 20), battery=BATTERY)
            kept.append(done["kept_ms"])
            first.append(done["first_ms"])
            size = done["bytes"]
            rates.append(_rate(nodes.recycler, plan.pulls, public=False))
            open_rates.append(_rate(nodes.recycler, plan.pulls, public=True))
    how = f"seven submodels of one battery, {size / 1000:.1f} kB, in the node's process: from the id to the bytes"
    yield figure("value_ms", "ms", kept, f"{how}; the redacted passport is at hand from an earlier reading")
    yield figure("value_first_ms", "ms", first, f"{how}; nothing at hand: read from the store, selected, written")
    over = "GET /submodels/{id}/$value over HTTP, part after part of one battery, 16 at a time, provider on one core"
    yield figure("value_per_s", "1/s", open_rates, f"{over}; the public view")
    yield figure("value_contract_per_s", "1/s", rates, f"{over}; under a contract, each authorised anew, each in the audit chain")


def _rate(consumer: bench_pair.Process, count: int, *, public: bool) -> float:
    return float(count / consumer.do("values", count=count, at_once=16, battery=BATTERY, public=public)["seconds"])
