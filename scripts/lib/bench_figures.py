"""The figures: what is measured, how, how often.  Each is the median of its runs with the least and the most of them.

`Plan` says how much is done in a run; a quick plan only shows that everything runs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib import bench_pair
from scripts.lib.bench_pair import BATTERY, LARGER_VIEW, VIEW, Pair, Stores


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    runs: int = 5
    idle: int = 200  # negotiations one after another, in a run
    busy: int = 400  # at concurrency `at_once`; five runs are the 2,000 that none may be lost of
    at_once: int = 32
    many: int = 10_000
    datasets: tuple[int, int, int] = (1_000, 100_000, 1_000_000)
    pages: int = 600
    pulls: int = 3_000


QUICK = Plan(runs=2, idle=10, busy=20, at_once=8, many=40, datasets=(100, 300, 1_000), pages=10, pulls=50)


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


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saltbridge-bench-")


# --- a node by itself ----------------------------------------------------------------------------


def start(plan: Plan, stores: Stores) -> Iterator[Figure]:
    seconds, used = [], []
    with _folder() as folder:
        home = bench_pair.made(Path(folder) / "maker", "maker")
        for _ in range(plan.runs):
            with bench_pair.served(home, stores("maker")) as (pid, ready):
                time.sleep(1.0)
                seconds.append(ready)
                used.append(bench_pair.resident(pid))
    yield figure("ready_seconds", "s", seconds, "saltbridge serve started until /health/ready answers 200, files warm")
    yield figure("rss_idle_mib", "MiB", used, "resident memory of saltbridge serve one second after it is ready, nothing asked yet")


# --- negotiations --------------------------------------------------------------------------------

FOUR = "four messages, signed, durable on power loss at both ends"


def idle(plan: Plan, stores: Stores) -> Iterator[Figure]:
    middles, tails = [], []
    with _negotiating(plan, stores) as nodes:
        for _ in range(plan.runs):
            took = sorted(nodes.recycler.do("negotiate", count=plan.idle, at_once=1, view=VIEW)["ms"])
            middles.append(statistics.median(took))
            tails.append(took[min(len(took) - 1, int(len(took) * 0.99))])
    how = f"one after another, {plan.idle} a run, from the request to FINALIZED at the consumer; {FOUR}"
    yield figure("negotiation_ms_p50", "ms", middles, how)
    yield figure("negotiation_ms_p99", "ms", tails, how)


def busy(plan: Plan, stores: Stores) -> Iterator[Figure]:
    rates, costs, lost = [], [], []
    with _negotiating(plan, stores) as nodes:
        for _ in range(plan.runs):
            rate, cost, ended = _run(nodes, plan.busy, plan.at_once)
            rates.append(rate)
            costs.append(cost)
            lost.append(_lost(nodes, ended))
    how = f"{plan.busy} a run, {plan.at_once} at a time, two processes on two cores, load made in the consumer's process; {FOUR}"
    yield figure("negotiations_per_s", "1/s", rates, how)
    yield figure("cpu_ms_per_negotiation", "ms", costs, f"user and system time of both processes; {how}")
    total = f"of {plan.runs * plan.busy} in the runs of negotiations_per_s: terminated, stuck, or another state at the other end"
    yield figure("negotiations_lost", "", lost, total, value=float(sum(lost)))


def six(plan: Plan, stores: Stores) -> Iterator[Figure]:
    count = plan.busy // 2
    with _negotiating(plan, stores) as nodes:
        rates = [_run(nodes, count, plan.at_once, wider=True)[0] for _ in range(plan.runs)]
    said = "six messages: the consumer asks for longer than is offered, the provider makes its offer again, and that is accepted"
    yield figure("negotiations_six_per_s", "1/s", rates, f"{said}; {count} a run, otherwise as negotiations_per_s")


def memory(plan: Plan, stores: Stores) -> Iterator[Figure]:
    with _negotiating(plan, stores) as nodes:
        for _ in range(10):
            _run(nodes, plan.many // 10, plan.at_once)
        used = [float(each.do("usage")["rss_mib"]) for each in nodes.both]
    how = f"resident memory of the larger of the two nodes after {plan.many} negotiations; spread: provider and consumer"
    yield figure("rss_after_mib", "MiB", used, how, value=max(used))


@contextmanager
def _negotiating(plan: Plan, stores: Stores) -> Iterator[Pair]:
    """A pair that has done a few already."""
    with _folder() as folder, bench_pair.pair(Path(folder), stores) as nodes:
        nodes.recycler.do("negotiate", count=max(8, plan.idle // 4), at_once=4, view=VIEW)
        yield nodes


def _run(nodes: Pair, count: int, at_once: int, wider: bool = False) -> tuple[float, float, dict[str, str]]:
    """(negotiations a second, CPU milliseconds each, state by consumer pid)"""
    before = nodes.cpu()
    done = nodes.recycler.do("negotiate", count=count, at_once=at_once, wider=wider, view=VIEW)
    time.sleep(0.2)  # the provider hears of the last ones a moment later
    return count / done["seconds"], (nodes.cpu() - before) * 1000 / count, done["states"]


def _lost(nodes: Pair, ended: dict[str, str]) -> int:
    """How many are not FINALIZED at both ends, given two seconds for what is under way."""
    for _ in range(20):
        there = nodes.maker.do("states", pids=list(ended))["states"]
        here = nodes.recycler.do("states", pids=list(ended))["states"]
        lost = sum(not here[pid] == there[pid] == "FINALIZED" for pid in ended)
        if not lost:
            return 0
        time.sleep(0.1)
    return lost


# --- catalog -------------------------------------------------------------------------------------


def catalog(plan: Plan, stores: Stores) -> Iterator[Figure]:
    small, middle, large = plan.datasets
    rates: dict[int, list[float]] = {}
    with _folder() as folder, bench_pair.pair(Path(folder), stores, view="") as nodes:
        one, other = sorted(bench_pair.two_cores())[0], sorted(bench_pair.two_cores())[-1]
        nodes.pin({one}, {other})
        for size in plan.datasets:
            nodes.maker.do("fill", upto=size)
            first = [_pages(nodes, plan.pages // 4)]
            rates[size] = [_pages(nodes, plan.pages) for _ in range(plan.runs)]
            if size != middle:
                continue
            seen = f"pages of 100 of {size} datasets under ten definitions, eight of them for this caller"
            how = f"{seen}, over HTTP, a signed token each, provider on one core; policies evaluated at every request"
            asked = "what of a page depends on datasets and terms alone is kept from an earlier walk"
            yield figure("catalog_page_per_s", "1/s", rates[size], f"{how}; {asked}")
            yield figure("catalog_page_first_per_s", "1/s", first, f"{how}; nothing kept yet")
            packed = [_pages(nodes, plan.pages, "gzip") for _ in range(plan.runs)]
            yield figure("catalog_page_gzip_per_s", "1/s", packed, f"{how}; as catalog_page_per_s, compressed")
    ratio = [few / most for few, most in zip(sorted(rates[small]), sorted(rates[large]), strict=True)]
    how = f"pages a second of {small} datasets divided by pages a second of {large}, as catalog_page_per_s"
    yield figure("catalog_growth", "ratio", ratio, how)


def _pages(nodes: Pair, count: int, encoding: str = "") -> float:
    done = nodes.recycler.do("pages", count=count, at_once=8, encoding=encoding)
    return float(count / done["seconds"])


# --- pulls ---------------------------------------------------------------------------------------


def pulls(plan: Plan, stores: Stores) -> Iterator[Figure]:
    rates, size = [], 0.0
    with _folder() as folder, bench_pair.pair(Path(folder), stores, LARGER_VIEW) as nodes:
        nodes.recycler.do("negotiate", count=1, at_once=1, view=LARGER_VIEW)
        nodes.recycler.do("start_transfer")
        one, other = sorted(bench_pair.two_cores())[0], sorted(bench_pair.two_cores())[-1]
        nodes.pin({one}, {other})
        nodes.recycler.do("pull", count=20, at_once=2, battery=BATTERY)
        for _ in range(plan.runs):
            done = nodes.recycler.do("pull", count=plan.pulls, at_once=16, battery=BATTERY)
            rates.append(plan.pulls / done["seconds"])
            size = done["bytes"]
    how = f"one battery's view of {size / 1000:.1f} kB over HTTP, 16 at a time, provider on one core"
    yield figure("pulls_per_s", "1/s", rates, f"{how}; each authorised anew, each in the audit chain")


Group = Callable[[Plan, Stores], Iterator[Figure]]

GROUPS: Mapping[Group, tuple[str, ...]] = {
    start: ("ready_seconds", "rss_idle_mib"),
    idle: ("negotiation_ms_p50", "negotiation_ms_p99"),
    busy: ("negotiations_per_s", "cpu_ms_per_negotiation", "negotiations_lost"),
    six: ("negotiations_six_per_s",),
    memory: ("rss_after_mib",),
    pulls: ("pulls_per_s",),
    catalog: ("catalog_page_per_s", "catalog_page_first_per_s", "catalog_page_gzip_per_s", "catalog_growth"),
}
