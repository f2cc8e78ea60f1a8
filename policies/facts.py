"""Facts: what is known of a participant, by operand, with who says so and how long it holds.

A policy is evaluated against facts and nothing else; identity adapters produce them, decisions keep them by value so
that they can be evaluated again.  An operand without a fact is *unknown*, never false.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rfc8785

from .errors import Invalid

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """The values of one operand; `source` names who vouches for them, `until` (aware, inclusive) when they stop holding."""

    values: tuple[str, ...]
    source: str = ""
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """True while the fact may be relied on."""
        return self.until is None or now <= self.until


@dataclass(frozen=True, slots=True)
class Facts:
    """Operand IRI (canonical) -> Fact."""

    of: Mapping[str, Fact] = field(default_factory=dict)

    def get(self, iri: str) -> Fact | None:
        return self.of.get(iri)

    def with_fact(self, iri: str, *values: str, source: str = "", until: datetime | None = None) -> Facts:
        """These facts and one more; a fact of the same operand is replaced, never merged."""
        return Facts({**self.of, iri: Fact(values, source, until)})

    def to_json(self) -> Json:
        """`{iri: {"values": [...], "source": ..., "until": ...}}`, operands in order, empty fields left out."""
        return {iri: _fact_to_json(self.of[iri]) for iri in sorted(self.of)}

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Facts:
        """The reverse of `to_json`; raises Invalid."""
        return cls({iri: _fact_from_json(iri, value) for iri, value in json.items()})

    def digest(self) -> str:
        """base64url(SHA-256) of the canonical JSON: equal exactly when the facts are."""
        return base64.urlsafe_b64encode(hashlib.sha256(rfc8785.dumps(self.to_json())).digest()).rstrip(b"=").decode()


def _fact_to_json(fact: Fact) -> Json:
    json: Json = {"values": list(fact.values)}
    if fact.source:
        json["source"] = fact.source
    if fact.until is not None:
        json["until"] = fact.until.astimezone(UTC).isoformat()
    return json


def _fact_from_json(iri: str, json: Any) -> Fact:
    if not isinstance(json, Mapping):
        raise Invalid(iri, "a fact is an object with values", 'write {"values": ["..."]}')
    values, source, until = json.get("values", []), json.get("source", ""), json.get("until")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values) or not isinstance(source, str):
        raise Invalid(iri, "values is a list of strings and source a string")
    return Fact(tuple(values), source, None if until is None else _instant(iri, until))


def _instant(iri: str, text: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Invalid(iri, "until is an instant with an offset", "write it like 2027-12-31T23:59:59Z")
    return instant
