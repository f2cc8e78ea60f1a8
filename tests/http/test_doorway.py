"""What comes in is checked, whatever goes wrong is answered in the visited protocol's own words."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from catalog.errors import Invalid as InvalidCatalog
from connector import errors
from connector.http.doorway import JSON, VISIT, Family, check_entity, doorway, read_body, steps
from connector.ports import Conflict, Replayed
from policies.errors import Invalid as InvalidPolicy
from submodels.errors import Invalid as InvalidPassport

NIL = "urn:uuid:00000000-0000-0000-0000-000000000000"
Client = TestClient[web.Request, web.Application]
Open = Callable[[Callable[[web.Request], Any], Family], Any]


@pytest.fixture
async def through() -> AsyncIterator[Open]:
    """Opens a listener of one handler behind a doorway that answers as a family does."""
    clients: list[Client] = []

    async def opened(handler: Callable[[web.Request], Any], family: Family = Family.DATA) -> Client:
        def guard(request: web.Request) -> web.Request:
            check_entity(request, 1000, (JSON,))
            return request

        app = web.Application(middlewares=[doorway("test", lambda _: family, guard)], client_max_size=1000)
        app.router.add_route("*", "/{path:.*}", handler)
        clients.append(TestClient(TestServer(app)))
        await clients[-1].start_server()
        return clients[-1]

    yield opened
    for client in clients:
        await client.close()


def raising(error: Exception) -> Callable[[web.Request], Any]:
    async def handler(_: web.Request) -> web.Response:
        raise error

    return handler


ANSWERS = [
    (errors.Malformed("Not readable.", "bad", "mend", where="/a"), 400, "message.malformed"),
    (errors.Illegal("Not now."), 400, "state.illegal"),
    (errors.Unauthenticated("secret reason"), 401, "identity.unknown"),
    (errors.Denied("No.", code="grant.path", decision="d-1"), 403, "grant.path"),
    (errors.Hidden(), 404, "not.found"),
    (errors.TooLarge("Too large."), 413, "limit.exceeded"),
    (errors.Unsupported("Not read."), 415, "media.unsupported"),
    (errors.Unavailable("Later.", retry_after=2.2), 503, "unavailable"),
    (errors.PeerUnreachable("Nobody there."), 503, "peer.unreachable"),
    (Replayed(), 401, "identity.unknown"),
    (InvalidPolicy("permission 1", "no action", "add one"), 400, "content.invalid"),
    (InvalidCatalog("filter", "no operator", "add one"), 400, "content.invalid"),
    (InvalidPassport("carbon", "no number", "write one"), 400, "content.invalid"),
    (web.HTTPNotFound(), 404, "not.found"),
    (web.HTTPRequestEntityTooLarge(10, 11), 413, "limit.exceeded"),
    (web.HTTPMethodNotAllowed("PUT", {"GET"}), 405, "http.method"),
]


@pytest.mark.parametrize(
    ("error", "status", "code"), ANSWERS, ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None
)
@pytest.mark.parametrize("family", [family for family in Family if family is not Family.MANAGEMENT])
async def test_every_error_is_answered_with_its_status_in_every_family(
    through: Open, error: Exception, status: int, code: str, family: Family
) -> None:
    client = await through(raising(error), family)
    answer = await client.get("/x")
    body = await answer.json()
    if family is Family.AAS:
        [body] = body["messages"]
        body["reason"] = [body["text"]]
    assert (answer.status, body["code"]) == (status, code)
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
    assert body["reason"] and all(isinstance(reason, str) for reason in body["reason"])
    match family:
        case Family.OPERATOR:
            assert {"what", "why", "next", "code", "decision", "reason"} <= set(body)
        case Family.DATA:
            assert set(body) == {"code", "reason", "decision"}
        case Family.AAS:
            assert body["messageType"] == ("Exception" if status >= 500 else "Error")
        case Family.CATALOG:
            assert body["@type"] == "CatalogError" and isinstance(body["@context"], list)
        case _:
            assert body["@type"] == {"negotiation": "ContractNegotiationError", "transfer": "TransferError"}[family]
            assert (body["consumerPid"], body["providerPid"]) == (NIL, NIL)


# The same errors as EDC's management API tells them; 409 and 502 where EDC has them.
EDC_ANSWERS = {"Illegal": (409, "ObjectConflict"), "PeerUnreachable": (502, "BadGateway")}
EDC_TYPES = {400: "ValidationFailure", 401: "AuthenticationFailed", 403: "NotAuthorized", 404: "ObjectNotFound", 503: "ServiceUnavailable"}


@pytest.mark.parametrize(("error", "status"), [(error, status) for error, status, _ in ANSWERS], ids=lambda value: type(value).__name__)
async def test_every_error_is_answered_in_edcs_form_by_the_management_api(through: Open, error: Exception, status: int) -> None:
    answer = await (await through(raising(error), Family.MANAGEMENT)).get("/x")
    [said] = await answer.json()
    expected = EDC_ANSWERS.get(type(error).__name__, (status, EDC_TYPES.get(status, "InvalidRequest")))
    assert (answer.status, said["type"]) == expected
    assert set(said) == {"message", "type", "path", "invalidValue"} and said["message"]
    if getattr(error, "where", ""):
        assert said["path"] == error.where  # type: ignore[attr-defined]


async def test_a_refusal_carries_what_why_where_next_and_its_decision(through: Open) -> None:
    error = errors.Denied(
        "No.", "role eq recycler", "ask", code="policy.constraint.false", decision="d-51f0", where="/offer", details=["more"]
    )
    body = await (await (await through(raising(error))).get("/x")).json()
    assert body["reason"] == ["No.", "at /offer", "role eq recycler", "more", "ask", "decision d-51f0"]
    assert body["decision"] == "d-51f0"


async def test_why_a_token_does_not_hold_is_said_to_nobody(through: Open) -> None:
    answer = await (await through(raising(errors.Unauthenticated("expired at noon")))).get("/x")
    assert "noon" not in await answer.text() and answer.headers["WWW-Authenticate"] == "Bearer"


async def test_passing_trouble_says_when_to_come_back(through: Open) -> None:
    assert (await (await through(raising(errors.Unavailable("Later.", retry_after=2.2)))).get("/x")).headers["Retry-After"] == "3"
    assert (await (await through(raising(errors.Unavailable("Later.")))).get("/x")).headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("family", "status"), [(Family.NEGOTIATION, 503), (Family.TRANSFER, 503), (Family.OPERATOR, 409), (Family.MANAGEMENT, 409)]
)
async def test_a_lost_race_is_never_a_4xx_to_a_peer(through: Open, family: Family, status: int) -> None:
    assert (await (await through(raising(Conflict()), family)).get("/x")).status == status


@pytest.mark.parametrize("family", list(Family))
async def test_a_bug_is_answered_with_its_number_only(through: Open, family: Family, caplog: pytest.LogCaptureFixture) -> None:
    client = await through(raising(ValueError("the database password is hunter2")), family)
    with caplog.at_level(logging.INFO, logger="saltbridge"):
        answer = await client.get("/x")
    text = await answer.text()
    bug = next(record for record in caplog.records if record.getMessage() == "bug")
    assert answer.status == 500 and "hunter2" not in text and "ValueError" not in text
    assert bug.fields["id"] in text and bug.exc_info  # type: ignore[attr-defined]


async def test_a_misconfiguration_tells_a_peer_nothing(through: Open) -> None:
    error = errors.Misconfigured("The key /home/node/keys/dsp.json cannot be read.")
    assert "/home" not in await (await (await through(raising(error), Family.CATALOG)).get("/x")).text()


async def test_the_error_names_the_pids_that_were_read(through: Open) -> None:
    async def handler(request: web.Request) -> web.Response:
        request[VISIT].consumer_pid = "urn:uuid:c"
        raise errors.Illegal("Not now.")

    body = await (await (await through(handler, Family.NEGOTIATION)).get("/x")).json()
    assert (body["consumerPid"], body["providerPid"]) == ("urn:uuid:c", NIL)


# --- what may enter ------------------------------------------------------------------------------


async def _echo(request: web.Request) -> web.Response:
    return web.json_response({"read": len(await read_body(request))})


ENTITIES = [
    ({"data": b"{}", "headers": {"Content-Type": "application/json"}}, 200),
    ({"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-8"}}, 200),
    ({"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}}, 415),
    ({"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
    ({"data": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}}, 415),
    ({"data": b"{}", "headers": {"Content-Type": "application/json", "Content-Encoding": "identity"}}, 200),
    ({"data": b"x" * 1001, "headers": {"Content-Type": "application/json"}}, 413),
    ({"data": b"x" * 1000, "headers": {"Content-Type": "application/json"}}, 200),
]


@pytest.mark.parametrize(("sent", "status"), ENTITIES)
async def test_bodies_are_json_of_bounded_size_and_not_encoded(through: Open, sent: dict[str, Any], status: int) -> None:
    answer = await (await through(_echo)).post("/x", **sent)
    assert answer.status == status, await answer.text()


async def test_a_body_that_does_not_say_its_size_is_cut_at_the_limit(through: Open) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    answer = await (await through(_echo)).post("/x", data=endless(), headers={"Content-Type": "application/json"})
    assert answer.status == 413


# --- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", ["a", "b"]),
        ("/a//b/", ["a", "b"]),
        ("//a/b//", ["a", "b"]),
        ("/a%2Fb/c%3Ad", ["a/b", "c:d"]),
        ("/%C3%A4", ["ä"]),
        ("/", []),
    ],
)
async def test_a_path_is_its_segments_decoded_one_by_one(through: Open, path: str, expected: list[str]) -> None:
    from yarl import URL

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(steps(request))

    client = await through(handler)
    answer = await client.session.get(URL(f"http://{client.host}:{client.port}{path}", encoded=True))
    assert json.loads(await answer.text()) == expected


@pytest.mark.parametrize("path", ["/%FF", "/a%00b", "/%1B"])
async def test_a_path_of_control_characters_or_broken_text_is_refused(through: Open, path: str) -> None:
    from yarl import URL

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(steps(request))

    client = await through(handler)
    assert (await client.session.get(URL(f"http://{client.host}:{client.port}{path}", encoded=True))).status == 400


# --- the log line --------------------------------------------------------------------------------


async def test_a_request_leaves_one_line_without_query_headers_or_body(through: Open, caplog: pytest.LogCaptureFixture) -> None:
    client = await through(_echo)
    with caplog.at_level(logging.INFO, logger="saltbridge"):
        await client.post("/x?battery=EV-72.000017", json={"secret": "s3cret"}, headers={"Authorization": "Bearer t0ken"})
    lines = [record.fields for record in caplog.records if record.getMessage() == "request"]  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert {key: lines[0][key] for key in ("listener", "method", "path", "status")} == {
        "listener": "test", "method": "POST", "path": "/x", "status": 200,
    }  # fmt: skip
    assert not any(word in str(lines) for word in ("000017", "s3cret", "t0ken"))
