"""HttpData addresses: what they pass through, what they refuse, which headers go which way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.addresses import Address
from connector.dataplane.sources import FLAGS, HttpSources
from connector.errors import Hidden, Malformed, Refused
from connector.ports import Ask

BASE = {"type": "HttpData", "baseUrl": "http://source.example/base"}
ALL = BASE | dict.fromkeys(FLAGS, "true")


@dataclass
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass
class Called:
    """An outbound client that remembers its calls."""

    answer: Answer = field(default_factory=Answer)
    calls: list[tuple[str, str, dict[str, str], bytes | None, bool]] = field(default_factory=list)

    @asynccontextmanager
    async def stream(
        self, method: str, address: Address, headers: Mapping[str, str], body: bytes | None = None, *, listed: bool
    ) -> AsyncIterator[Answer]:
        self.calls.append((method, address.origin + address.path, dict(headers), body, listed))
        yield self.answer


async def called(address: Mapping[str, Any], ask: Ask, secrets: Mapping[str, str] | None = None) -> Any:
    outbound = Called()
    sources = HttpSources(outbound)
    sources.check(address, secrets or {})
    async with sources.open(address, secrets or {}, ask):
        pass
    return outbound.calls[0]


@pytest.mark.parametrize(
    ("address", "ask", "url"),
    [
        (BASE, Ask(method="GET"), "/base"),
        (BASE, Ask(method="GET", path="/"), "/base"),
        (BASE | {"path": "/more/"}, Ask(method="GET"), "/base/more"),
        (BASE | {"queryParams": "a=1"}, Ask(method="GET"), "/base?a=1"),
        (ALL, Ask(method="GET", path="/x/y"), "/base/x/y"),
        (ALL, Ask(method="GET", path="/x%2Fy", query="b=%20"), "/base/x%2Fy?b=%20"),
        (ALL | {"queryParams": "?a=1"}, Ask(method="GET", query="b=2"), "/base?a=1&b=2"),
        (ALL | {"baseUrl": "http://source.example"}, Ask(method="GET", path="/@evil.example/"), "/@evil.example/"),
        (ALL | {"baseUrl": "http://source.example/"}, Ask(method="GET", path="//evil.example"), "//evil.example"),
    ],
)
async def test_path_and_query_are_appended_as_the_flags_say(address: Any, ask: Ask, url: str) -> None:
    method, called_at, _, body, listed = await called(address, ask)
    assert (method, called_at, body, listed) == ("GET", f"http://source.example{url}", None, True)


@pytest.mark.parametrize(
    ("address", "ask", "error"),
    [
        (BASE, Ask(method="GET", path="/x"), Hidden),
        (BASE, Ask(method="GET", query="a=1"), Malformed),
        (BASE | {"proxyMethod": "true"}, Ask(method="POST", body=b"x"), Malformed),
        (BASE, Ask(method="POST"), Refused),
        (BASE | {"method": "POST"}, Ask(method="DELETE"), Refused),
        (ALL, Ask(method="TRACE"), Refused),
        (ALL, Ask(method="OPTIONS"), Refused),
        (ALL, Ask(method="GET", path="/../x"), Malformed),
        (ALL, Ask(method="GET", path="/%2e%2e/x"), Malformed),
        (ALL, Ask(method="GET", path="/a\\b"), Malformed),
    ],
)
async def test_what_is_not_passed_through_is_refused(address: Any, ask: Ask, error: type[Exception]) -> None:
    outbound = Called()
    with pytest.raises(error):
        async with HttpSources(outbound).open(address, {}, ask):
            pass
    assert outbound.calls == []


async def test_an_address_has_its_own_method_unless_it_passes_the_callers() -> None:
    assert (await called(BASE | {"method": "POST", "proxyBody": "true"}, Ask(method="GET")))[0] == "POST"
    assert (await called(BASE | {"method": "POST", "proxyBody": "true"}, Ask(method="POST", body=b"x")))[0] == "POST"
    assert (await called(ALL | {"method": "POST"}, Ask(method="PUT", body=b"x")))[0] == "PUT"


async def test_of_the_callers_headers_only_those_that_negotiate_content_go_in() -> None:
    asked = {
        "authorization": "token", "cookie": "a=b", "host": "node.example", "x-forwarded-for": "1.2.3.4", "connection": "upgrade",
        "accept": "text/xml", "range": "bytes=0-9", "if-none-match": '"v1"', "content-type": "text/plain",
    }  # fmt: skip
    _, _, headers, body, _ = await called(ALL, Ask(method="POST", body=b"x", headers=asked))
    assert headers == {
        "accept": "text/xml", "range": "bytes=0-9", "if-none-match": '"v1"', "content-type": "text/plain", "accept-encoding": "identity",
    }  # fmt: skip
    assert body == b"x"
    _, _, headers, _, _ = await called(ALL | {"contentType": "application/xml"}, Ask(method="POST", body=b"x", headers=asked))
    assert headers["content-type"] == "application/xml"


async def test_secrets_go_to_the_source_under_their_names_and_over_the_callers() -> None:
    secrets = {"authCode": "s3cr3t", "header:Accept": "application/json"}
    _, _, headers, _, _ = await called(BASE | {"authKey": "Authorization"}, Ask(method="GET", headers={"accept": "*/*"}), secrets)
    assert headers["Authorization"] == "s3cr3t" and headers["Accept"] == "application/json"
    assert "accept" not in headers


async def test_of_the_sources_headers_only_those_about_the_content_come_out() -> None:
    told = {
        "content-type": "text/csv",
        "content-length": "3",
        "set-cookie": "a=b",
        "location": "http://10.0.0.5",
        "server": "x",
        "etag": '"1"',
    }
    outbound = Called(Answer(206, told, None))
    async with HttpSources(outbound).open(BASE, {}, Ask(method="GET")) as flow:
        assert flow.status == 206
        assert flow.headers == {"content-type": "text/csv", "content-length": "3", "etag": '"1"'}
