"""`scripts/bench`: measure, say how, print a table or one JSON object."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scripts.lib.bench_pair import ROOT, Stores, Trouble, two_cores
from scripts.lib.figures import STORES, Group, groups
from scripts.lib.figures.figure import QUICK, Figure, Plan

BEGIN, END = "<!-- bench:begin -->\n", "<!-- bench:end -->"
HEAD = ("| figure | median | spread | how |", "|---|---|---|---|")
NAMES = {name: group for group in groups() for name in group.names}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 1 when a node fails; a slow figure is no failure, it is told."""
    options = _options(argv)
    if options.list:
        print("\n".join(NAMES))
        return 0
    begun, found = time.perf_counter(), []
    try:
        for each in _measured(options.figure, QUICK if options.quick else Plan(), options.store):
            found.append(each)
            if not options.json:
                print(_line(each), flush=True)
    except Trouble as error:
        print(f"The benchmark stopped: {error}", file=sys.stderr)
        return 1
    print(json.dumps({each.name: each.json() for each in found}, indent=1) if options.json else _machine(begun))
    if options.readme:
        _write_readme(found, begun)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure two nodes of this version on this machine.")
    parser.add_argument("--json", action="store_true", help="print one object: figure -> value, unit, spread, runs, how")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs; no figure to quote")
    parser.add_argument(
        "--figure", "--only", metavar="NAME", action="append", default=[], choices=list(NAMES), help="this figure; may be repeated"
    )
    parser.add_argument("--store", choices=(*STORES, "both"), default="both", help="both: as far as they are here")
    parser.add_argument("--list", action="store_true", help="name the figures")
    parser.add_argument("--readme", action="store_true", help="write what was measured into README.md, between its bench markers")
    return parser.parse_args(argv)


def _measured(only: Sequence[str], plan: Plan, store: str) -> Iterator[Figure]:
    for name in STORES if store == "both" else (store,):
        chosen = [group for group in dict.fromkeys(NAMES[each] for each in only or NAMES) if name in group.stores]
        if not chosen:
            continue
        with _stores(name, needed=store != "both") as stores:
            if stores is None:
                continue
            for group in chosen:
                for each in _until(group, [known for known in group.names if not only or known in only], plan, stores):
                    yield each if name == "sqlite" else replace(each, name=f"{each.name}@{name}")


def _until(group: Group, wanted: list[str], plan: Plan, stores: Stores) -> Iterator[Figure]:
    """The wanted figures of a group; what it would measure after the last of them is not measured."""
    with contextlib.closing(group.measure(plan, stores)) as measured:
        for each in measured:
            if each.name in wanted:
                wanted.remove(each.name)
                yield each
            if not wanted:
                return


@contextlib.contextmanager
def _stores(name: str, *, needed: bool) -> Iterator[Stores | None]:
    """Where a node keeps its data: its own SQLite file, or a schema of a PostgreSQL server that lives as long as this block."""
    if name == "sqlite":
        yield lambda _: ""
        return
    from tests.store.server import running_server, why_not

    if reason := why_not():
        if needed:
            raise Trouble(reason)
        print(f"PostgreSQL is left out: {reason}", file=sys.stderr)
        yield None
        return
    with running_server(fsync="on") as server:
        yield lambda _: server.url(asyncio.run(server.new_schema()))


def _line(each: Figure) -> str:
    low, high = each.spread
    return f"{each.name:<34} {each.value:>8g} {each.unit:<5} {low:g} to {high:g} in {each.runs} runs"


def _machine(begun: float) -> str:
    cores = f"{platform.machine()}, {len(two_cores())} cores, load {os.getloadavg()[2]:.1f} over the last quarter of an hour"
    return f"{cores}, Python {platform.python_version()}, {platform.system()} · {time.perf_counter() - begun:.0f} s"


def _write_readme(found: Sequence[Figure], begun: float) -> None:
    path = ROOT / "README.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    stood, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no place for the table: put {BEGIN.strip()} and {END} where it belongs.")
    path.write_text(f"{before}{BEGIN}{table(found, stood)}\n\n{_machine(begun)}\n{END}{after}", encoding="utf-8")


def table(found: Sequence[Figure], stood: str = "") -> str:
    """The figures as the README shows them, in the order of the list; of a table that `stood` there what was not measured anew."""
    rows = {row.split("`")[1]: row for row in stood.splitlines() if row.startswith("| `")} | {each.name: _row(each) for each in found}
    names = [name if store == STORES[0] else f"{name}@{store}" for store in STORES for name in NAMES]
    return "\n".join([*HEAD, *(rows[name] for name in names if name in rows)])


def _row(each: Figure) -> str:
    value = f"{each.value:g} {each.unit}".rstrip()
    return f"| `{each.name}` | {value} | {each.spread[0]:g} to {each.spread[1]:g} ({each.runs}) | {each.how} |"


if __name__ == "__main__":
    sys.exit(main())
