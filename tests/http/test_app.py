"""Two listeners that share nothing; the operator's opens to its names and its token only."""

from __future__ import annotations

import socket

import pytest

from connector.errors import Misconfigured
from connector.http.app import dataspace_app, listen, operator_app
from connector.http.settings import Settings
from connector.ports import World

from .conftest import TOKEN, Client

STATUS = "/management/saltbridge/status"
VIEWS = "/management/saltbridge/views"
IMPORT = "/management/saltbridge/passports/import"
KEY = {"X-Api-Key": TOKEN}


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_health_needs_no_token_and_tells_no_details(operator: Client, path: str) -> None:
    answer = await operator.get(path)
    assert answer.status == 200 and list(await answer.json()) == ["status"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Api-Key": "wrong"}, 401),
        ({"X-Api-Key": TOKEN + "x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Cookie": f"X-Api-Key={TOKEN}"}, 401),
        (KEY, 200),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
    ],
)
async def test_the_operator_side_opens_to_the_token_only(operator: Client, headers: dict[str, str], status: int) -> None:
    answer = await operator.get(STATUS, headers=headers)
    assert answer.status == status
    if status == 401:
        body = await answer.json()
        assert (body["what"], body["code"]) == ("Not authenticated.", "identity.unknown") and TOKEN not in str(body)


async def test_a_path_that_does_not_exist_is_not_told_to_who_has_no_token(operator: Client) -> None:
    assert (await operator.get("/management/saltbridge/nothing")).status == 401
    assert (await operator.get("/management/saltbridge/nothing", headers=KEY)).status == 404
    assert (await operator.get("/healthy")).status == 401


async def test_the_token_does_not_count_in_the_query(operator: Client) -> None:
    assert (await operator.get(f"{STATUS}?X-Api-Key={TOKEN}")).status == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:7402", 200),
        ("127.0.0.1:1", 200),
        ("maker.example:7402", 200),
        ("maker.example", 421),
        ("maker.example:80", 421),
        ("evil.example", 421),
        ("evil.example:7402", 421),
        ("localhost.evil.example", 421),
    ],
)
async def test_the_operator_side_answers_to_its_names_only(operator: Client, host: str, status: int) -> None:
    answer = await operator.get(STATUS, headers={**KEY, "Host": host})
    assert answer.status == status
    assert (await operator.get("/health", headers={"Host": host})).status == status


@pytest.mark.parametrize(
    ("path", "media_type", "size", "status"),
    [
        (VIEWS, "application/json", 900, 200),
        (VIEWS, "application/json", 1001, 413),
        (VIEWS, "application/zip", 10, 415),
        (VIEWS, "text/plain", 10, 415),
        (VIEWS, "application/x-www-form-urlencoded", 10, 415),
        (IMPORT, "application/json", 4000, 200),
        (IMPORT, "application/zip", 4000, 200),
        (IMPORT, "application/asset-administration-shell-package", 4000, 200),
        (IMPORT, "application/zip", 5001, 413),
        (IMPORT, "text/html", 10, 415),
    ],
)
async def test_writes_are_json_and_imports_are_packages(operator: Client, path: str, media_type: str, size: int, status: int) -> None:
    answer = await operator.post(path, data=b"x" * size, headers={**KEY, "Content-Type": media_type})
    assert answer.status == status
    if status == 200:
        assert await answer.json() == {"read": size}


async def test_a_write_without_a_body_needs_no_type(operator: Client) -> None:
    assert (await operator.post(VIEWS, headers=KEY)).status == 200


async def test_no_other_origin_is_invited(operator: Client, dataspace: Client) -> None:
    ask = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (await operator.options(VIEWS, headers={**KEY, **ask}), await dataspace.options("/data", headers=ask)):
        assert answer.status == 405
        assert not any(name.lower().startswith("access-control") for name in answer.headers)


async def test_nobody_learns_what_we_are_made_of(operator: Client, dataspace: Client) -> None:
    answers = [
        await operator.get("/health"),
        await operator.get(STATUS),
        await dataspace.get("/"),
        await dataspace.get("/.well-known/did.json"),
    ]
    assert {answer.headers["Server"] for answer in answers} == {"saltbridge"}


@pytest.mark.parametrize("path", ["/management/saltbridge/status", "/health", "/metrics", "/"])
async def test_the_operator_side_is_not_on_the_dataspace_port(dataspace: Client, path: str) -> None:
    answer = await dataspace.get(path, headers=KEY)
    assert answer.status == 404 and (await answer.json())["code"] == "not.found"


@pytest.mark.parametrize("path", ["/data", "/.well-known/did.json", "/dsp/2025-1/catalog/request"])
async def test_the_dataspace_is_not_on_the_operator_port(operator: Client, path: str) -> None:
    assert (await operator.get(path, headers=KEY)).status == 404


# --- listening -----------------------------------------------------------------------------------


async def test_a_taken_port_is_named_with_the_setting_that_changes_it(world: World, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured) as caught:
            await listen(dataspace_app(world, settings), "127.0.0.1", port, setting="dataspace.listen")
    assert all(word in str(caught.value) for word in (str(port), "in use", "dataspace.listen", "SALTBRIDGE_DATASPACE__LISTEN"))


async def test_a_listener_stops_and_leaves_the_port_free(world: World, settings: Settings) -> None:
    runner = await listen(operator_app(world, settings, ()), "127.0.0.1", 0, setting="operator.listen")
    port = runner.addresses[0][1]
    await runner.cleanup()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
