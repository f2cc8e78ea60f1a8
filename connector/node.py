"""The wiring, all of it on one page: settings in, a running node out.

`build` makes the adapters and hands them to floor 2 as one `World`; tests bring their own identity, decider or clock.
Nothing is registered, discovered or injected: what a node consists of is what stands here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Any

from aiohttp import web

from connector import certificates, log, upkeep
from connector.certificates import Served, client_context
from connector.config import FILE, Config, read_token
from connector.dataplane.sources import HttpSources
from connector.dataplane.tokens import HmacTokens
from connector.errors import Misconfigured
from connector.exchange import deliver
from connector.exchange.decide import ProductDecider
from connector.http import metrics
from connector.http.app import dataspace_app, listen, operator_app
from connector.http.manage import backup, routes
from connector.http.manage.keys import routes as key_routes
from connector.http.outbound import Outbound
from connector.http.peer import HttpCourier
from connector.http.settings import Settings
from connector.identity import keys, static
from connector.identity.ring import Ring
from connector.identity.static import StaticIdentity, card
from connector.meter import Meter
from connector.operate import backups, peers, retention
from connector.operate.keys import days_left
from connector.ports import Clock, Decider, Identity, Limits, Me, Store, SystemClock, World
from connector.records import Note
from connector.storage.backup import Original, of_file
from connector.storage.sqlite import open_sqlite
from policies.operands import canonical

# What a consumer accepts without asking its operator where [negotiation] accept says nothing: terms that bind time,
# purpose and the grant, and what only the provider checks.
ACCEPTED = ("grant", "purpose", "role", "participant", "odrl:dateTime", "inForceDate")


@dataclass(frozen=True, slots=True)
class Node:
    """A node that is built and not yet running."""

    world: World
    config: Config
    outbound: Outbound
    dataspace: web.Application
    operator: web.Application


def build(
    config: Config, *, identity: Identity | None = None, decider: Decider | None = None, clock: Clock | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Node:  # fmt: skip
    """Make the node of a configuration; Misconfigured when its keys, token or database do not serve."""
    clock = clock or SystemClock()
    # What may be wrong with files is found before the database is opened.
    secrets, token, trust = keys.load(config.keys), read_token(config), client_context(config.path(config.outbound.tls_ca))
    me = Me(
        id=config.participant.id, name=config.participant.name, public_url=config.dataspace.public_url, wishes=config.participant.claims
    )
    store, meter = _store(config, clock), Meter()
    store.told = partial(_tell, meter)
    own = StaticIdentity(store, clock, secrets.dsp, me)
    ring = Ring(config.keys, secrets.dsp, own.sign_with)
    identity = identity or own
    outbound = Outbound(
        allow_private=config.outbound.allow_private, timeout=config.outbound.timeout, max_bytes=config.outbound.max_bytes, tls=trust
    )
    limits = Limits(**{name: getattr(config.limits, name) for name in Limits.__dataclass_fields__})
    world = World(
        me=me, store=store, clock=clock, identity=identity, courier=HttpCourier(outbound, identity), data=outbound,
        tokens=HmacTokens(secrets.data), decider=decider or ProductDecider(), limits=limits, secret=secrets.seal, sign=own.statement,
        accept=frozenset(canonical(operand) for operand in config.negotiation.accept or ACCEPTED),
        sources=HttpSources(outbound) if config.dataplane.plain_assets else None, extra=extra or {},
    )  # fmt: skip
    settings = Settings(
        card=lambda: card(me, ring.present, ring.next), token=token, hosts=config.operator.known_hosts,
        upload_bytes=config.limits.upload_bytes,
    )  # fmt: skip
    files = backup.Files(
        home=config.home, database=_original(config, store), settings=config.home / FILE, keys=config.keys,
        token=config.home / config.operator.token_file,
    )  # fmt: skip
    roads = [
        *routes(world, settings.card), *backup.routes(world, files, version("saltbridge")),
        *key_routes(world, ring, timedelta(days=config.identity.key_days)),
        *metrics.routes(world, meter, partial(_days_left, config, ring)),
    ]  # fmt: skip
    dataspace, operator = dataspace_app(world, settings), operator_app(world, settings, roads)
    for app, listener in ((dataspace, "dataspace"), (operator, "operator")):
        app.middlewares.insert(0, metrics.counted(meter, listener))
    return Node(world, config, outbound, dataspace, operator)


def _tell(meter: Meter, note: Note) -> None:
    """What is committed gets its line in the log and its place in the numbers."""
    log.note(note)
    meter.hear(note)


def _days_left(config: Config, ring: Ring, now: datetime) -> metrics.Days:
    """How long the certificates still serve; a file that cannot be read has no number (doctor says why)."""
    left: dict[str, float] = {}
    for listener, section in (("dataspace", config.dataspace), ("operator", config.operator)):
        chain = config.path(section.tls_cert)
        with contextlib.suppress(Misconfigured):
            left |= {listener: certificates.read(chain).left(now) / timedelta(days=1)} if chain else {}
    signing = days_left(ring, timedelta(days=config.identity.key_days), now)
    return {"certificate": left, "key": {"signing": signing}}


def _store(config: Config, clock: Clock) -> Store:
    scheme, _, rest = config.store.url.partition(":")
    if scheme != "sqlite":
        from connector.storage.postgres import PostgresStore  # only who uses it waits for its import

        return PostgresStore(config.store.url, clock, writer=config.participant.name, synchronous=config.store.synchronous)
    path = str(config.home / rest) if rest != ":memory:" else rest
    return open_sqlite(path, clock, writer=config.participant.name, synchronous=config.store.synchronous)


def _original(config: Config, store: Store) -> Original | None:
    """What a backup is made of; None where nothing outlives the process."""
    if config.store.url.startswith("postgres"):
        from connector.storage.carry import of_server  # only who uses it waits for its import

        return of_server(config.store.url, lambda: store.writer)
    return of_file(config.database) if config.database else None


async def last_backup(node: Node) -> str:
    """When a backup was last kept, as JSON has instants; empty when never."""
    return str((await backups.last(node.world)).get("at", ""))


@contextlib.asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    """Listen and deliver until the block ends; then finish what is being answered and close the database."""
    config, world = node.config, node.world
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(world.store.close)
        await world.store.open()
        await stack.enter_async_context(node.outbound)
        served: list[Served] = []
        for app, section, setting in (
            (node.dataspace, config.dataspace, "dataspace.listen"),
            (node.operator, config.operator, "operator.listen"),
        ):
            own = section is config.operator or config.dataspace.tls == "own"
            chain, key = config.path(section.tls_cert), config.path(section.tls_key)
            tls = Served(chain, key, world.clock.now()) if own and chain and key else None
            served += [tls] if tls else []
            runner = await listen(
                app, section.address.host, section.address.port, setting=setting, tls=tls.context if tls else None,
                connections=config.limits.connections,
            )  # fmt: skip
            stack.push_async_callback(runner.cleanup)
        for work, name in ((deliver.run(world), "deliver"), (upkeep.run(world.clock, _jobs(node, served)), "upkeep")):
            task = asyncio.create_task(work, name=name)
            task.add_done_callback(_ended)
            stack.push_async_callback(_end, task)
        yield node


def _jobs(node: Node, served: Sequence[Served]) -> tuple[upkeep.Job, ...]:
    """What this node does by the clock."""
    world, keep = node.world, retention.Keep(**node.config.retention.model_dump())

    async def renew() -> None:
        for each in served:
            if each.renew(world.clock.now()):
                log.event("certificate.renewed", file=each.chain)

    async def cards() -> None:
        for row in await peers.refresh_all(world, static):
            if row["found"] != "unchanged":
                log.event("peer.card", **row)

    return (
        upkeep.Job("retention", partial(retention.tidy, world, keep), every=timedelta(days=1)),
        upkeep.Job("certificates", renew, every=timedelta(hours=1), first=timedelta(hours=1)),
        upkeep.Job("cards", cards, every=timedelta(hours=12), first=timedelta(minutes=10)),
    )


def _ended(task: asyncio.Task[None]) -> None:
    """A task of the node that ends by itself is a bug; the log says so when it happens and not at the stop."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.failure("bug", error, task=task.get_name())


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
