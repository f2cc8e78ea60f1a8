"""A real node, seeded for the official kit, with the kit's two trigger routes beside it.

    python -m tests.tck.node HOME PORT KIT-ADDRESS PROPERTIES [SECONDS]

Its decider answers so many SECONDS late.  Writes the kit's property file and listens until it is stopped.  The triggers are
the kit's own: `POST /negotiations` and `POST /transfers` at PORT + 2 make the node open a process as a consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from catalog.publish import offer_for
from connector import config, log, node
from connector.cli.init import make
from connector.exchange import negotiate, transfer
from connector.ports import World
from connector.protocol.vocabulary import HTTP_PULL
from connector.records import Agreement, Asset, ContractDefinition, Peer, PolicyDefinition

from . import script
from .adapters import RULES, KitIdentity, ScriptedDecider

DEFINITION = "CD123"
PLAIN_ASSETS = {"SALTBRIDGE_DATAPLANE__PLAIN_ASSETS": "true"}  # what the kit's datasets are


async def serve(home: Path, port: int, kit: str, properties: Path, after: float = script.ANSWER_AFTER) -> None:
    async with running(home, port, [kit], after=after) as built:
        properties.write_text("\n".join(settings(built.world, port, kit)) + "\n", encoding="utf-8")
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        print("ready", flush=True)
        await stop.wait()


@contextlib.asynccontextmanager
async def running(
    home: Path, port: int, kits: Sequence[str], *, after: float, environ: Mapping[str, str] | None = None,
    prepare: Callable[[node.Node], None] = lambda built: None,
) -> AsyncIterator[node.Node]:  # fmt: skip
    """The node and its triggers, listening; `kits` are the addresses of every kit that may call and be called.

    `prepare` sees the node before it listens; `environ` is configuration as the node's own environment would hold it.
    """
    await asyncio.to_thread(make, home, name="kit-node", port=port, allow_private=["127.0.0.0/8", "::1/128"], profile="demo")
    read = config.load(home, {**PLAIN_ASSETS, **(environ or {})})
    built = node.build(read, identity=KitIdentity(kits), decider=ScriptedDecider(after))
    prepare(built)
    async with node.running(built):
        await seed(built.world, kits)
        runner = web.AppRunner(triggers(built.world), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port + 2).start()
            yield built
        finally:
            await runner.cleanup()


async def seed(world: World, kits: Sequence[str]) -> None:
    """The datasets under one bare `use` policy, the kit as a peer, an agreement for each transfer test."""
    now = datetime.now(UTC)
    async with world.store.transaction() as tx:
        tx.put(Peer(id=script.KIT, name="kit", address=kits[0], origins=tuple(kits), key={}, added=now))
        tx.put(PolicyDefinition(id="use", policy=RULES))
        tx.put(ContractDefinition(id=DEFINITION, access_policy="use", contract_policy="use", assets=script.DATASETS))
        for dataset in script.DATASETS:
            tx.put(Asset(id=dataset, form="plain", title=dataset, definitions=(DEFINITION,)))
        for side, rows in (("provider", script.PROVIDER_TRANSFERS), ("consumer", script.CONSUMER_TRANSFERS)):
            us, them = (world.me.id, script.KIT) if side == "provider" else (script.KIT, world.me.id)
            for id in rows:
                policy = {"@id": id, "@type": "Agreement", "target": "ATP0101", "assigner": us, "assignee": them, **RULES}
                tx.put(
                    Agreement(
                        id=id, side=side, peer=script.KIT, negotiation="", dataset="ATP0101", assigner=us, assignee=them,
                        policy=policy, state="FINALIZED", signed=now,
                    )
                )  # fmt: skip


def settings(world: World, port: int, kit: str) -> list[str]:
    """The kit's property file for this node."""
    base = f"http://127.0.0.1:{port}"
    lines = {
        "dataspacetck.dsp.connector.http.url": f"{base}/dsp/2025-1",
        "dataspacetck.dsp.connector.http.base.url": base,
        "dataspacetck.dsp.connector.agent.id": world.me.id,
        "dataspacetck.dsp.connector.negotiation.initiate.url": f"http://127.0.0.1:{port + 2}/negotiations",
        "dataspacetck.dsp.connector.transfer.initiate.url": f"http://127.0.0.1:{port + 2}/transfers",
        "dataspacetck.callback.address": kit,
        "dataspacetck.host": "127.0.0.1",
        "dataspacetck.port": kit.rpartition(":")[2],
        "dataspacetck.dsp.default.wait": "10",
        "dataspacetck.debug": "false",
        "dataspacetck.ansi": "false",
        "dataspacetck.dsp.local.connector": "false",
        "CAT_01_01_DATASETID": "CAT0101",
        "CAT_01_02_DATASETID": "CAT0102",
        "CAT_01_03_DATASETID": "CAT0103",
    }
    for dataset in script.PROVIDER_NEGOTIATIONS:
        lines[f"CN_{dataset[3:5]}_{dataset[5:]}_DATASETID"] = dataset
        lines[f"CN_{dataset[3:5]}_{dataset[5:]}_OFFERID"] = str(offer_for(DEFINITION, dataset, RULES)["@id"])
    for dataset in script.CONSUMER_NEGOTIATIONS:
        lines[f"CN_C_{dataset[4:6]}_{dataset[6:]}_DATASETID"] = dataset
    for prefix, rows in (("TP", script.PROVIDER_TRANSFERS), ("TP_C", script.CONSUMER_TRANSFERS)):
        for id in rows:
            lines[f"{prefix}_{id[-4:-2]}_{id[-2:]}_AGREEMENTID"] = id
            lines[f"{prefix}_{id[-4:-2]}_{id[-2:]}_FORMAT"] = HTTP_PULL
    return [f"{key}={value}" for key, value in lines.items()]


def triggers(world: World) -> web.Application:
    """What the kit calls to make us open a negotiation or a transfer."""

    one_at_a_time = asyncio.Lock()

    async def kit_at(address: str) -> Peer:
        """The kit, at the address that the signal names: each scenario may have one of its own."""
        async with world.store.transaction() as tx:
            peer = await tx.get(Peer, script.KIT)
            assert peer is not None and address in peer.origins, address
            return peer if peer.address == address else tx.put(replace(peer, address=address))

    async def negotiation(request: web.Request) -> web.Response:
        body = await request.json()
        offer = {"@id": body["offerId"], "@type": "Offer", "target": body["datasetId"], **RULES}
        async with one_at_a_time:
            await negotiate.request(world, await kit_at(body["connectorAddress"]), offer)
        return web.json_response({})

    async def transferred(request: web.Request) -> web.Response:
        body = await request.json()
        async with one_at_a_time:
            await kit_at(body["connectorAddress"])
            await transfer.request(world, body["agreementId"])
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/negotiations", negotiation)
    app.router.add_post("/transfers", transferred)
    return app


if __name__ == "__main__":
    log.configure("text")
    late = float(sys.argv[5]) if len(sys.argv) > 5 else script.ANSWER_AFTER
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), late))
