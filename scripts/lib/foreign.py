"""Calls that no node makes for us: a stranger with a key of its own, and a holder of a data token.

Plain `http.client` and a hand-made request, as anybody on the network could send it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

from connector.identity import jws, keys
from scripts.lib.stage import Node

NOBODY = "did:web:localhost%3A7499"
CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]

_addresses: dict[str, Mapping[str, Any]] = {}


async def unknown_key(node: Node) -> tuple[int, str]:
    """Ask for a node's catalog with a well-formed token of a key that nobody added: (status, what it said)."""
    token = jws.sign(keys.new_key(), NOBODY, node.id, datetime.now(UTC))
    body = json.dumps({"@context": CONTEXT, "@type": "CatalogRequestMessage"})
    status, answer = await asyncio.to_thread(_call, "POST", f"{node.url}/dsp/2025-1/catalog/request", token, body)
    return status, reasons(answer)


async def data(node: Node, transfer: str, battery: str) -> tuple[int, bytes]:
    """Pull one battery with the token that a node's transfer was started with: (status, body)."""
    address = await node.call("get", f"/transfers/{transfer}/dataaddress")
    _addresses[transfer] = address
    return await get(address, battery)


def remembered(node: Node, transfer: str) -> Mapping[str, Any]:
    """The address of an earlier pull, as a holder would have kept it."""
    del node
    return _addresses[transfer]


async def get(address: Mapping[str, Any], battery: str) -> tuple[int, bytes]:
    return await asyncio.to_thread(_call, "GET", f"{address['endpoint']}/{quote(battery)}", str(address["authorization"]), None)


def reasons(body: bytes) -> str:
    """The reason strings of an error answer, without the decision's number and the advice."""
    try:
        said = json.loads(body)
    except ValueError:
        return body[:200].decode(errors="replace")
    texts = [text for text in said.get("reason", []) if isinstance(text, str) and not text.startswith("decision ")]
    return texts[1] if len(texts) > 2 else joined(texts)


def joined(texts: Sequence[str]) -> str:
    """Reasons on one line: after a whole sentence a space, after anything else a semicolon."""
    line = ""
    for text in texts:
        line += f"{'' if not line else ' ' if line.endswith(('.', '!', '?', ':')) else '; '}{text}"
    return line


def _call(method: str, url: str, token: str, body: str | None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "localhost", parts.port or 80, timeout=30)
    try:
        bearer = token if token.lower().startswith("bearer ") else f"Bearer {token}"
        connection.request(method, parts.path, body=body, headers={"Authorization": bearer, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
