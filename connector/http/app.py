"""The two listeners: the dataspace side, open to peers, and the operator side, open to nobody without the token.

They never share a port.  This page says which door leads where, and who may knock.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web

from connector.errors import Hidden, Misconfigured, Refused, SaltbridgeError, Unauthenticated, Unavailable, Unsupported
from connector.ports import World

from . import aas, data, dsp, public, registry
from .connections import Connections, Site
from .doorway import JSON, TEXT, VISIT, Family, check_entity, doorway, steps
from .settings import Settings
from .turns import TURNS, Turns

IMPORT = "/management/saltbridge/passports/import"
AAS = "/management/aas/"
PACKAGES = (JSON, "application/zip", "application/asset-administration-shell-package", "application/octet-stream", "text/csv")
SHUTDOWN_SECONDS = 10.0


Door = Callable[[World, Settings, web.Request, tuple[str, ...]], Awaitable[web.StreamResponse]]


def _to(answer: Callable[[World, web.Request, tuple[str, ...]], Awaitable[web.StreamResponse]]) -> Door:
    return lambda world, _, request, path: answer(world, request, path)


# The dataspace listener by the first step of a path; tests/hostile knocks at each.
DOORS: Mapping[str, Door] = {
    "dsp": _to(dsp.answer),
    "data": _to(data.answer),
    "grants": _to(public.grants),
    "passports": _to(public.passports),
    "aas": _to(aas.answer),
    **dict.fromkeys(registry.NOUNS, _to(registry.answer)),
    **dict.fromkeys(public.LINKS, lambda world, _, request, __: public.links(world, request)),
    ".well-known": public.well_known,
}


def dataspace_app(world: World, settings: Settings) -> web.Application:
    """DSP, data, grants, public passports and the well-known documents."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        path = steps(request)
        door = DOORS.get(path[0]) if path else None
        if door is None:
            raise Hidden
        return await door(world, settings, request, path)

    def guard(request: web.Request) -> web.Request:
        # What a plain asset's source is sent may be of any type.
        types = () if steps(request)[:1] == ("data",) else (JSON, "application/ld+json")
        check_entity(request, world.limits.message_bytes, types)
        return request

    app = web.Application(middlewares=[doorway("dataspace", _family, guard)], client_max_size=world.limits.message_bytes)
    # One route for all: peers double slashes and leave trailing ones, and ids hold what they hold.
    app.router.add_route("*", "/{path:.*}", dispatch)
    app[TURNS] = Turns()
    app.on_response_prepare.append(_anonymous)
    return app


def operator_app(world: World, settings: Settings, routes: Iterable[web.RouteDef]) -> web.Application:
    """The operator API (`routes`), health and readiness; Host and token are checked before anything else."""
    secret = _digest(settings.token)

    def guard(request: web.Request) -> web.Request:
        _check_host(request, settings.hosts)
        if request.path not in ("/health", "/health/ready"):
            _check_token(request, secret)
        if request.path == IMPORT:
            check_entity(request, settings.upload_bytes, PACKAGES)
            return request.clone(client_max_size=settings.upload_bytes)
        if request.path.startswith(AAS):
            check_entity(request, settings.upload_bytes, (JSON, "multipart/form-data"))
            return request.clone(client_max_size=settings.upload_bytes)
        check_entity(request, settings.json_bytes, (JSON,))
        # EDC's clients send empty bodies without a type: the management API sees for itself whether there is one.
        untyped = request.body_exists and "Content-Type" not in request.headers
        if untyped and request[VISIT].family is not Family.MANAGEMENT:
            raise Unsupported("A body needs a type.", next=f"Send Content-Type: {JSON}.")
        return request

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"}, headers=TEXT)

    async def ready(_: web.Request) -> web.Response:
        """Can this node answer and write?  No details: nobody had to say who they are."""
        try:
            await world.store.outbox()
        except SaltbridgeError as error:
            raise Unavailable("This node is not ready.", next="Look at its log.") from error
        return web.json_response({"status": "ready"}, headers=TEXT)

    middlewares = [doorway("operator", _operators_family, guard)]
    app = web.Application(middlewares=middlewares, client_max_size=settings.json_bytes)
    app.router.add_get("/health", alive, allow_head=False)
    app.router.add_get("/health/ready", ready, allow_head=False)
    app.add_routes(list(routes))
    app.on_response_prepare.append(_anonymous)
    return app


def _family(request: web.Request) -> Family:
    words = tuple(filter(None, request.rel_url.raw_path.split("/")))
    if words[:1] == ("dsp",):
        return dsp.family(words)
    return Family.AAS if words[:1] and words[0] in (*registry.NOUNS, "aas") else Family.DATA


def _operators_family(request: web.Request) -> Family:
    """EDC's shapes below /management, ours below /management/saltbridge."""
    words = [step for step in request.rel_url.raw_path.split("/") if step]
    if words[:2] == ["management", "aas"]:
        return Family.AAS
    if words[1:3] == ["saltbridge", "registry"] and words[3:] and words[3] in registry.NOUNS:
        return Family.AAS
    return Family.MANAGEMENT if words[:1] == ["management"] and words[1:2] not in (["saltbridge"], ["openapi.json"]) else Family.OPERATOR


async def _anonymous(_: web.Request, response: web.StreamResponse) -> None:
    """No version of anything to a stranger."""
    response.headers["Server"] = "saltbridge"


# --- who may knock at the operator's door --------------------------------------------------------


def _check_host(request: web.Request, hosts: Iterable[str]) -> None:
    """A page that made a browser resolve its own name to our address is answered 421 (DNS rebinding)."""
    given = [host.strip().lower() for host in request.headers.getall("Host", [])]
    name = _without_port(given[0]) if len(given) == 1 else ""
    if name and {given[0], name} & {host.lower() for host in hosts}:
        return
    error = Refused("This node does not go by that name.", next="Use a name in [operator] hosts, or add this one.", code="host.unknown")
    error.status = 421
    raise error


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    bare = name if colon and port.isdigit() else host
    return bare.removeprefix("[").removesuffix("]")


def _check_token(request: web.Request, secret: bytes) -> None:
    """The token in `X-Api-Key` or as a bearer; compared in constant time whatever its length."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = [request.headers.get("X-Api-Key", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
    if not any(hmac.compare_digest(_digest(token), secret) for token in given if token):
        raise Unauthenticated("operator token missing or wrong")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


# --- listening -----------------------------------------------------------------------------------


async def listen(
    app: web.Application, host: str, port: int, *, setting: str, tls: ssl.SSLContext | None = None, connections: int = 1000
) -> web.AppRunner:
    """Start answering; `cleanup()` of what is returned stops gracefully.  `setting` names what to change when the port is taken."""
    # A message is applied even when its sender hangs up: its handler runs to the end.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await Site(runner, host, port, Connections(setting.partition(".")[0], connections), tls).start()
    except OSError as error:
        await runner.cleanup()
        raise Misconfigured(*_taken(error, host, port, setting), code="port.taken") from error
    return runner


def _taken(error: OSError, host: str, port: int, setting: str) -> tuple[str, str, str]:
    variable = "SALTBRIDGE_" + setting.replace(".", "__").upper()
    change = f"Change {setting} in saltbridge.toml, or start with {variable}={host}:OTHER."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use.", f"Another program, or this node, already listens on {host}:{port}.", change
    return f"Nothing can listen on {host}:{port}.", error.strerror or str(error), change
