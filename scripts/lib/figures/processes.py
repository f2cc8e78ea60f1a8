"""Negotiations a second when one, two and three processes of the provider share a database behind one address."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from connector.cli.init import make
from scripts.lib import bench_pair
from scripts.lib.bench_pair import MODEL, ROOT, SAMPLE, VIEW, Pair, Process, Stores, Trouble, check_logs, made, two_cores
from scripts.lib.cluster_nodes import LOOPBACK, free_port

from .figure import Figure, Plan, figure
from .negotiating import FOUR, lost, run

COUNTS = {1: "negotiations_per_s_one_process", 2: "negotiations_per_s_two_processes", 3: "negotiations_per_s_three_processes"}
NAMES = (*COUNTS.values(), "negotiations_lost_shared")
STORES = ("postgres",)


def measure(plan: Plan, stores: Stores) -> Iterator[Figure]:
    missing = []
    behind = "behind a balancer written in Python, the consumer on SQLite, all on the same two cores"
    for count, name in COUNTS.items():
        rates = []
        with bench_pair.workplace() as folder, _shared(folder, stores("maker"), count) as nodes:
            nodes.recycler.do("negotiate", count=max(8, plan.idle // 2), at_once=4, view=VIEW)
            for _ in range(plan.runs):
                rate, _, ended = run(nodes, plan.busy // 2, plan.at_once)
                rates.append(rate)
                missing.append(lost(nodes, ended))
            if any(missing):
                nodes.keep(f"{sum(missing)} negotiations were lost")
        provider = f"{count} provider process{'es' * (count > 1)} on one PostgreSQL"
        yield figure(name, "1/s", rates, f"{provider}, {behind}; {plan.busy // 2} a run, {plan.at_once} at a time; {FOUR}")
    total = f"of {len(COUNTS) * plan.runs * (plan.busy // 2)} with one, two and three processes: not FINALIZED at both ends"
    yield figure(NAMES[-1], "", missing, total, value=float(sum(missing)))


@contextlib.contextmanager
def _shared(folder: Path, url: str, count: int) -> Iterator[Pair]:
    """A maker that is so many processes on one database, and a recycler that knows one address of it."""
    front, home = free_port(), folder / "maker"
    home.mkdir()
    address = f"http://localhost:{front}"
    make(home, name="maker", port=free_port(), operator_port=free_port(), public_url=address, allow_private=LOOPBACK, profile="demo")
    ports = [(free_port(), free_port()) for _ in range(count)]
    started: list[Process] = []
    with _balancer(front, ports):
        try:
            for port, operator_port in ports:
                listens = {"DATASPACE__LISTEN": f"127.0.0.1:{port}", "OPERATOR__LISTEN": f"127.0.0.1:{operator_port}"}
                started.append(Process(home, url, two_cores(), {f"SALTBRIDGE_{name}": value for name, value in listens.items()}))
            started.append(Process(made(folder / "recycler", "recycler"), "", two_cores()))
            nodes = Pair(started[0], started[-1])
            cards = [each.do("card") for each in nodes.both]
            nodes.maker.do("trust", **cards[1], name="recycler", role="recycler")
            nodes.recycler.do("trust", **cards[0], name="maker")
            nodes.maker.do("publish", folder=str(SAMPLE), model=MODEL, view=VIEW, policy="recycler", until="2098-12-31")
            nodes.recycler.do("look", view=VIEW)
            yield nodes
            check_logs(home, nodes.recycler.home)
        finally:
            for each in started:
                each.stop()


@contextlib.contextmanager
def _balancer(front: int, ports: list[tuple[int, int]]) -> Iterator[None]:
    command = [sys.executable, "-m", "scripts.lib.balancer", str(front), *(f"{port}:{operator_port}" for port, operator_port in ports)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise Trouble("the balancer did not start")
        try:
            yield
        finally:
            process.stdin.close()
