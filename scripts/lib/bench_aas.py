"""What `scripts/bench` asks of the AAS API: `$value` of a battery's seven submodels, in the node's own process and over HTTP."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import Any

from connector.exchange import release, twins
from connector.exchange.sight import Sight
from connector.kept import Kept
from connector.ports import World
from connector.records import Agreement
from scripts.lib.bench_http import Line, load
from submodels.documents import KINDS
from submodels.grant import AttributeGrant, make_grant
from submodels.table import PARTS as ALL

ROOTED = "/aas/api/v3.1"
PARTS = 7  # what a grant of everything shows: six of IDTA 02035's, since the carbon footprint is pending, and the passport's metadata


async def in_process(world: World, battery: str, count: int) -> dict[str, Any]:
    """Milliseconds from the ids of seven submodels to their `$value` bytes, through a grant of everything that has a class."""
    async with world.store.transaction() as tx:
        found = await tx.find(Agreement, side="provider", state="FINALIZED", limit=1)
    permit = release.Permit("bench", found[0], _everything(), found[0].scope, world.clock.now().date())
    who = Sight(permit=permit)
    seen = await twins.shell(world, who, await _shell(world, battery))
    ids = [sheet.id for sheet in seen.sheets()] if isinstance(seen, twins.Seen) else []
    if len(ids) != PARTS:
        raise RuntimeError(f"{battery} shows {len(ids)} parts")
    kept = [await _once(world, who, ids) for _ in range(count)]
    first = [await _once(replace(world, views=Kept(1000)), who, ids) for _ in range(max(5, count // 10))]
    sizes = [len(await _value(world, who, each)) for each in ids]
    return {"kept_ms": _middle(kept), "first_ms": _middle(first), "bytes": sum(sizes)}


async def over_http(url: str, token: str, battery: str, count: int, at_once: int) -> dict[str, Any]:
    """`$value` of one submodel of a battery after the other; `url` is a transfer's data address."""
    base = url.partition("/data")[0] + ROOTED
    headers = {"Authorization": token} if token else {}
    addresses: list[str] = []
    turns = iter(range(10**9))

    async def find(line: Line, link: str) -> str:
        wanted = _b64(json.dumps({"name": "batteryId", "value": battery}))
        answer = json.loads((await line.ask("GET", f"{base}/shells?assetIds={wanted}", headers)).body)
        ids = [each["keys"][0]["value"] for each in answer["result"][0]["submodels"]]
        addresses.extend(f"{base}/submodels/{_b64(id)}/$value" for id in ids)
        return ""

    async def ask(line: Line, link: str) -> str:
        await line.ask("GET", addresses[next(turns) % len(addresses)], headers)
        return ""

    await load(base, find, 1, 1)
    return await load(base, ask, count, at_once)


def _everything() -> AttributeGrant:
    return make_grant([f"{part}/**" for part in ALL], sorted(KINDS), "contract")


async def _shell(world: World, battery: str) -> str:
    async for seen in twins.with_link(world, Sight(), "batteryId", battery):
        return seen.id
    raise RuntimeError(f"no shell of {battery}")


async def _once(world: World, who: Sight, ids: list[str]) -> float:
    begun = time.perf_counter()
    for id in ids:
        await _value(world, who, id)
    return (time.perf_counter() - begun) * 1000


async def _value(world: World, who: Sight, id: str) -> bytes:
    return (await twins.sheet(world, who, id)).value(core=False, blobs=False)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
