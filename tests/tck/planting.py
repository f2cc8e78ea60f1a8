"""Plants every row's fault into one node of this process.

Each is bound to its row: to the kit's name in the request, to the address that a message goes to, to the dataset or agreement
that is decided about.  No other row meets it, so that all rows can be played at once.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from connector.exchange import negotiate, transfer
from connector.exchange.conversation import Outcome
from connector.http.peer import HttpCourier
from connector.node import Node
from connector.ports import Answer, Move, World
from connector.records import Transfer

from . import script
from .adapters import ScriptedDecider
from .faults import FAULTS, Receive
from .scenarios import ROWS, Row

_row: ContextVar[Row | None] = ContextVar("_row", default=None)  # whose kit is calling
_BY_NAME = {f"kit {row.id}": row for row in ROWS}


@contextmanager
def planted(callbacks: Callable[[str], Row | None]) -> Iterator[Callable[[Node], None]]:
    """Every row's fault, in this process, until the block ends; yields what a node needs before it listens.

    `callbacks` tells whose kit listens at an address.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (negotiate, transfer):
            patch.setattr(module, "receive", _hearing(module, module.receive))
        patch.setattr(HttpCourier, "post", _saying(HttpCourier.post, callbacks))
        for name in ("negotiation", "transfer"):
            patch.setattr(ScriptedDecider, name, _deciding(getattr(ScriptedDecider, name)))
        for name in ("PROVIDER_NEGOTIATIONS", "CONSUMER_NEGOTIATIONS", "PROVIDER_TRANSFERS", "CONSUMER_TRANSFERS"):
            patch.setattr(script, name, {subject: _scripted(subject, right) for subject, right in getattr(script, name).items()})
        yield lambda node: node.dataspace.middlewares.insert(0, _called)


def _scripted(subject: str, right: script.Script) -> script.Script:
    fault = next(FAULTS[row.fault] for row in ROWS if row.subject == subject)
    return right if fault.script is None else fault.script


@web.middleware
async def _called(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Remember whose kit calls; change an answer that has not left yet."""
    row = _BY_NAME.get(request.headers.get("User-Agent", ""))
    _row.set(row)
    response = await handler(request)
    page = FAULTS[row.fault].page if row else None
    if page is None or response.prepared or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    body = gzip.decompress(response.body) if response.headers.get("Content-Encoding") == "gzip" else response.body
    changed = page(json.loads(body))
    return web.json_response(changed, status=response.status if changed else 404)


def _hearing(module: Any, real: Receive) -> Receive:
    async def receive(world: World, caller: Any, message: Any, pid: str = "") -> Outcome:
        row = _row.get()
        hear = FAULTS[row.fault].hear if row else None
        return await (hear(real, module, world, caller, message, pid) if hear else real(world, caller, message, pid))

    return receive


def _saying(real: Callable[..., Awaitable[Answer]], callbacks: Callable[[str], Row | None]) -> Callable[..., Awaitable[Answer]]:
    async def post(self: HttpCourier, address: str, path: str, body: bytes, audience: str, origins: Iterable[str]) -> Answer:
        row = callbacks(address)
        say = FAULTS[row.fault].say if row else None
        if say is not None:
            said = say(json.loads(body))
            if said is None:
                return Answer(200)
            body = json.dumps(said).encode()
        return await real(self, address, path, body, audience, origins)

    return post


def _deciding(real: Callable[..., Awaitable[Move]]) -> Callable[..., Awaitable[Move]]:
    async def decide(self: ScriptedDecider, world: World, tx: Any, process: Any) -> Move:
        subject = process.agreement if isinstance(process, Transfer) else process.dataset
        move = await real(self, world, tx, process)
        hasty = any(row.subject == subject and FAULTS[row.fault].at_once for row in ROWS)
        return replace(move, due=None) if hasty else move

    return decide
