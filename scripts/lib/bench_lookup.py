"""What `scripts/bench` asks of the registry: very many batteries, and questions for one of them by an identifier.

Batteries are written by SQL, as `bench_seed` writes datasets: what it writes is what the store would.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connector.config import Config
from connector.ports import Record, World
from connector.records import Battery, Layer, Model, Peer
from scripts.lib import bench_seed
from scripts.lib.bench_http import Line, load
from submodels.value import write_json

MODEL = "BENCH"
_NUMBER = "NNNNNNN"  # what stands in the templates for the number


async def fill(world: World, config: Config, upto: int) -> int:
    """Have so many published batteries; returns how many were added."""
    async with world.store.transaction() as tx:
        have = await tx.count(Battery, model=MODEL)
        if await tx.get(Model, MODEL) is None:
            now = world.clock.now()
            tx.put(Model(id=MODEL, category="ev", status="published", changed=now, made=now))
            tx.put(_layer(MODEL, "nameplate", {"ManufacturerIdentifier": "https://id.bench.example/417/9506000172132"}))
    if upto > have:
        await (bench_seed.write_sqlite if config.database else bench_seed.write_postgres)(config, _records(), have, upto)
    return upto - have


def _records() -> list[Record]:
    """One battery with the values that name it."""
    battery = f"{MODEL}.{_NUMBER}"
    product, passport = f"https://id.bench.example/01/09506000172040/21/{_NUMBER}", f"https://passport.bench.example/{_NUMBER}"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Battery(id=battery, version=1, model=MODEL, serial=_NUMBER, aliases=(product, passport), changed=at, made=at),
        replace(_layer(battery, "nameplate", {"URIOfTheProduct": product, "SerialNumber": _NUMBER}), version=1),
        replace(
            _layer(battery, "metadata", {"digitalProductPassportId": passport, "uniqueProductIdentifier": product}), version=1
        ),
    ]  # fmt: skip


def _layer(owner: str, part: str, values: dict[str, Any]) -> Layer:
    return Layer(id=f"{owner}/{part}", owner=owner, part=part, content=write_json(values).decode())


async def ask(world: World, peer: Peer, count: int, upto: int) -> dict[str, Any]:
    """Look up one battery after the other by its serial number, its product identifier, and read its descriptor; milliseconds each."""
    root = peer.address.partition("/dsp/")[0]
    chosen = random.Random(count)  # the same batteries in every run

    async def one(line: Line, link: str) -> str:
        number = f"{chosen.randrange(upto):07d}"
        links = (
            [{"name": "partInstanceId", "value": number}, {"name": "manufacturerPartId", "value": MODEL}],
            [{"name": "globalAssetId", "value": f"https://id.bench.example/01/09506000172040/21/{number}"}],
        )
        token = await world.identity.token(peer.id)
        body = json.dumps(chosen.choice(links)).encode()
        found = json.loads((await line.ask("POST", f"{root}/lookup/shellsByAssetLink", {"Authorization": token}, body)).body)["result"]
        if found != [f"https://passport.bench.example/{number}#shell"]:
            raise RuntimeError(f"battery {number}: {found}")
        return ""

    return await load(peer.address, one, count, 1)
