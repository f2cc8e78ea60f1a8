"""A large catalog under ten contract definitions, of which a recycler sees eight.

A million datasets would take minutes through the node, so all but the last few are written by SQL, several thousand in a statement.
What the SQL writes is what the store would: the body and the keys come from its own writer, and only a number differs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from catalog.asset import view_asset_id
from connector.config import Config
from connector.ports import Record, World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.records import Asset, ContractDefinition, Grant, PolicyDefinition
from connector.storage.form import dump, key_rows
from policies.profiles import ready
from scripts.lib.bench_http import Reply
from submodels.views import ready_view

REQUEST = wire.write(CatalogRequest())
DEFINITIONS = 10
HIDDEN = 2  # of them, from a recycler
BY_HAND = 10  # datasets that go through the node, so that it hears of a change
BATCH = 50_000
_NUMBER, _DEFINITION = "NNNNNNN", "DDD"  # what stands in the template for the two that differ

SQLITE = (
    "WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :high) ",
    "replace(replace(:{0}, 'NNNNNNN', printf('%07d', i)), 'DDD', 'bench-' || (i % 10))",
    "n",
)
POSTGRES = (
    "",
    "replace(replace(:{0}::text, 'NNNNNNN', lpad(i::text, 7, '0')), 'DDD', 'bench-' || (i % 10))",
    "generate_series(:low::int, :high::int - 1) AS n(i)",
)


async def fill(world: World, config: Config, upto: int) -> int:
    """Have so many datasets; returns how many were added."""
    async with world.store.transaction() as tx:
        have = await tx.count(Asset, view="bench")
    if not have:
        await _definitions(world)
    by_hand = max(have, upto - BY_HAND)
    if by_hand > have:
        templates = [replace(dataset(_NUMBER, _DEFINITION), version=1)]
        await (write_sqlite if config.database else write_postgres)(config, templates, have, by_hand)
    async with world.store.transaction() as tx:
        for n in range(by_hand, upto):
            tx.put(dataset(f"{n:07d}", f"bench-{n % DEFINITIONS}"))
    return upto - have


async def _definitions(world: World) -> None:
    grant = ready_view("dismantling")[1]
    async with world.store.transaction() as tx:
        if await tx.get(Grant, grant.digest) is None:
            tx.put(Grant(id=grant.digest, content=grant.canonical()))
        tx.put(PolicyDefinition(id="bench-recycler", policy=ready("recycler")))
        tx.put(PolicyDefinition(id="bench-any", policy=ready("any-peer")))
        tx.put(PolicyDefinition(id="bench-oem", policy=_for_role("oem")))
        for n in range(DEFINITIONS):
            access = "bench-oem" if n < HIDDEN else "bench-recycler" if n % 2 else "bench-any"
            tx.put(ContractDefinition(id=f"bench-{n}", access_policy=access, contract_policy="bench-recycler"))


def dataset(number: str, definition: str) -> Asset:
    """A view of one model among many."""
    view, grant = ready_view("dismantling")
    scope = f"model.M{number}"
    return Asset(
        id=view_asset_id(scope, grant.digest), form="view", scope=scope, grant=grant.digest, view="bench",
        title=f"{view} of model M{number}", definitions=(definition,),
    )  # fmt: skip


def statements(form: tuple[str, str, str], templates: Sequence[Record] = ()) -> list[tuple[str, dict[str, str]]]:
    """The SQL that writes records from :low to below :high, with the texts that it makes them from; datasets, unless told others."""
    before, value, numbers = form
    id, body, key = (value.format(name) for name in ("id", "body", "key"))
    made = []
    for template in templates or [replace(dataset(_NUMBER, _DEFINITION), version=1)]:
        kind = template.kind
        record = f"{before}INSERT INTO record (kind, id, version, body) SELECT '{kind}', {id}, 1, {body} FROM {numbers}"
        made.append((record, {"id": template.id, "body": dump(template)}))
        for name, held in sorted(key_rows(template)):
            row = f"{before}INSERT INTO record_key (kind, name, value, id) SELECT '{kind}', '{name}', {key}, {id} FROM {numbers}"
            made.append((row, {"id": template.id, "key": held}))
    return made


async def write_sqlite(config: Config, templates: Sequence[Record], low: int, high: int) -> None:
    """Write records like these, numbered from `low` to below `high`, beside a node that serves."""
    connection = sqlite3.connect(str(config.database), isolation_level=None, timeout=30)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # of this connection, while nothing is measured
        connection.execute("PRAGMA cache_size = -200000")
        for start in range(low, high, BATCH):
            connection.execute("BEGIN IMMEDIATE")
            for statement, texts in statements(SQLITE, templates):
                connection.execute(statement, {**texts, "low": start, "high": min(start + BATCH, high)})
            connection.execute("COMMIT")
    finally:
        connection.close()


async def write_postgres(config: Config, templates: Sequence[Record], low: int, high: int) -> None:
    """The same in a shared database, over two connections."""
    import asyncpg

    todo = statements(POSTGRES, templates)

    async def work() -> None:
        connection = await asyncpg.connect(config.store.url)
        try:
            while todo:
                statement, texts = todo.pop()
                values = {**texts, "low": low, "high": high}
                for place, name in enumerate(values, 1):
                    statement = statement.replace(f":{name}::", f"${place}::")
                await connection.execute(statement, *values.values())
        finally:
            await connection.close()

    await asyncio.gather(work(), work())
    connection = await asyncpg.connect(config.store.url)
    try:
        await connection.execute("ANALYZE record")
        await connection.execute("ANALYZE record_key")
    finally:
        await connection.close()


def next_link(reply: Reply) -> str:
    """Where the next page is, "" after the last one."""
    link = reply.header(b"link").decode()
    return link[1 : link.index(">")] if 'rel="next"' in link else ""


def _for_role(role: str) -> dict[str, object]:
    constraint = {"leftOperand": "role", "operator": "eq", "rightOperand": role}
    return {"permission": [{"action": "use", "constraint": [constraint]}]}
