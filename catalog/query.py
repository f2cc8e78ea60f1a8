"""Filters and paging of a catalog.

A filter is EDC's QuerySpec on the id, `dct:type` and own properties; anything else is Invalid (DSP: 400), never ignored.
A cursor is opaque to the peer and bound to peer and filter; it says only where a page ended, which the peer has seen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from .criteria import Criterion, parse_criterion
from .errors import Invalid

MAX_CRITERIA = 20
MAX_CURSOR = 2000


@dataclass(frozen=True, slots=True)
class Query:
    """All criteria have to match; `limit` is the page size the peer asked for, 0 when it did not."""

    criteria: tuple[Criterion, ...] = ()
    limit: int = 0

    def matches(self, id: str, properties: Mapping[str, Any]) -> bool:
        return all(criterion.matches(id, properties) for criterion in self.criteria)

    def digest(self) -> bytes:
        """SHA-256 over the criteria: what a cursor is bound to."""
        plain = [[list(one.path), one.operator, list(one.right)] for one in self.criteria]
        return hashlib.sha256(rfc8785.dumps(plain)).digest()


def parse_filter(filter: Any) -> Query:
    """A CatalogRequestMessage's `filter`: absent, empty, one QuerySpec, or criteria; raises Invalid."""
    if filter in (None, []):
        return Query()
    items = filter if isinstance(filter, list) else [filter]
    if all(isinstance(item, Mapping) and _is_criterion(item) for item in items):
        return Query(_criteria(items, "/filter"))
    if len(items) != 1 or not isinstance(items[0], Mapping):
        raise Invalid("/filter", "a filter is one QuerySpec", 'write [{"filterExpression": [...]}] or leave it out')
    return _query_spec(items[0])


def encode_cursor(key: bytes, peer: str, query: Query, position: str) -> str:
    """A cursor for this peer and filter; letters, digits, `-`, `_` and one dot."""
    return f"{_b64(position.encode())}.{_b64(_seal(key, peer, query, position))}"


def decode_cursor(key: bytes, peer: str, query: Query, cursor: str) -> str:
    """The position back; raises Invalid for a cursor that was not made for this peer and filter."""
    position, seal = ("", b"")
    body, _, mac = cursor.partition(".")
    if len(cursor) <= MAX_CURSOR:
        position, seal = (_unb64(body) or b"").decode(errors="replace"), _unb64(mac) or b""
    if not hmac.compare_digest(seal, _seal(key, peer, query, position)):
        raise Invalid("cursor", "this page does not exist", "ask for the catalog again, without a continuation token")
    return position


def _query_spec(json: Mapping[str, Any]) -> Query:
    fields = {_bare(name): value for name, value in json.items() if not name.startswith("@")}
    known = {"filterExpression", "limit", "offset", "sortOrder", "sortField"}
    if unknown := sorted(set(fields) - known):
        raise Invalid(f"/filter/0/{unknown[0][:80]}", "not a part of a QuerySpec that is understood here")
    if fields.get("offset") not in (None, 0):
        raise Invalid("/filter/0/offset", "pages are not counted here", "follow the Link header of the last answer")
    if fields.get("sortField") not in (None, "", "id", "@id"):
        raise Invalid("/filter/0/sortField", "the catalog is sorted by id only")
    if fields.get("sortOrder") not in (None, "ASC") and fields.get("sortField"):
        raise Invalid("/filter/0/sortOrder", "the catalog is sorted upwards only")
    limit = fields.get("limit", 0)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit < 2**31:
        raise Invalid("/filter/0/limit", "limit is a whole number")
    expression = fields.get("filterExpression") or []
    return Query(_criteria(expression if isinstance(expression, list) else [expression], "/filter/0/filterExpression"), limit)


def _criteria(items: list[Any], where: str) -> tuple[Criterion, ...]:
    if len(items) > MAX_CRITERIA:
        raise Invalid(where, f"more than {MAX_CRITERIA} criteria")
    return tuple(parse_criterion(item, f"{where}/{index}") for index, item in enumerate(items))


def _is_criterion(item: Mapping[str, Any]) -> bool:
    return any(_bare(name) == "operandLeft" for name in item)


def _bare(name: str) -> str:
    return name.removeprefix("https://w3id.org/edc/v0.0.1/ns/").removeprefix("edc:")


def _seal(key: bytes, peer: str, query: Query, position: str) -> bytes:
    # Hashes of fixed length side by side: no two inputs run into one another.
    parts = hashlib.sha256(peer.encode()).digest() + query.digest() + position.encode()
    return hmac.digest(key, parts, "sha256")[:16]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
