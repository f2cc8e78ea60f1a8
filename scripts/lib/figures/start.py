"""A node by itself: how soon it answers, how much memory it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from scripts.lib import bench_pair
from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan, figure

NAMES = ("ready_seconds", "rss_idle_mib")


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    seconds, used = [], []
    with bench_pair.workplace() as folder:
        home, url = bench_pair.made(folder / "maker", "maker"), stores("maker")
        with bench_pair.served(home, url):
            pass  # makes the database and the bytecode, and warms the files
        for _ in range(plan.runs):
            with bench_pair.served(home, url) as (pid, ready):
                time.sleep(1.0)
                seconds.append(ready)
                used.append(bench_pair.resident(pid))
    yield figure("ready_seconds", "s", seconds, "saltbridge serve started until /health/ready answers 200; files warm, bytecode there")
    yield figure("rss_idle_mib", "MiB", used, "resident memory of saltbridge serve one second after it is ready, nothing asked yet")
