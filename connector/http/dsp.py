"""The endpoints of the Dataspace Protocol 2025-1: catalog (C1-C2), negotiations (N1-N12), transfers (T1-T11).

One table, keyed by our own pid, serves both roles.  It authenticates, reads the one message a route expects,
hands it to `connector.exchange` and writes the answer; it judges nothing.  The letters that a message causes
are let go after its answer has left, so that our reaction never overtakes it.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from connector.errors import Hidden, Malformed
from connector.exchange import browse, negotiate, transfer
from connector.exchange.conversation import Outcome
from connector.ports import Caller, World
from connector.protocol import messages as m
from connector.protocol import wire
from connector.protocol.messages import Ack

from .doorway import JSON, TEXT, VISIT, Family, read_body
from .turns import in_turn

BASE = ("dsp", "2025-1")
CURSOR = "continuationToken"
GZIP_FROM = 1024  # bytes: below, the header costs more than it saves
_VARIED = {**TEXT, "Vary": "Accept-Encoding"}

Answer = Callable[["Call"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: `*` stands for an id.  `own` says whose pid of the message must be the one in the path."""

    method: str
    steps: tuple[str, ...]
    answer: Answer
    expects: type | None = None
    own: str = ""  # "" opens a process | consumer | provider | either
    reads: bool = False  # changes nothing: its nonce is checked at once instead of in a transaction


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    world: World
    request: web.Request
    route: Route
    caller: Caller
    id: str  # the id in the path, ""
    body: bytes


def family(steps: tuple[str, ...]) -> Family:
    """Whose errors a path below /dsp answers with."""
    noun = steps[2] if len(steps) > 2 else ""
    return {"negotiations": Family.NEGOTIATION, "transfers": Family.TRANSFER}.get(noun, Family.CATALOG)


async def answer(world: World, request: web.Request, steps: tuple[str, ...]) -> web.StreamResponse:
    """Answer a request below /dsp; `steps` are the whole path's."""
    if steps[:2] != BASE:
        raise Hidden
    route, id = _find(request.method, steps[2:])
    visit = request[VISIT]
    visit.process = "" if route.steps[0] == "catalog" else id
    caller = await world.identity.authenticate(request.headers.get("Authorization", ""), safe=route.reads)
    visit.peer = caller.participant
    async with in_turn(request, caller.participant):
        body = await read_body(request) if route.expects else b""
        return await route.answer(Call(world, request, route, caller, id, body))


def _find(method: str, steps: tuple[str, ...]) -> tuple[Route, str]:
    """The route of a path and the id in it; of two that fit, the one that names the whole path stands behind."""
    allowed: set[str] = set()
    for star in (2, 1, None):  # where the id may stand
        if star is not None and star >= len(steps):
            continue
        here = _BY_STEPS.get(steps if star is None else (*steps[:star], "*", *steps[star + 1 :]), {})
        if method in here:
            return here[method], "" if star is None else steps[star]
        allowed |= here.keys()
    if allowed:
        raise web.HTTPMethodNotAllowed(method, allowed)
    raise Hidden


# --- catalog -------------------------------------------------------------------------------------


async def _catalog(call: Call) -> web.StreamResponse:
    message = wire.read(call.body, m.CatalogRequest, call.world.limits)
    page, next = await browse.catalog(call.world, call.caller, message, call.request.query.get(CURSOR, ""))
    address = f"{call.world.me.dsp}/catalog/request?{CURSOR}="
    links = {"Link": f'<{address}{quote(next, safe="")}>; rel="next"'} if next else {}
    if _packs(call.request, page.size):
        return web.Response(body=page.packed, content_type=JSON, headers={**_VARIED, **links, "Content-Encoding": "gzip"})
    return web.Response(body=page.body, content_type=JSON, headers={**_VARIED, **links})


async def _dataset(call: Call) -> web.StreamResponse:
    body = wire.write_document(await browse.dataset(call.world, call.caller, call.id))
    if _packs(call.request, len(body)):
        return web.Response(body=gzip.compress(body, 6, mtime=0), content_type=JSON, headers={**_VARIED, "Content-Encoding": "gzip"})
    return web.Response(body=body, content_type=JSON, headers=_VARIED)


def _packs(request: web.Request, size: int) -> bool:
    """Is an answer of this size to be compressed for this caller?"""
    return size >= GZIP_FROM and accepts_gzip(request.headers.getall("Accept-Encoding", []))


def accepts_gzip(headers: Iterable[str]) -> bool:
    """Does this Accept-Encoding name gzip (or anything) with a weight above zero?"""
    weights = {}
    for item in ",".join(headers).split(","):
        coding, _, parameters = item.partition(";")
        weight = parameters.strip().removeprefix("q=").strip()
        weights[coding.strip().lower()] = bool(weight.strip("0.")) if parameters.strip().startswith("q=") else True
    return weights.get("gzip", weights.get("*", False))


# --- negotiations and transfers ------------------------------------------------------------------


async def _receive_negotiation(call: Call) -> web.StreamResponse:
    return await _receive(call, negotiate.receive)


async def _receive_transfer(call: Call) -> web.StreamResponse:
    return await _receive(call, transfer.receive)


async def _receive(call: Call, receive: Callable[..., Awaitable[Outcome]]) -> web.StreamResponse:
    """Read the message, apply it, answer 201 or 200 with the process, then let its letters go."""
    message = _message(call)
    outcome = await receive(call.world, call.caller, message, call.id)
    visit = call.request[VISIT]
    visit.process, visit.note = call.id or _minted(outcome.ack, message), f"{message.type} {outcome.ack.state}"
    response = web.Response(status=201 if outcome.created else 200, body=wire.write(outcome.ack), content_type=JSON, headers=TEXT)
    try:
        await response.prepare(call.request)
        await response.write_eof()
    finally:
        # Also when the caller hung up: the message is applied, and what it caused must go on.
        await call.world.store.release(outcome.letters)
    return response


def _message(call: Call) -> Any:
    """The message that the route expects; its pids are known to the error answer from here on."""
    visit, own = call.request[VISIT], call.route.own
    visit.consumer_pid = call.id if own == "consumer" else ""
    visit.provider_pid = call.id if own == "provider" else ""
    message: Any = wire.read(call.body, call.route.expects or (), call.world.limits)
    visit.consumer_pid, visit.provider_pid = message.consumer_pid, getattr(message, "provider_pid", "")
    pids = {"consumer": visit.consumer_pid, "provider": visit.provider_pid}
    if not own:
        if all(pids.values()):
            raise Malformed("This address opens a process, the message belongs to one that runs.", next="Send it to the process's address.")
    elif call.id not in ([pids[own]] if own in pids else pids.values()):
        raise Malformed(
            "The path names another process than the message.",
            f"The {own if own in pids else 'receiver'}'s pid must be the one in the path.",
            where=f"/{own}Pid" if own in pids else "",
        )
    return message


def _minted(ack: Ack, message: Any) -> str:
    """Our own pid of a process just opened: the one that the message did not bring."""
    return ack.provider_pid if message.consumer_pid else ack.consumer_pid


async def _read_negotiation(call: Call) -> web.StreamResponse:
    return _ack(await negotiate.read(call.world, call.caller, call.id))


async def _read_transfer(call: Call) -> web.StreamResponse:
    return _ack(await transfer.read(call.world, call.caller, call.id))


def _ack(ack: Ack) -> web.Response:
    return web.Response(body=wire.write(ack), content_type=JSON, headers=TEXT)


def _post(path: str, expects: type, own: str = "") -> Route:
    steps = tuple(path.split("/"))
    return Route("POST", steps, _receive_negotiation if steps[0] == "negotiations" else _receive_transfer, expects, own)


ROUTES = (
    Route("POST", ("catalog", "request"), _catalog, m.CatalogRequest, reads=True),  # C1
    Route("GET", ("catalog", "datasets", "*"), _dataset, reads=True),  # C2
    Route("GET", ("negotiations", "*"), _read_negotiation, reads=True),  # N1 N7
    _post("negotiations/request", m.ContractRequest),  # N2
    _post("negotiations/offers", m.ContractOffer),  # N8
    _post("negotiations/*/request", m.ContractRequest, "provider"),  # N3
    _post("negotiations/*/offers", m.ContractOffer, "consumer"),  # N9
    _post("negotiations/*/agreement", m.ContractAgreement, "consumer"),  # N10
    _post("negotiations/*/agreement/verification", m.AgreementVerification, "provider"),  # N5
    _post("negotiations/*/events", m.NegotiationEvent, "either"),  # N4 N11
    _post("negotiations/*/termination", m.NegotiationTermination, "either"),  # N6 N12
    Route("GET", ("transfers", "*"), _read_transfer, reads=True),  # T1 T11
    _post("transfers/request", m.TransferRequest),  # T2
    _post("transfers/*/start", m.TransferStart, "either"),  # T3 T7
    _post("transfers/*/completion", m.TransferCompletion, "either"),  # T4 T8
    _post("transfers/*/termination", m.TransferTermination, "either"),  # T5 T9
    _post("transfers/*/suspension", m.TransferSuspension, "either"),  # T6 T10
)

_BY_STEPS: dict[tuple[str, ...], dict[str, Route]] = {}
for _route in ROUTES:
    _BY_STEPS.setdefault(_route.steps, {})[_route.method] = _route
