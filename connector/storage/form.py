"""Records as text and back: JSON bodies, key rows, instants as integers.  The same for every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter

from connector.ports import Record

T = TypeVar("T")
Row = tuple[str, str]  # name and value of one key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # one per class of records: making one is slow, using one is not


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def dump(record: object) -> str:
    """The JSON text of a record or letter; ValueError for text that is not valid Unicode."""
    return _adapter(type(record)).dump_json(record).decode()


def load(kind: type[T], body: str) -> T:
    """The record that `dump` wrote."""
    loaded: T = _adapter(kind).validate_json(body)
    return loaded


def key_rows(record: Record) -> frozenset[Row]:
    """What the record may be found by; a tuple of values gives a row each, so that it is found by any of them."""
    return frozenset((name, value) for name, held in record.keys().items() for value in ((held,) if isinstance(held, str) else held))


def micros(at: datetime) -> int:
    """Microseconds since 1970, exactly; ValueError for a naive datetime, whose instant nobody knows."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """The aware UTC instant that `micros` counted."""
    return _EPOCH + microseconds * _MICROSECOND
