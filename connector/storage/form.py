"""Records as text and back: JSON bodies, key rows, instants as integers.  The same for every database."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter

from connector.ports import Record

T = TypeVar("T")
Row = tuple[str, str]  # name and value of one key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# One per class of records: making one is slow, using one is not.
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def dump(record: object) -> str:
    """The JSON text of a record or letter; ValueError for text that is not valid Unicode."""
    try:
        return orjson.dumps(record, option=orjson.OPT_UTC_Z).decode()  # half of what pydantic takes, and the same text
    except TypeError:  # a mapping that is no dict, an integer that is too large: pydantic writes it, or says what is wrong
        return _adapter(type(record)).serializer.to_json(record).decode()


def load(kind: type[T], body: str) -> T:
    """The record that `dump` wrote."""
    loaded: T = _adapter(kind).validate_json(body)
    return loaded


def key_rows(record: Record) -> frozenset[Row]:
    """What the record may be found by; a tuple of values gives a row each, so that it is found by any of them."""
    held = record.keys()
    if tuple not in map(type, held.values()):
        plain: Any = held
        return frozenset(plain.items())
    rows: list[Any] = []
    for name, value in held.items():
        rows += [(name, each) for each in value] if type(value) is tuple else [(name, value)]
    return frozenset(rows)


def micros(at: datetime) -> int:
    """Microseconds since 1970, exactly; ValueError for a naive datetime, whose instant nobody knows."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """The aware UTC instant that `micros` counted."""
    return _EPOCH + microseconds * _MICROSECOND


# --- text that PostgreSQL can keep and index -----------------------------------------------------

_LONG = 800  # bytes; an index row holds 2,700, and a key row has a value and an id


def key_text(text: str) -> str:
    """An id or key as PostgreSQL can keep and index it: same order, no NUL, not too long.

    U+0000 becomes 01 01 and U+0001 becomes 01 02.  A text over 800 bytes keeps its beginning and is told apart by its hash: it
    is found under the same text, and only among texts that begin alike its place in the order is another.
    """
    if len(text) <= _LONG // 4 and "\0" not in text and "\1" not in text:
        return text
    if text.endswith("\0"):  # the smallest text behind another one stays just that
        return key_text(text[:-1]) + "\1\1"
    if len(text.encode()) > _LONG:
        return no_nul(text[: _LONG // 4]) + "\1\3" + hashlib.sha256(text.encode()).hexdigest()
    return no_nul(text)


def no_nul(text: str) -> str:
    """Text without U+0000, which PostgreSQL does not keep."""
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def with_nul(text: str) -> str:
    """What `no_nul` was given."""
    return text.replace("\1\1", "\0").replace("\1\2", "\1")
