"""The load: the consumer's operator has so many negotiations made, and each agreement used for a transfer and a pull.

Speaks to the consumer's operator listener and to the provider's data address, as a program of the operator would: what is
answered 502 or 503, or not at all, is asked again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from scripts.lib.cluster_nodes import BATTERY, Cluster, Trouble

BASE = "/management/saltbridge"
LOOK = 0.15  # seconds between two looks at something that goes on
PAUSE = 0.3  # seconds before asking again
PASSING = {502, 503}
OVER = ("FINALIZED", "TERMINATED")


@dataclass(slots=True)
class Deal:
    """One negotiation with its transfer and its pull, as the consumer's operator saw them."""

    number: int
    began: float = 0.0
    negotiation: str = ""
    agreement: str = ""
    state: str = ""
    transfer: str = ""
    transfer_state: str = ""
    pulled: str = ""  # digest of receipt and bytes, as the provider's audit chain keeps it
    seconds: float = 0.0
    agreed_at: float = 0.0


@dataclass(slots=True)
class Load:
    """What is done so far."""

    cluster: Cluster
    patience: float  # seconds for anything to come true
    deals: list[Deal] = field(default_factory=list)
    passing: Counter[str] = field(default_factory=Counter)  # answers that said "come back"
    finished: int = 0
    rest: asyncio.Event = field(default_factory=asyncio.Event)  # the last of them wait for this

    async def run(self, count: int, at_once: int, last: int = 0) -> None:
        """Make so many deals, so many of them at a time, the `last` ones once `rest` is set; Trouble when one does not come about."""
        numbers = iter(range(count))
        token = self.cluster.consumer.client.token
        limit = aiohttp.TCPConnector(limit=at_once * 2)
        async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(total=30.0)) as session:
            operator = Operator(session, f"http://127.0.0.1:{self.cluster.consumer.operator_port}{BASE}", {"X-Api-Key": token}, self)

            async def worker() -> None:
                for number in numbers:
                    if number >= count - last:
                        await self.rest.wait()
                    deal = Deal(number)
                    self.deals.append(deal)
                    await self._deal(operator, deal)
                    self.finished += 1

            async with asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(worker())

    async def _deal(self, operator: Operator, deal: Deal) -> None:
        begun, deal.began = time.perf_counter(), time.time()
        opened = await operator.asks("POST", "/negotiations", {"peer": "maker", "dataset": self.cluster.dataset, "wait": 0.0})
        deal.negotiation = opened["id"]
        ended = await operator.until(f"/negotiations/{deal.negotiation}", lambda it: it["state"] in OVER)
        deal.state, deal.agreement, deal.agreed_at = ended["state"], ended["agreement"], time.time()
        if deal.state == "FINALIZED":
            asked = await operator.asks("POST", "/transfers", {"agreement": deal.agreement, "wait": 0.0})
            deal.transfer = asked["id"]
            await operator.until(f"/transfers/{deal.transfer}", lambda it: it["state"] == "STARTED")
            deal.pulled = await operator.pulls(deal.transfer)
            await operator.asks("POST", f"/transfers/{deal.transfer}/complete", {})
            completed = await operator.until(f"/transfers/{deal.transfer}", lambda it: it["state"] in ("COMPLETED", "TERMINATED"))
            deal.transfer_state = completed["state"]
        deal.seconds = time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Operator:
    """The consumer's operator: asks, and asks again."""

    session: aiohttp.ClientSession
    base: str
    headers: dict[str, str]
    load: Load

    async def asks(self, method: str, path: str, body: Any = None) -> Any:
        """What the node answers in the end; Trouble for a refusal."""
        return await self._again(method, f"{self.base}{path}", self.headers, body)

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """The answer once something holds of it."""
        last = time.monotonic() + self.load.patience
        while not holds(found := await self.asks("GET", path)):
            if time.monotonic() > last:
                raise Trouble(f"{path} is still {found.get('state')} after {self.load.patience:.0f} s: {found}")
            await asyncio.sleep(LOOK)
        return found

    async def pulls(self, transfer: str) -> str:
        """Pull one battery; the digest of what came."""
        address = await self.asks("GET", f"/transfers/{transfer}/dataaddress")
        url, headers = f"{address['endpoint']}/{BATTERY}", {"Authorization": address["authorization"]}
        receipt, body = await self._again("GET", url, headers, None, raw=True)
        return hashlib.sha256(receipt.encode() + b"\0" + body).hexdigest()

    async def _again(self, method: str, url: str, headers: dict[str, str], body: Any, *, raw: bool = False) -> Any:
        last = time.monotonic() + self.load.patience
        while True:
            why = ""
            try:
                async with self.session.request(method, url, headers=headers, json=body) as answer:
                    content = await answer.read()
                    if answer.status < 300:
                        return (answer.headers["Saltbridge-Receipt"], content) if raw else await answer.json()
                    if answer.status not in PASSING:
                        raise Trouble(f"{method} {url} is answered {answer.status}: {content[:400].decode(errors='replace')}")
                    why = f"{answer.status} {'with' if 'Retry-After' in answer.headers else 'without'} Retry-After"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = type(error).__name__
            if time.monotonic() > last:
                raise Trouble(f"{method} {url} is still answered {why} after {self.load.patience:.0f} s")
            self.load.passing[why] += 1
            await asyncio.sleep(PAUSE)
