"""What crosses between nodes, recorded at the receiving end and held against the official schemas of DSP 2025-1."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from aiohttp import web

SCHEMAS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "dsp-2025-1"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Exchange:
    """One request that reached a node and its answer."""

    method: str
    path: str
    request: bytes
    status: int
    answer: bytes

    @property
    def type(self) -> str:
        """The message's @type, with the event's name behind it."""
        said = _json(self.request) or {}
        event = f":{said['eventType']}" if "eventType" in said else ""
        return f"{said.get('@type', '')}{event}"


@dataclass
class Door:
    """Holds one kind of message until a test lets it in: it has left its sender, and no answer has come back."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Recorder:
    """Everything that reaches one node's dataspace listener.  What tests write by hand need not be well-formed."""

    exchanges: list[Exchange] = field(default_factory=list)
    by_hand: set[bytes] = field(default_factory=set)
    doors: dict[str, Door] = field(default_factory=dict)  # @type -> the door it meets

    def closes(self, type: str) -> Door:
        """From now on messages of this type wait at the door."""
        return self.doors.setdefault(type, Door())

    def middleware(self) -> Any:
        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            body = await request.read()
            door = self.doors.get(_type(body))
            if door is not None and not door.open.is_set():
                door.arrived.set()
                await door.open.wait()
            response = await handler(request)
            answer = bytes(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
            if response.headers.get("Content-Encoding") == "gzip":
                answer = gzip.decompress(answer)
            self.exchanges.append(Exchange(request.method, request.path, body, response.status, answer))
            return response

        return record

    def types(self) -> list[str]:
        """The DSP messages that arrived, in order; catalog requests apart."""
        return [each.type for each in self.exchanges if each.type and not each.type.startswith("Catalog")]

    def faults(self) -> list[str]:
        """What the official schemas find wrong in any request of a node, and in any answer."""
        found = []
        for each in self.exchanges:
            bodies = [each.answer] if each.request in self.by_hand else [each.request, each.answer]
            found += [f"{each.method} {each.path} {each.status}: {fault}" for body in bodies for fault in _faults(body)]
        return found


def _faults(body: bytes) -> list[str]:
    document = _json(body)
    if not isinstance(document, dict) or "@type" not in document:
        return []
    schema = _schemas().get(document["@type"].lower())
    if schema is None:
        return [f"no schema for {document['@type']}"] if _schemas() else []
    return [f"{document['@type']}: {error.message} at {error.instance_path}" for error in schema.iter_errors(document)]


def _type(body: bytes) -> str:
    """What a message says it is; '' for what is no message of DSP (a look-up in the registry)."""
    found = _json(body)
    return str(found.get("@type", "")) if isinstance(found, dict) else ""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


@cache
def _schemas() -> dict[str, Any]:
    """@type in lower case -> validator of the official schema; empty where the standard's files are absent."""
    schemas = {}
    for file in sorted(SCHEMAS.glob("*/*-schema.json")):
        text = file.read_text("utf-8").replace("schema.json#definitions/", "schema.json#/definitions/")  # known bad $ref
        schema = json.loads(text)
        schemas[schema["$id"]] = schema
    registry = jsonschema_rs.Registry(list(schemas.items()))
    return {
        id.rsplit("/", 1)[1].removesuffix("-schema.json").replace("-", ""): jsonschema_rs.Draft201909Validator(schema, registry=registry)
        for id, schema in schemas.items()
    }
