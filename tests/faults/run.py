"""`scripts/faults`: try the matrix, say what came of it, exit 1 when one case did not survive or a rare path was never come along."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..store.server import PostgresServer, running_server, why_not
from .cases import SOMETIMES, SOMETIMES_ON, STORES, Case, Tally, matrix, sample
from .play import PAIRS, Run


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    stores = [store for store in STORES if options.store in (None, store)]
    wanted = {store: chosen(store, options.only, options.sample, seed) for store in stores}
    if options.list:
        print("\n".join(case.name for cases in wanted.values() for case in cases))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="saltbridge-faults-"))
    tally, show, begun = Tally(), _Show(quiet=options.json), time.perf_counter()
    show.say(f"faults: seed {seed}, in {folder}")
    kept: list[Path] = []
    skipped: dict[str, str] = {}
    for store in stores:
        with _server(store) as (server, why):
            if why:
                skipped[store] = why
                show.say(f"{store}: SKIPPED  {why}")
                continue
            run = Run(store, folder, seed, tally, server, show.tried)
            asyncio.run(run.play(wanted[store], pairs=options.pairs))
            kept += run.kept
    whole = not options.only and not options.sample
    names = [*SOMETIMES, *(name for store in stores if store not in skipped for name in SOMETIMES_ON[store])]
    missed = [name for name in names if whole and not tally.counts.get(name)]
    if not kept:
        with contextlib.suppress(OSError):
            folder.rmdir()
    _tell(options, tally, missed, kept, skipped, seed, time.perf_counter() - begun, show)
    return 1 if tally.failed or missed or not tally.tried else 0


def chosen(store: str, only: Sequence[str], number: int | None, seed: int) -> list[Case]:
    """The cases that fit a pattern, or so many of them."""
    if number is not None and not only:
        return sample(store, number, seed)
    cases = [case for case in matrix(store) if not only or any(fnmatch.fnmatch(case.name, f"*{pattern}*") for pattern in only)]
    if number is None or number >= len(cases):
        return cases
    return sorted(random.Random(f"{seed} {store}").sample(cases, number), key=cases.index)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description="Let everything go wrong between two nodes, one thing at a time.")
    parser.add_argument("--store", choices=STORES, help="only on this one")
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", default=[], help="cases like kill/agreement or wire/*/lost; repeatable"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them for each store, chosen by the seed")
    parser.add_argument("--seed", type=int, help="the sample and the storms of an earlier run")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"pairs of nodes for cases that need one to themselves ({PAIRS})")
    parser.add_argument("--json", action="store_true", help="print one object in the end, and nothing else")
    parser.add_argument("--list", action="store_true", help="name the cases and try none")
    return parser.parse_args(argv)


@contextlib.contextmanager
def _server(store: str) -> Iterator[tuple[PostgresServer | None, str]]:
    """A database server where one is needed, or why there is none."""
    if store == "sqlite":
        yield None, ""
    elif reason := why_not():
        yield None, reason
    else:
        with running_server() as server:
            yield server, ""


class _Show:
    """What is seen while it runs."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.tried_of: Counter[str] = Counter()
        self.failed_of: Counter[str] = Counter()
        self._line = ""

    def say(self, text: str) -> None:
        if not self.quiet:
            print(f"\r{text:<{len(self._line)}}", flush=True)
            self._line = ""

    def tried(self, name: str, why: str) -> None:
        family = "/".join(name.split("/")[:2])
        self.tried_of[family] += 1
        if why:
            self.failed_of[family] += 1
            self.say(f"FAILED {name}: {why.splitlines()[-1][:600]}")
        if not self.quiet and sys.stdout.isatty():
            self._line = f"{sum(self.tried_of.values())} tried, {sum(self.failed_of.values())} failed  {name}"
            print(f"\r{self._line:<110.110}", end="", flush=True)
        elif sum(self.tried_of.values()) % 200 == 0:
            self.say(f"  {sum(self.tried_of.values())} tried, {sum(self.failed_of.values())} failed")


def _tell(
    options: argparse.Namespace, tally: Tally, missed: Sequence[str], kept: Sequence[Path], skipped: dict[str, str], seed: int,
    seconds: float, show: _Show,
) -> None:  # fmt: skip
    if options.json:
        told = {
            "tried": tally.tried, "survived": tally.survived, "seconds": round(seconds, 1), "seed": seed,
            "families": {name: [number, show.failed_of[name]] for name, number in sorted(show.tried_of.items())},
            "sometimes": dict(sorted(tally.counts.items())), "never": list(missed), "skipped": skipped,
            "failed": [{"case": name, "why": why} for name, why in tally.failed], "folders": [str(path) for path in kept],
        }  # fmt: skip
        print(json.dumps(told, indent=1))
        return
    show.say("")
    print(f"{'CASES':<22} {'TRIED':>6} {'SURVIVED':>9}")
    for name, number in sorted(show.tried_of.items()):
        print(f"{name:<22} {number:>6} {number - show.failed_of[name]:>9}")
    print("\nSometimes:")
    for name, number in sorted(tally.counts.items()):
        print(f"  {number:>6}  {name}")
    for name in missed:
        print(f"   never  {name}")
    for name, why in tally.failed:
        print(f"\nFAILED {name}\n  {why}")
    if kept:
        print("\nNodes, logs and what failed: " + " ".join(map(str, kept)))
    print(f"\n{seconds:.0f} s, seed {seed}")
    print(f"faults: {tally.survived} of {tally.tried} survived")


if __name__ == "__main__":
    sys.exit(main())
