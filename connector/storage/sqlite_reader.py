"""Committed state of an SQLite file, read inline on the event loop: what units of work are laid over."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from . import sql
from .file import trouble

TEXTS = {name: query.text for name, query in sql.load().items()}


class SqliteReader:
    """`work.Reader` on the connection; none of its methods ever gives the loop away."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, /, **values: Any) -> list[Any]:
        try:
            return self._connection.execute(TEXTS[statement], values).fetchall()
        except sqlite3.Error as error:
            raise trouble(error) from error

    def row(self, statement: str, /, **values: Any) -> Any:
        found = self.rows(statement, **values)
        return found[0] if found else None

    def value(self, statement: str, /, **values: Any) -> Any:
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    async def get(self, kind: str, id: str) -> str | None:
        body: str | None = self.value("record_get", kind=kind, id=id)
        return body

    async def find(self, kind: str, keys: Mapping[str, str], low: str, high: str, limit: int) -> list[str]:
        if not keys:
            return [body for (body,) in self.rows("record_list", kind=kind, low=low, high=high, limit=limit)]
        name, value, others = _first_and_others(keys)
        found = self.rows("record_find", kind=kind, name=name, value=value, others=others, low=low, high=high, limit=limit)
        return [body for (body,) in found]

    async def find_any(self, kind: str, key: str, values: list[str], low: str, limit: int) -> list[str]:
        """One page merged from a run per value: cheap for a million records under one value and for thousands of values."""
        step = max(4, limit // max(1, len(values)) + 1)
        runs = [self._run(kind, key, value, low, step) for value in values]
        each_once = (id for id, _ in itertools.groupby(heapq.merge(*runs)))
        ids = list(itertools.islice(each_once, limit))
        return [body for (body,) in self.rows("record_pick", kind=kind, ids=json.dumps(ids))] if ids else []

    def _run(self, kind: str, key: str, value: str, low: str, step: int) -> Iterator[str]:
        while found := self.rows("key_ids", kind=kind, name=key, value=value, low=low, limit=step):
            for (id,) in found:
                yield id
            if len(found) < step:
                return
            low = found[-1][0] + "\0"

    async def count(self, kind: str, keys: Mapping[str, str]) -> int:
        if not keys:
            total: int = self.value("record_count", kind=kind)
        else:
            name, value, others = _first_and_others(keys)
            if len(keys) == 1:  # asked at every opening, for the quota
                total = self.value("key_count_alone", kind=kind, name=name, value=value)
            else:
                total = self.value("key_count", kind=kind, name=name, value=value, others=others)
        return total

    async def blob(self, sha256: str) -> bytes | None:
        data: bytes | None = self.value("blob_get", sha256=sha256)
        return data

    async def letters(self, process: str) -> list[str]:
        return [body for (body,) in self.rows("letter_of_process", process=process)]


def _first_and_others(keys: Mapping[str, str]) -> tuple[str, str, str]:
    (name, value), *others = keys.items()
    return name, value, json.dumps(dict(others))
