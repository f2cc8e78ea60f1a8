"""RDF for the operator: passports and fetched catalogs as Turtle or JSON-LD, and SPARQL over either.

Through a view as any export; the operator's own otherwise.  What rdflib does happens in a process of its own (`connector.sparql`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from connector.errors import Clash, Malformed, Unavailable
from connector.exchange import release
from connector.operate import catalogs, names
from connector.operate.all_of import all_of
from connector.ports import Transaction, World
from connector.records import Battery, Json, Model
from submodels import graph
from submodels.grant import AttributeGrant

MEDIA_TYPES = {"turtle": "text/turtle", "json-ld": "application/ld+json"}
BATTERIES = 200  # of one graph
SECONDS = 30.0
QUERY, ROWS = 20_000, 10_000  # characters of a question, rows of an answer


async def passports(world: World, batteries: Sequence[Battery], form: str, grant: AttributeGrant | None) -> bytes:
    """Batteries as RDF in a form."""
    return str((await _run({"form": form}, await _triples(world, batteries, grant)))["text"]).encode()


async def catalog(world: World, peer: str, form: str) -> bytes:
    """A peer's catalog, fetched now, as RDF in a form."""
    if form not in MEDIA_TYPES:
        raise Malformed(f"{form[:40]} is no form of a graph.", next=f"One of {', '.join(MEDIA_TYPES)}.", code="input.invalid", where="as")
    return str((await _run({"form": form}, await _catalog(world, peer)))["text"]).encode()


async def query(world: World, text: str, *, peer: str = "", name: str = "", rows: int = 1000) -> Json:
    """The answer to a SPARQL question over our own batteries (all, a model's, or one), or over a peer's catalog.

    {"columns", "rows", "more"} for SELECT, {"answer"} for ASK, {"text"} (Turtle) for CONSTRUCT and DESCRIBE.  Malformed for what is no
    question or reaches elsewhere, Clash for too many batteries, Unavailable when it takes too long.
    """
    if not 0 < len(text) <= QUERY:
        raise Malformed(f"A question has 1 to {QUERY} characters.", code="query.refused", where="query")
    triples = await _catalog(world, peer) if peer else await _own(world, name)
    return await _run({"query": text, "rows": max(1, min(rows, ROWS))}, triples)


async def _own(world: World, name: str) -> str:
    async with world.store.transaction() as tx:
        batteries = await _meant(tx, name)
    return await _triples(world, batteries, None)


async def _meant(tx: Transaction, name: str) -> list[Battery]:
    if not name:
        return await tx.find(Battery, limit=BATTERIES + 1)
    model = await tx.get(Model, name)
    return await all_of(tx, Battery, model=model.id) if model else [await names.battery(tx, name)]


async def _triples(world: World, batteries: Sequence[Battery], grant: AttributeGrant | None) -> str:
    if len(batteries) > BATTERIES:
        raise Clash(f"More than {BATTERIES} batteries.", "They are too many for one graph.", "Name a battery.", code="export.large")
    lines = []
    for battery in batteries:
        seen = await (release.operator(world, battery.id) if grant is None else release.preview(world, battery.id, grant, ""))
        lines.append(graph.ntriples(graph.of_passport(seen)))
    return "".join(lines)


async def _catalog(world: World, peer: str) -> str:
    async with world.store.transaction() as tx:
        known = await names.peer(tx, peer)
    return graph.ntriples(graph.of_catalog(await catalogs.catalog(world, known)))


async def _run(order: Json, triples: str) -> dict[str, Any]:
    """Have an order done; Malformed when it is refused, Unavailable when it does not end in time."""
    sent = json.dumps({**order, "prefixes": dict(graph.PREFIXES)}).encode() + b"\n" + triples.encode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.sparql",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            answered, _ = await process.communicate(sent)
    except TimeoutError as error:
        raise Unavailable(f"No answer within {SECONDS:.0f} s.", next="Ask for less.", code="query.slow") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not answered:
        raise Unavailable("The question took more time or memory than it is given.", next="Ask for less.", code="query.slow")
    told: dict[str, Any] = json.loads(answered)
    if "refused" in told:
        raise Malformed("The question is not answered.", told["refused"], code="query.refused", where="query")
    return told
