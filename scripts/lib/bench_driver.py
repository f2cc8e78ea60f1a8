"""A node as a process of its own that also does what a benchmark asks: `python -m scripts.lib.bench_driver HOME`.

It is wired and run exactly as `saltbridge serve` does it (same page, log on at the same level, written to a file); orders come
as JSON lines on stdin, one answer each on stdout.  The load is made inside the consumer's process, straight through
`exchange`, so that what drives a negotiation costs nearly nothing beside the negotiation.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from connector import config, log, node
from connector.cli.serve import settle
from connector.exchange import negotiate, transfer
from connector.identity import keys, static
from connector.operate import catalogs, offers, passports, peers
from connector.ports import World
from connector.records import Agreement, Json, Negotiation, Peer, Transfer
from scripts.lib import bench_aas, bench_lookup, bench_seed
from scripts.lib.bench_http import Line, load
from scripts.lib.bench_pair import resident
from submodels.folder import read_folder

FINAL = ("FINALIZED", "TERMINATED")
GIVE_UP = 60.0  # seconds after which a negotiation counts as stuck


class Driver:
    """What one node can be told to do; `kept` is what an order leaves for a later one."""

    def __init__(self, running: node.Node) -> None:
        self.node = running
        self.world: World = running.world
        self.peer: Peer | None = None
        self.offer: Json = {}
        self.grant = ""
        self.agreement = ""

    async def card(self) -> Json:
        card = static.card(self.world.me, keys.load(self.node.config.keys).dsp)
        return {"card": card, "fingerprint": static.read_card(card).fingerprint}

    async def trust(self, card: Json, fingerprint: str, name: str, role: str = "") -> Json:
        claims = {"role": (role,)} if role else {}
        added = await peers.add(self.world, static, peers.Wish(card=card, fingerprint=fingerprint, name=name, claims=claims))
        async with self.world.store.transaction() as tx:
            self.peer = await tx.get(Peer, static.read_card(card).id)
        return {"changed": added["changed"]}

    async def publish(self, folder: str, model: str, view: str, policy: str, until: str) -> Json:
        root = Path(folder)
        files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        await passports.import_batch(self.world, read_folder(files))
        await passports.publish(self.world, model)
        return {"offer": await offers.offer(self.world, offers.Wish(view=view, model=model, policy=policy, until=until))}

    async def look(self, view: str) -> Json:
        """Find the peer's dataset of a view, once, as an operator would."""
        peer = self._peer()
        found = await catalogs.find(self.world, peer, view)
        self.grant = await catalogs.grant(self.world, peer, found.id)
        self.offer = catalogs.best_offer(self.world, found) | {"target": found.id}
        return {"dataset": found.id}

    async def negotiate(self, count: int, at_once: int, wider: bool = False, view: str = "") -> Json:
        """So many negotiations, so many of them at a time; how long each took here and how each ended here."""
        offer = _wider(self.offer) if wider else self.offer
        took: list[float] = []
        states: dict[str, str] = {}
        left = iter(range(count))

        async def worker() -> None:
            for _ in left:
                begun = time.perf_counter()
                made = await negotiate.request(self.world, self._peer(), offer, grant=self.grant, view=view)
                states[made.id] = await self._ended(made.id, begun)
                took.append((time.perf_counter() - begun) * 1000)

        begun, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "cpu": time.process_time() - spent, "ms": took, "states": states}

    async def _ended(self, pid: str, begun: float) -> str:
        while True:
            async with self.world.store.transaction() as tx:
                process = await tx.get(Negotiation, pid)
            state = process.place.state if process else "GONE"
            if state in FINAL or time.perf_counter() - begun > GIVE_UP:
                self.agreement = process.agreement.get("@id", "") if process and state == "FINALIZED" else self.agreement
                return state
            await self.world.changes.wait(pid, 1.0)

    async def states(self, pids: list[str] | None = None) -> Json:
        """How each negotiation stands here, by the consumer's pid."""
        found: dict[str, str] = {}
        after = ""
        async with self.world.store.transaction() as tx:
            while page := await tx.find(Negotiation, after=after):
                after = page[-1].id
                found |= {each.id if each.side == "consumer" else each.peer_pid: each.place.state for each in page}
        return {"states": found if pids is None else {pid: found.get(pid, "GONE") for pid in pids}}

    async def fill(self, upto: int) -> Json:
        """Have so many datasets on offer."""
        return {"added": await bench_seed.fill(self.world, self.node.config, upto)}

    async def pages(self, count: int, at_once: int, encoding: str = "") -> Json:
        """Read the peer's catalog page after page, from several places at once, beginning anew at the end."""
        peer = self._peer()

        async def ask(line: Line, link: str) -> str:
            url = link or f"{peer.address}/catalog/request"
            token = await self.world.identity.token(peer.id)
            answer = await line.ask("POST", url, {"Authorization": token, "Accept-Encoding": encoding}, bench_seed.REQUEST)
            return bench_seed.next_link(answer)

        return await load(peer.address, ask, count, at_once)

    async def start_transfer(self) -> Json:
        """A started transfer under the last agreement; its endpoint and token are kept for `pull`."""
        begun = time.perf_counter()
        while True:
            async with self.world.store.transaction() as tx:
                agreement = await tx.get(Agreement, self.agreement)
            if agreement is not None and agreement.state == "FINALIZED":
                break
            await asyncio.sleep(0.01)
        process = await transfer.request(self.world, agreement.id)
        while process.place.state != "STARTED" and time.perf_counter() - begun < GIVE_UP:
            await self.world.changes.wait(process.id, 0.2)
            async with self.world.store.transaction() as tx:
                process = await tx.get(Transfer, process.id) or process
        self.url, self.token, _ = await transfer.endpoint(self.world, process.id)
        return {"state": process.place.state}

    async def pull(self, count: int, at_once: int, battery: str) -> Json:
        """Pull one battery's view again and again under the one transfer."""

        async def ask(line: Line, link: str) -> str:
            await line.ask("GET", f"{self.url}/{battery}", {"Authorization": self.token})
            return ""

        return await load(self.url, ask, count, at_once)

    async def value(self, count: int, battery: str) -> Json:
        """Milliseconds for `$value` of every part of a battery in this process: with the view at hand, and without."""
        return await bench_aas.in_process(self.world, battery, count)

    async def values(self, count: int, at_once: int, battery: str, public: bool) -> Json:
        """Ask for `$value` of one part of a battery after the other, under the one transfer or as anybody."""
        return await bench_aas.over_http(self.url, "" if public else self.token, battery, count, at_once)

    async def batteries(self, upto: int) -> Json:
        """Have so many published batteries."""
        return {"added": await bench_lookup.fill(self.world, self.node.config, upto)}

    async def lookups(self, count: int, upto: int) -> Json:
        """Ask the peer's registry for one battery after the other, of the first `upto`."""
        return await bench_lookup.ask(self.world, self._peer(), count, upto)

    async def usage(self) -> Json:
        """What this process has used: CPU seconds so far, resident memory now."""
        return {"cpu": time.process_time(), "rss_mib": resident(os.getpid())}

    def _peer(self) -> Peer:
        if self.peer is None:
            raise RuntimeError("trust a peer first")
        return self.peer


def _wider(offer: Json) -> Json:
    """The offer asked for without its last day: the provider answers with what it offers, and the consumer takes that."""

    def later(constraint: Json) -> Json:
        ends = constraint.get("operator") == "lteq" and "dateTime" in constraint.get("leftOperand", "")
        return constraint | {"rightOperand": "2099-12-31T23:59:59Z"} if ends else constraint

    rules = [rule | {"constraint": [later(each) for each in rule.get("constraint", [])]} for rule in offer["permission"]]
    return offer | {"permission": rules}


async def serve(home: Path) -> None:
    """Run the node until stdin ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with node.running(node.build(config.load(home))) as running:
        settle()
        driver = Driver(running)
        _answer({"ready": running.world.me.id})
        while line := await orders.readline():
            order = json.loads(line)
            does: Callable[..., Awaitable[Json]] = getattr(driver, order.pop("do"))
            try:
                _answer(await does(**order))
            except Exception as error:  # noqa: BLE001 - the benchmark shows it and stops
                log.failure("bench", error)
                _answer({"error": f"{type(error).__name__}: {error}"})


def _answer(value: Json) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    log.configure("json")
    asyncio.run(serve(Path(sys.argv[1])))
