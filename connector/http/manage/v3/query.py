"""EDC's QuerySpec over our records: filters, sorting, paging.

A filter is judged on what the API shows of a record.  An unknown left operand matches nothing, as in EDC; an unknown
operator is an error.  Criteria of equality that name a key of the store narrow what is read at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, TypeVar

from catalog.criteria import Criterion, parse_criterion
from connector.ports import Record, Transaction, World

from .jsonld import Node, plain

R = TypeVar("R", bound=Record)
Json = dict[str, Any]
Shown = Callable[[Transaction, R], Awaitable[Json | None]]

LIMIT = 50  # EDC's default
MOST = 10_000  # records of one answer
PAGE = 1000
CRITERIA = 50


@dataclass(frozen=True, slots=True)
class Query:
    """All criteria must match; `sort` reads the value to sort by, None for the order of ids."""

    criteria: tuple[Criterion, ...] = ()
    offset: int = 0
    limit: int = LIMIT
    sort: Criterion | None = None
    descending: bool = False

    def matches(self, facts: Json) -> bool:
        return all(one.matches(str(facts["@id"]), facts) for one in self.criteria)


def read(node: Node | None) -> Query:
    """A QuerySpec; an empty one means all of it, fifty at a time.  Malformed, Invalid."""
    if node is None or not node.fields:
        return Query()
    order = node.text("sortOrder") or "ASC"
    if order.upper() not in ("ASC", "DESC"):
        raise node.wrong("sortOrder", "ASC or DESC is expected", order)
    nodes = node.nodes("filterExpression")
    if len(nodes) > CRITERIA:
        raise node.wrong("filterExpression", f"more than {CRITERIA} criteria")
    field = node.text("sortField")
    return Query(
        criteria=tuple(criterion(each) for each in nodes),
        offset=node.number("offset", 0, least=0, most=2**31),
        limit=node.number("limit", LIMIT, least=1, most=MOST),
        sort=parse_criterion(_form(field, "=", ""), f"{node.where}/sortField") if field else None,
        descending=order.upper() == "DESC",
    )


def criterion(node: Node) -> Criterion:
    """One criterion of a filter; catalog's Invalid when it cannot be read."""
    return parse_criterion(criterion_json(node), node.where.lstrip("/"))


def criterion_json(node: Node) -> Json:
    """A criterion as EDC writes it, without its context."""
    right = plain(node.values("operandRight"))
    return _form(node.text("operandLeft", needed=True), node.text("operator", needed=True), right)


async def find(
    world: World, kind: type[R], query: Query, facts: Shown[R], index: Mapping[str, str] | None = None, **keys: str
) -> list[Json]:
    """What the API shows of the records that match; `facts` shows one, or None for one that is not shown here.

    `index` says which shown field is which key of the store.
    """
    narrowed = keys | _keys(query, index or {})
    matching = _matching(world, kind, query, facts, narrowed)
    if query.sort is None and not query.descending:
        wanted = [each async for each in _first(matching, query.offset + query.limit)]
    else:
        wanted = sorted([each async for each in matching], key=lambda each: rank(query.sort, each), reverse=query.descending)
    return list(islice(wanted, query.offset, query.offset + query.limit))


def as_is(shape: Callable[[R], Json | None]) -> Shown[R]:
    """A shape that needs no other record."""

    async def shown(_: Transaction, record: R) -> Json | None:
        return shape(record)

    return shown


async def _matching(world: World, kind: type[R], query: Query, facts: Shown[R], keys: Mapping[str, str]) -> AsyncIterator[Json]:
    after = ""
    named = next((one.right[0] for one in query.criteria if one.path == ("id",) and one.operator == "="), None)
    while True:
        # A page is a transaction: what is asked of many records does not keep everyone else waiting.
        async with world.store.transaction() as tx:
            if named is not None:
                one = await tx.get(kind, named)
                page = [one] if one is not None else []
            else:
                page = await tx.find(kind, after=after, limit=PAGE, **keys)
            shown = [await facts(tx, record) for record in page]
        for each in shown:
            if each is not None and query.matches(each):
                yield each
        if named is not None or len(page) < PAGE:
            return
        after = page[-1].id
        await asyncio.sleep(0)


async def _first(matching: AsyncIterator[Json], count: int) -> AsyncIterator[Json]:
    left = count
    async for each in matching:
        yield each
        left -= 1
        if left <= 0:
            return


def _keys(query: Query, index: Mapping[str, str]) -> dict[str, str]:
    equal = {one.path[0]: one.right[0] for one in query.criteria if one.operator == "=" and len(one.path) == 1}
    return {index[name]: value for name, value in equal.items() if name in index}


def rank(sort: Criterion | None, facts: Json) -> tuple[Any, ...]:
    """Numbers before texts, what has no value last; equal values by id."""
    id = str(facts["@id"])
    found = sort.found(id, facts) if sort else [id]
    if not found:
        return (2, "", id)
    try:
        return (0, Decimal(found[0]), id)
    except InvalidOperation:
        return (1, found[0], id)


def _form(left: str, operator: str, right: Any) -> Json:
    """A path that a client wrote with dots (`dataAddress.type`) in EDC's quoted form."""
    if "." in left and not left.startswith("'") and ":" not in left and "/" not in left:
        left = ".".join(f"'{step}'" for step in left.split("."))
    return {"operandLeft": left, "operator": operator, "operandRight": right}
