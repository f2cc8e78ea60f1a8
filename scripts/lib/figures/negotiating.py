"""Negotiations between two nodes, as several figures count them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.lib import bench_pair
from scripts.lib.bench_pair import VIEW, Pair, Stores

from .figure import Plan

FOUR = "four messages, signed, durable on power loss at both ends"


@contextmanager
def negotiating(plan: Plan, stores: Stores) -> Iterator[Pair]:
    """A pair that has done a few already."""
    with bench_pair.workplace() as folder, bench_pair.pair(folder, stores) as nodes:
        nodes.recycler.do("negotiate", count=max(8, plan.idle // 2), at_once=4, view=VIEW)
        yield nodes


def run(nodes: Pair, count: int, at_once: int, *, wider: bool = False) -> tuple[float, float, dict[str, str]]:
    """(negotiations a second, CPU milliseconds each, state by consumer pid)"""
    before = nodes.cpu()
    done = nodes.recycler.do("negotiate", count=count, at_once=at_once, wider=wider, view=VIEW)
    time.sleep(0.2)  # the provider hears of the last ones a moment later
    return count / done["seconds"], (nodes.cpu() - before) * 1000 / count, done["states"]


def lost(nodes: Pair, ended: dict[str, str]) -> int:
    """How many are not FINALIZED at both ends, given two seconds for what is under way."""
    for _ in range(20):
        there = nodes.maker.do("states", pids=list(ended))["states"]
        here = nodes.recycler.do("states", pids=list(ended))["states"]
        count = sum(not here[pid] == there[pid] == "FINALIZED" for pid in ended)
        if not count:
            return 0
        time.sleep(0.1)
    return count
