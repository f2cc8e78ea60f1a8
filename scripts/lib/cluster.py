"""`scripts/cluster`: three processes of one operator on one PostgreSQL, a process and then the primary killed under load.

Faults come by progress: a process is killed when a quarter of the negotiations is done, the primary when half is and the
standby takes over, and the killed process is started again.  Then everything that both sides hold is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib import cluster_database, cluster_nodes
from scripts.lib.cluster_load import Load
from scripts.lib.cluster_nodes import Cluster, Process, Trouble
from scripts.lib.cluster_proof import Proof, in_hand, proven
from scripts.lib.telling import Teller

HOLDS, HOLDS_WITHIN = 2, 3.0  # letters that the process to be killed shall have in its hands, and seconds to wait for them
OUTAGE = 2.0  # seconds between the primary's end and the promotion: what a cluster manager needs to be sure


@dataclass(slots=True)
class Plan:
    negotiations: int = 400
    at_once: int = 16
    processes: int = 3
    kill_at: float = 0.2  # of the negotiations
    fail_at: float = 0.45
    last: float = 0.25  # of them: begun once the killed process is back
    restart_after: float = 33.0  # seconds after the kill: when the lease of its letters has ended
    patience: float = 90.0  # seconds for anything to come true


@dataclass(slots=True)
class Run:
    """What was done and seen."""

    plan: Plan
    cluster: Cluster
    database: cluster_database.Database
    load: Load
    tell: Teller
    began: float = field(default_factory=time.time)
    faults: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)  # by conversation: letters in the killed process's hands when it was killed

    def fault(self, what: str, result: str = "", **more: Any) -> None:
        """Keep and tell what was done to the cluster, or what it did."""
        if sys.stderr.isatty():
            _over("")
        at = round(time.time() - self.began, 2)
        self.faults.append({"at": at, "what": what, "done": self.load.finished, **more})
        self.tell.under(f"{at:6.1f} s  {what}", f"{self.load.finished} of {self.plan.negotiations} done{f' · {result}' if result else ''}")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when everything held, 1 when something did not, 0 with SKIPPED where there is no PostgreSQL."""
    options = _options(argv)
    from tests.store.server import why_not

    if reason := why_not():
        print(f"cluster: SKIPPED - {reason}")
        return 0
    plan = Plan(negotiations=options.negotiations, at_once=options.at_once)
    if options.quick:
        plan.restart_after, plan.patience = 4.0, 60.0
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-cluster-"))
    tell = Teller(quiet=options.json)
    try:
        proof = run(plan, folder, tell)
    except Trouble as error:
        print(f"cluster: stopped - {error}\n  next  look at the logs in {folder}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(proof.json(), indent=1))
    if options.keep:
        tell.line(f"Logs and homes are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    tell.line(proof.last_line)
    return 0 if proof.holds else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/cluster", description="Three processes, one PostgreSQL, faults under load.")
    plan = Plan()
    parser.add_argument("--negotiations", metavar="N", type=int, default=plan.negotiations, help="how many, each with transfer and pull")
    parser.add_argument("--at-once", metavar="N", type=int, default=plan.at_once, help="how many of them at a time")
    parser.add_argument("--quick", action="store_true", help="start the killed process again at once, before its leases end by themselves")
    parser.add_argument("--keep", action="store_true", help="keep homes and logs")
    parser.add_argument("--json", action="store_true", help="print one object; the telling goes to stderr")
    return parser.parse_args(argv)


def run(plan: Plan, folder: Path, tell: Teller) -> Proof:
    """The whole of it; Trouble when a step cannot be taken."""
    tell.title(f"Saltbridge cluster · {plan.processes} processes of one operator, one PostgreSQL with a synchronous standby, one consumer")
    begun = time.perf_counter()
    with cluster_database.running() as database:
        cluster = cluster_nodes.made(folder, database.url, plan.processes)
        tell.step(1, f"A primary at :{database.primary.port} and its standby at :{database.standby.port}", _took(begun))
        try:
            return asyncio.run(_run(plan, cluster, database, tell))
        finally:
            for process in cluster.everybody:
                process.stop()


async def _run(plan: Plan, cluster: Cluster, database: cluster_database.Database, tell: Teller) -> Proof:
    begun = time.perf_counter()
    await cluster.balancer.start()
    await cluster.gate.start()
    try:
        await asyncio.to_thread(_start, cluster)
        await cluster.balancer.until_ready(plan.processes)
        await asyncio.to_thread(cluster_nodes.introduce, cluster)
        tell.step(2, f"{plan.processes} processes behind http://localhost:{cluster.balancer.port}, and a consumer", _took(begun))
        run = Run(plan, cluster, database, Load(cluster, plan.patience), tell)
        tell.step(3, f"{plan.negotiations} negotiations, {plan.at_once} at a time, each with a transfer and a pull")
        working = asyncio.create_task(run.load.run(plan.negotiations, plan.at_once, int(plan.negotiations * plan.last)))
        faults = asyncio.create_task(_faults(run))
        watching = asyncio.create_task(_watch(run))
        try:
            await asyncio.gather(working, faults)
        finally:
            for task in (working, faults, watching):
                task.cancel()
            await asyncio.gather(working, faults, watching, return_exceptions=True)
        run.fault("all is done")
        await asyncio.sleep(0.5)  # last answers are committed
        proof = await proven(run)
        proof.tell(tell)
        return proof
    finally:
        await cluster.balancer.stop()
        await cluster.gate.stop()


def _start(cluster: Cluster) -> None:
    """One after another: processes on two cores do not start faster together."""
    for process in cluster.everybody:
        process.start()


async def _watch(run: Run) -> None:
    """On a terminal: a line that says how it goes, written over itself."""
    if not sys.stderr.isatty():
        return
    try:
        while True:
            await asyncio.sleep(0.2)
            states = "  ".join(f"{each.name} {each.state:<5} {each.answered:>5}" for each in run.cluster.balancer.backends)
            done = f"{run.load.finished:>4} of {run.plan.negotiations} done"
            _over(f"     {time.time() - run.began:6.1f} s  {done}  {states}")
    finally:
        _over("")


def _over(text: str) -> None:
    """Write over the line that the cursor is on."""
    print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


async def _faults(run: Run) -> None:
    plan, victim = run.plan, run.cluster.makers[1]
    await _progress(run, plan.kill_at)
    await _kill_with_work(run, victim)
    run.fault(f"SIGKILL to {victim.name}", f"{sum(run.held.values())} letters in its hands", letters=sum(run.held.values()))
    killed = time.monotonic()
    await _progress(run, plan.fail_at)
    await asyncio.to_thread(run.database.fail)
    run.fault("the primary is stopped at once")
    await asyncio.sleep(OUTAGE)
    states = [each.state for each in run.cluster.balancer.backends]
    begun = time.perf_counter()
    await asyncio.to_thread(run.database.promote)
    promoted = time.perf_counter() - begun
    run.fault("the standby is promoted", f"in {promoted:.2f} s · ready before: {states.count('ready')} of {len(states)}", seconds=promoted)
    begun = time.perf_counter()
    await run.cluster.balancer.until_ready(plan.processes - 1, plan.patience)
    back = time.perf_counter() - begun
    run.fault("the processes are ready again", f"after {back:.2f} s", seconds=back)
    while time.monotonic() - killed < plan.restart_after:
        await asyncio.sleep(0.1)
    await asyncio.to_thread(victim.start)
    await run.cluster.balancer.until_ready(plan.processes, plan.patience)
    run.fault(f"{victim.name} is started again", "and serves")
    run.load.rest.set()


async def _kill_with_work(run: Run, victim: Process) -> None:
    """Kill a process with letters in its hands that have not arrived: the network holds what is sent, and loses it."""
    writer, last = victim.writer, time.monotonic() + HOLDS_WITHIN
    run.cluster.gate.hold()
    try:
        while True:
            await asyncio.sleep(0.05)
            victim.freeze(True)
            run.held = await in_hand(run.database.live_url, writer)
            if sum(run.held.values()) >= HOLDS or time.monotonic() > last:
                return await asyncio.to_thread(victim.kill)
            victim.freeze(False)
    finally:
        run.cluster.gate.lose()


async def _progress(run: Run, part: float) -> None:
    while run.load.finished < run.plan.negotiations * part:
        await asyncio.sleep(0.02)


def _took(begun: float) -> str:
    return f"in {time.perf_counter() - begun:.1f} s"


__all__ = ["Plan", "Process", "Run", "main", "run"]

if __name__ == "__main__":
    sys.exit(main())
