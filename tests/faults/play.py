"""Tries cases: those of the wire side by side on one pair of nodes, the others on pairs of their own, all of it seeded."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..store.server import PostgresServer
from .cases import MOST_COMMITS, SHARED, Case, Tally, agreements_match, at_rest, no_two_agreements, try_alone, try_shared, verified
from .gate import Wire
from .processes import Pair, running_pair

SIDE_BY_SIDE = 24  # cases of the wire
PAIRS = 4  # that have cases to themselves
LONGEST = 180.0  # seconds for one case: it waits for several things, each some PATIENCE long
EVERY = 3.0  # seconds between two looks at the audit chains while faults go on


@dataclass
class Run:
    """One run of some cases on one store."""

    store: str
    folder: Path
    seed: int
    tally: Tally
    server: PostgresServer | None = None
    told: Callable[[str, str], None] = lambda name, why: None  # after each try: name, why it failed
    wires: list[Wire] = field(default_factory=list)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    kept: list[Path] = field(default_factory=list)  # folders of pairs to which something happened that must not

    async def play(self, cases: Sequence[Case], *, pairs: int = PAIRS, numbers: Sequence[int] = ()) -> None:
        """Try them all.  `numbers`: of the n-th commits only these, instead of every one."""
        shared = [case for case in cases if case.family in SHARED]
        alone = [case for case in cases if case.family not in SHARED]
        work = [self._together(shared)] if shared else []
        left = iter(alone)
        work += [self._one_by_one(left, numbers) for _ in range(min(pairs, len(alone)))]
        await asyncio.gather(*work)
        for wire in self.wires:
            for what, number in wire.counts.items():
                self.tally.count(what, number)

    @contextlib.asynccontextmanager
    async def _pair(self) -> AsyncIterator[Pair]:
        """A pair in a folder of its own, which is removed unless it is to be kept."""
        folder = self.folder / f"{self.store}-{secrets.token_hex(3)}"
        urls = {side: self.server.url(await self.server.new_schema()) for side in ("consumer", "provider")} if self.server else {}
        async with contextlib.AsyncExitStack() as stack:
            async with self.starting:  # one after the other: a machine that is busy starting keeps running cases waiting
                pair = await stack.enter_async_context(running_pair(folder, self.store, urls))
            self.wires.append(pair.wire)
            yield pair
        if folder not in self.kept:
            shutil.rmtree(folder, ignore_errors=True)

    # --- side by side

    async def _together(self, cases: Sequence[Case]) -> None:
        free = asyncio.Semaphore(SIDE_BY_SIDE)
        async with self._pair() as pair:

            async def one(case: Case) -> None:
                async with free:
                    await self._tried(case.name, pair, try_shared(case, pair, self.tally, self.seed))

            looking = asyncio.create_task(self._looks(pair))
            await asyncio.gather(*(one(case) for case in cases))
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
            await self._checked(pair, "agreements", agreements_match(pair))
            await self._checked(pair, "outbox", at_rest(pair))
            for node in pair.nodes:
                await self._checked(pair, f"audit/{node.role}", verified(node))

    async def _looks(self, pair: Pair) -> None:
        """Safety while faults go on: the chains hold all the time, and no negotiation ever has two agreements."""
        while True:
            await asyncio.sleep(EVERY)
            for node in pair.nodes:
                await self._checked(pair, f"audit/{node.role}", verified(node))
                await self._checked(pair, f"agreements/{node.role}", no_two_agreements(node))

    # --- one by one

    async def _one_by_one(self, left: Iterator[Case], numbers: Sequence[int]) -> None:
        """Take cases as long as there are some; after one that failed the next gets another pair."""
        case = next(left, None)
        while case is not None:
            async with self._pair() as pair:
                usable = True
                while usable and case is not None:
                    usable = await self._alone(case, pair, numbers)
                    case = next(left, None)
                if usable:
                    await self._checked(pair, "agreements", agreements_match(pair))

    async def _alone(self, case: Case, pair: Pair, numbers: Sequence[int]) -> bool:
        """Try it, or each of its commits; False when the pair is not to be used any more."""
        if case.family == "kill":
            return await self._tried(case.name, pair, try_alone(case, pair, self.tally)) is not None
        for number in numbers or range(1, MOST_COMMITS):
            happened = await self._tried(f"{case.name}-{number}", pair, try_alone(case, pair, self.tally, number))
            if not happened:
                return happened is not None
        return True

    # --- one

    async def _checked(self, pair: Pair, what: str, check: Awaitable[object]) -> None:
        """What must hold of a pair, whatever happens to it; no case of its own unless it fails."""
        try:
            async with asyncio.timeout(LONGEST):
                await check
        except Exception as error:  # noqa: BLE001 - as below
            self._failed(f"{self.store}/safety/{what}", pair, str(error) or type(error).__name__)

    async def _tried(self, name: str, pair: Pair, work: Awaitable[bool | None]) -> bool | None:
        """Whether something happened in it; None when it failed.  A story in which nothing happened is no case."""
        try:
            async with asyncio.timeout(LONGEST):
                happened = await work
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this case came to
            why = str(error) if isinstance(error, AssertionError) else "".join(traceback.format_exception(error))
            self._failed(name, pair, why or type(error).__name__)
            return None
        if happened is not False:
            self.tally.tried += 1
            self.tally.survived += 1
            self.told(name, "")
        return happened is not False

    def _failed(self, name: str, pair: Pair, why: str) -> None:
        self.tally.tried += 1
        self.tally.failed.append((name, why))
        if pair.folder not in self.kept:
            self.kept.append(pair.folder)
        with (pair.folder / "failed.txt").open("a") as file:
            file.write(f"{name}\n{why}\n\n")
        self.told(name, why)
