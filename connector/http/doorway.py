"""The one middleware of each listener: what comes in is checked here, whatever goes wrong is answered here.

Every error of the tree (`connector.errors`) becomes the body that the called protocol knows; anything else is a
bug: logged with its traceback under an id, answered with that id only.  One log line per request, without
query, headers or body.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.typedefs import Handler, Middleware

from catalog.errors import Invalid as InvalidCatalog
from connector import errors, log
from connector.ports import Conflict, Replayed
from connector.protocol import wire
from connector.protocol.vocabulary import NIL_PID
from policies.errors import Invalid as InvalidPolicy
from submodels.errors import Invalid as InvalidPassport

from .result import result
from .turns import resting

READ_SECONDS = 60.0  # for a whole request body
GONE = 499  # in the log only: the caller hung up, nobody reads an answer
JSON = "application/json"
TEXT = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}  # on every answer that is not a document

Guard = Callable[[web.Request], web.Request]


class Family(StrEnum):
    """Whose error body an answer carries."""

    CATALOG = "catalog"
    NEGOTIATION = "negotiation"
    TRANSFER = "transfer"
    DATA = "data"
    AAS = "aas"  # registry and repositories: a Result
    OPERATOR = "operator"
    MANAGEMENT = "management"  # EDC's shapes


STORE = "store.unavailable"
OURS = (Family.OPERATOR, Family.MANAGEMENT)  # the operator listener's

# How EDC calls an error of this status.
EDC_TYPES = {
    400: "ValidationFailure",
    401: "AuthenticationFailed",
    403: "NotAuthorized",
    404: "ObjectNotFound",
    409: "ObjectConflict",
    502: "BadGateway",
    503: "ServiceUnavailable",
}


@dataclass(slots=True)
class Visit:
    """What is known of one request so far; the error answer and the log line read it."""

    family: Family
    peer: str = ""
    process: str = ""
    consumer_pid: str = ""
    provider_pid: str = ""
    note: str = ""  # for the log only


VISIT = web.RequestKey("visit", Visit)
STEPS: web.RequestKey[tuple[str, ...]] = web.RequestKey("steps", tuple)


def doorway(listener: str, family_of: Callable[[web.Request], Family], guard: Guard) -> Middleware:
    """The middleware of a listener.  `guard` raises for what may not enter, and returns the request to go on with."""

    @web.middleware
    async def enter(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        visit = request[VISIT] = Visit(family_of(request))
        try:
            response = await handler(guard(request))
        except Exception as error:  # noqa: BLE001 - the doorway: every error becomes an answer
            gone = isinstance(error, ConnectionError) and _gone(request)
            response = web.Response(status=GONE) if gone else answer_error(error, visit)
        _line(listener, request, visit, response.status, started)
        return response

    return enter


def answer_error(error: Exception, visit: Visit) -> web.Response:
    """The answer to an error in the visited protocol's own words."""
    known = understand(error, visit.family)
    if known is None:
        number = secrets.token_hex(6)
        log.failure("bug", error, id=number, peer=visit.peer, process=visit.process)
        known = errors.SaltbridgeError("Something went wrong here.", next=f"Tell the operator of this node: error {number}.")
    if isinstance(known, errors.Unauthenticated):
        visit.note = known.why_for_the_log
    elif known.status >= 400:
        visit.note = known.code
    headers = dict(TEXT)
    if known.status == 503:
        headers["Retry-After"] = str(max(1, math.ceil(known.retry_after or 5)))
    if known.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return web.Response(status=known.status, body=_body(known, visit), content_type=JSON, headers=headers)


def understand(error: Exception, family: Family) -> errors.SaltbridgeError | None:
    """The error of our tree that this one means; None for a bug."""
    match error:
        case errors.PeerUnreachable() | errors.PeerRefused() if family is Family.MANAGEMENT:
            return _gateway(error)
        case errors.Illegal() if family is Family.MANAGEMENT:
            return errors.Clash(error.what, error.why, error.next, code=error.code, details=error.details)
        case errors.Unavailable() if error.code == STORE and family not in OURS:
            # Where the database is and what is wrong with it is the operator's business, and stands in the log.
            return errors.Unavailable("This node cannot work just now.", next="Try again.", code=STORE, retry_after=error.retry_after)
        case errors.SaltbridgeError():
            # Misconfigured has no business inside a request: its text speaks of files and settings.
            return None if isinstance(error, errors.Misconfigured) and family not in OURS else error
        case InvalidCatalog() | InvalidPolicy() | InvalidPassport():
            return errors.Malformed(error.what, next=error.next, where=error.where, code="content.invalid")
        case Replayed():
            return errors.Unauthenticated("nonce used before")
        case Conflict() if family in OURS:
            return errors.Clash("Somebody else changed this at the same moment.", next="Look at it again and repeat.")
        case Conflict():
            # Never 409 on DSP: a 4xx makes EDC terminate the conversation.
            return errors.Unavailable("Another message came first.", next="Send it again.", retry_after=1)
        case web.HTTPException():
            return _http(error)
        case web.RequestPayloadError() | BadHttpMessage() | asyncio.IncompleteReadError():
            return errors.Malformed("The request body cannot be read.", next="Send it again, whole.")
    return None


def _gateway(error: errors.SaltbridgeError) -> errors.SaltbridgeError:
    """The other node failed or refused: EDC answers 502 for both."""
    told = errors.SaltbridgeError(error.what, error.why, error.next, code=error.code, decision=error.decision, details=error.details)
    told.status = 502
    return told


def _http(error: web.HTTPException) -> errors.SaltbridgeError:
    """What aiohttp itself refuses."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return errors.TooLarge("The body is too large.", next="Send less at once.")
    if isinstance(error, web.HTTPNotFound):
        return errors.Hidden()
    known = errors.Refused(f"{error.reason}.", code="http.refused")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = " or ".join(sorted(error.allowed_methods))
        known = errors.Refused(f"{error.method} is not done here.", next=f"Use {allowed}.", code="http.method")
    known.status = error.status
    return known


def _body(error: errors.SaltbridgeError, visit: Visit) -> bytes:
    if visit.family is Family.OPERATOR:
        return json.dumps(operator_body(error), ensure_ascii=False).encode()
    if visit.family is Family.MANAGEMENT:
        return json.dumps([edc_body(error)], ensure_ascii=False).encode()
    reasons = error.reasons()
    if visit.family is Family.AAS:
        return result(error)
    if visit.family is Family.DATA:
        told = error.told if isinstance(error, errors.Gone) else {}
        return json.dumps({"code": error.code, "reason": reasons, "decision": error.decision, **told}, ensure_ascii=False).encode()
    return wire.error_body(visit.family.value, error.code, reasons, visit.consumer_pid or NIL_PID, visit.provider_pid or NIL_PID)


def edc_body(error: errors.SaltbridgeError) -> dict[str, object]:
    """An error as EDC's management API tells it; what, why, next and the decision stand in `message`."""
    decided = f"decision {error.decision}" if error.decision else ""
    message = " ".join(text for text in (error.what, error.why, *error.details, error.next, decided) if text)
    kind = EDC_TYPES.get(error.status, "InvalidRequest" if error.status < 500 else "InternalError")
    return {"message": message, "type": kind, "path": error.where or None, "invalidValue": error.value}


def operator_body(error: errors.SaltbridgeError) -> dict[str, object]:
    """An error as the operator API tells it: what, why, next, code, and what else is known."""
    body: dict[str, object] = {"what": error.what, "why": error.why, "next": error.next, "code": error.code, "decision": error.decision}
    body |= {"where": error.where, "details": list(error.details), "reason": error.reasons()}
    if isinstance(error, errors.PeerRefused):
        body |= {"by": error.by, "process_kind": error.process_kind, "process": error.process}
    return body


# --- what may enter ------------------------------------------------------------------------------


def check_entity(request: web.Request, limit: int, types: Sequence[str]) -> None:
    """Refuse a body that is encoded, too large by its own word, or of another type; a body without a type is taken as given.

    Without `types` any will do.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise errors.Unsupported("Encoded bodies are not read here.", next="Send it without Content-Encoding.", code="encoding.unsupported")
    if (request.content_length or 0) > limit:
        raise errors.TooLarge("The body is too large.", f"The limit is {limit} bytes.", "Send less at once.")
    if request.body_exists and "Content-Type" in request.headers:
        if types and request.content_type not in types:
            raise errors.Unsupported("This media type is not read here.", next=f"Send {' or '.join(types)}.")
        if types and (request.charset or "utf-8").lower() not in {"utf-8", "utf8", "us-ascii"}:
            raise errors.Unsupported("This character set is not read here.", next="Send UTF-8.")


async def read_body(request: web.Request) -> bytes:
    """The whole body, at most the application's limit, within a minute."""
    if request.content.is_eof():
        return await request.read()  # it is here already, as short messages nearly always are
    try:
        async with resting(request), asyncio.timeout(READ_SECONDS):
            return await request.read()
    except TimeoutError as error:
        slow = errors.Refused("The body did not arrive in time.", next="Send it again.", code="http.timeout")
        slow.status = 408
        raise slow from error


def steps(request: web.Request) -> tuple[str, ...]:
    """The path's segments, decoded one by one; empty ones (a doubled or trailing slash) do not count."""
    found = request.get(STEPS)
    if found is None:
        found = request[STEPS] = _steps(request.rel_url.raw_path)
    return found


def _steps(path: str) -> tuple[str, ...]:
    if "%" not in path and path.isprintable():
        return tuple(filter(None, path.split("/")))
    try:
        decoded = tuple(unquote(step, errors="strict") for step in path.split("/") if step)
    except UnicodeDecodeError as error:
        raise errors.Malformed("The path is not UTF-8.", next="Percent-encode it.") from error
    if any(not step.isprintable() for step in decoded):
        raise errors.Malformed("The path holds control characters.", next="Leave them out.")
    return decoded


# --- the log line --------------------------------------------------------------------------------


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _line(listener: str, request: web.Request, visit: Visit, status: int, started: float) -> None:
    log.event(
        "request",
        listener=listener,
        method=request.method,
        path=request.rel_url.raw_path[:300],
        status=status,
        ms=round((time.perf_counter() - started) * 1000, 1),
        peer=visit.peer,
        process=visit.process,
        note=visit.note,
    )
