"""`scripts/demo`: the product's main job, played by four operators with nothing shared between them.

Every line it prints was seen happen.  It ends with who asked for what, who got what, and the leak check over every byte
that crossed the wire; a forbidden value, or a step that went otherwise than it must, makes it exit 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.errors import SaltbridgeError
from scripts.lib import stage
from scripts.lib.acts import Acts, Unexpected
from scripts.lib.telling import Teller

ROOT = Path(__file__).resolve().parents[2]
CAST = (("maker", ""), ("oem", "oem"), ("recycler", "recycler"), ("stranger", ""))


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    try:
        return asyncio.run(play(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nStopped; every node is down.", file=sys.stderr)
        return 130


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Four operators, four nodes, no shared service: publish, negotiate, pull, and look for leaks."
    )
    parser.add_argument("--keep", action="store_true", help="leave the nodes up and print what to try next (Ctrl-C stops them)")
    parser.add_argument("--json", action="store_true", help="print the matrix, the leak check and the timings as JSON")
    parser.add_argument("--port", type=int, default=7401, help="first port; the operators take 3 each, 10 apart (default 7401)")
    parser.add_argument("--folder", type=Path, default=ROOT / "demo", help="where the nodes' homes are made anew (default ./demo)")
    parser.add_argument("--serve", nargs="+", default=list(stage.SALTBRIDGE), help=argparse.SUPPRESS)
    return parser.parse_args(argv)


async def play(options: argparse.Namespace) -> int:
    """Set the stage, play the acts, strike the stage."""
    folder = _shown(options.folder)
    nodes = [stage.Node(name, folder / name, options.port + 10 * number, wishes) for number, (name, wishes) in enumerate(CAST)]
    nodes[0].serve = tuple(options.serve)
    teller = Teller(quiet=options.json)
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    begun = time.perf_counter()
    acts = Acts(nodes, teller, ROOT / "scripts" / "sample" / "EV-72")
    try:
        stage.check_ports(nodes)
        stage.clear(folder)
        await acts.set_the_stage()
        ok = await _acts(acts)
        result = acts.result(time.perf_counter() - begun)
        print(json.dumps(result, indent=2)) if options.json else teller.next_steps(folder, keep=options.keep)
        if options.keep and ok:
            await _wait(teller)
        return 0 if ok else 1
    except (stage.Trouble, Unexpected, SaltbridgeError) as error:
        teller.trouble(error)
        return 1
    finally:
        await asyncio.shield(stage.stop(nodes))


async def _acts(acts: Acts) -> bool:
    await acts.import_and_publish()
    await acts.offer_views()
    await acts.recycler_pulls()
    await acts.oem_pulls()
    await acts.strangers()
    await acts.outside_the_view()
    await acts.expiry()
    await acts.retire()
    acts.matrix()
    return acts.leak_check(await acts.whole_passports())


async def _wait(teller: Teller) -> None:
    teller.line("The nodes stay up. Ctrl-C stops them.")
    await asyncio.Event().wait()


def _shown(folder: Path) -> Path:
    """Relative where that is shorter to read."""
    try:
        return folder.resolve().relative_to(Path.cwd())
    except ValueError:
        return folder


__all__: list[Any] = ["main", "play"]

if __name__ == "__main__":
    sys.exit(main())
