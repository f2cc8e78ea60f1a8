"""Every record of a kind, page by page: what an operator's list needs and one `find` does not promise."""

from __future__ import annotations

from typing import TypeVar

from connector.ports import Record, Transaction

R = TypeVar("R", bound=Record)

PAGE = 1000


async def all_of(tx: Transaction, kind: type[R], *, prefix: str = "", **keys: str) -> list[R]:
    """All records of a kind with these keys and this beginning of their id, by id ascending."""
    found: list[R] = []
    while True:
        page = await tx.find(kind, after=found[-1].id if found else "", limit=PAGE, prefix=prefix, **keys)
        found.extend(page)
        if len(page) < PAGE:
            return found
