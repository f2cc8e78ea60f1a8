"""The page behind a label: for people, whole in itself, and never more than the public view."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from connector.exchange import release
from connector.exchange.page import languages_of
from connector.operate import endings, passports
from connector.ports import World
from submodels.value import read_json, walk, write_json

from .test_life import FIRST, SECOND, Client, ask, secrets, stocked, visitor

__all__ = ["stocked", "visitor"]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.9"}
VOID = {"meta", "br", "hr"}


class Reader(HTMLParser):
    """The page as a browser takes it apart: elements, links, text, headings in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self.open[-1:] == ["style"] else data


async def page(client: Client, path: str = f"/passports/{FIRST}", **headers: str) -> tuple[int, Reader, Any]:
    status, body, told = await ask(client, path, **(BROWSER | headers))
    assert told["Content-Type"] == "text/html; charset=utf-8"
    return status, Reader(body.decode()), told


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5", ""])
async def test_a_program_gets_the_json_it_always_got(visitor: Client, accept: str) -> None:
    _, body, headers = await ask(visitor, f"/passports/{FIRST}", Accept=accept)
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["battery"] == FIRST


async def test_a_browser_gets_a_page_that_shows_what_matters_first(visitor: Client) -> None:
    status, seen, headers = await page(visitor)
    assert status == 200
    assert "Accept" in headers["Vary"]
    order = [seen.text.index(word) for word in (FIRST, "In case of fire", "Water in large amounts", "Chemistry", "412.37 kg", "Documents")]
    assert order == sorted(order)
    assert "not yet required by law" in seen.text
    assert [tag for tag, _ in seen.tags if re.fullmatch(r"h\d", tag)][:2] == ["h1", "h2"]


async def test_the_page_says_every_public_leaf_and_no_other(visitor: Client, stocked: World) -> None:
    _, body, headers = await ask(visitor, f"/passports/{FIRST}", **BROWSER)
    shown = Reader(body.decode()).text
    public = await release.public(stocked, FIRST)
    for part, tree in public.parts.items():
        for _, _, value in walk(part, tree):
            if part != "handover" and not isinstance(value, (bool, dict, list)):
                assert str(value) in shown, (part, value)
    hidden = await secrets(stocked, FIRST)
    assert len(hidden) > 40
    assert [each for each in hidden if each in body + str(headers).encode()] == []


async def test_the_page_is_whole_in_itself_and_may_run_nothing(visitor: Client) -> None:
    _, body, headers = await ask(visitor, f"/passports/{FIRST}", **BROWSER)
    seen = Reader(body.decode())
    assert len(body) < 100_000
    assert not {tag for tag, _ in seen.tags} & {"script", "img", "iframe", "object", "embed", "form", "input", "link", "video", "base"}
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on") or name in ("style", "src", "srcset")]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    style = body.decode().partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert "unsafe" not in policy
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert "Set-Cookie" not in headers


async def test_every_link_is_ours_or_an_address_and_documents_open(visitor: Client) -> None:
    _, seen, _ = await page(visitor)
    links = [str(attributes["href"]) for tag, attributes in seen.tags if tag == "a"]
    ours = [link for link in links if link.startswith("/")]
    assert len([link for link in ours if "/documents/" in link]) >= 4
    for link in ours:
        assert (await ask(visitor, link))[0] == 200, link
    assert all(re.match(r"https?://", link) for link in links if link not in ours)


async def test_the_page_speaks_the_readers_language_where_it_can(visitor: Client) -> None:
    _, german, _ = await page(visitor, **{"Accept-Language": "de-AT,de;q=0.9,en;q=0.1"})
    assert "Im Brandfall" in german.text
    assert dict(german.tags)["html"]["lang"] == "de"
    _, other, _ = await page(visitor, **{"Accept-Language": "pt"})
    assert dict(other.tags)["html"]["lang"] == "en"


@pytest.mark.parametrize(
    ("header", "found"),
    [("de-CH, fr;q=0.2, en;q=0.8", ("de", "en", "fr")), ("", ()), ("*", ()), ("en;q=0", ()), ("x" * 9000, ()), ('"><script>,de', ("de",))],
)
def test_languages_are_read_by_their_weight(header: str, found: tuple[str, ...]) -> None:
    assert languages_of(header) == found


async def test_what_a_passport_says_is_text_and_never_markup(visitor: Client, stocked: World) -> None:
    tree: Any = read_json(write_json((await release.operator(stocked, FIRST)).parts["circularity"]))
    tree["SafetyMeasures"]["ExtinguishingAgents"] = [
        "<script>alert(1)</script>",
        "javascript:alert(2)",
        '" onmouseover="x',
        "https://a.example/'><b>",
    ]
    await passports.update(stocked, "EV-72", "circularity", write_json(tree))
    _, body, _ = await ask(visitor, f"/passports/{FIRST}", **BROWSER)
    seen = Reader(body.decode())
    assert "<script>alert(1)</script>" in seen.text
    assert not [tag for tag, _ in seen.tags if tag in ("script", "b")]
    assert not [each for _, attributes in seen.tags for each in attributes.values() if each and each.startswith("javascript")]
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]


async def test_what_follows_is_named_on_the_page(visitor: Client, stocked: World) -> None:
    await endings.supersede(stocked, FIRST, SECOND, "the battery is repurposed")
    _, old, _ = await page(visitor)
    assert f"https://maker.example/passports/{SECOND}" in old.text
    assert "repurposed" not in old.text
    _, new, _ = await page(visitor, f"/passports/{SECOND}")
    assert f"https://maker.example/passports/{FIRST}" in new.text


async def test_what_has_ceased_is_a_page_with_its_statement(visitor: Client, stocked: World) -> None:
    await endings.cease(stocked, FIRST, "recycled <b>at</b> Halden")
    status, seen, headers = await page(visitor)
    assert status == 410
    assert "recycled <b>at</b> Halden" in seen.text
    assert re.search(r"ey[\w-]+\.[\w-]+\.[\w-]{86}", seen.text)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_an_unknown_battery_is_the_same_404_for_a_browser(visitor: Client) -> None:
    assert (await ask(visitor, "/passports/EV-99.1", **BROWSER))[:2] == (await ask(visitor, "/passports/EV-99.1"))[:2]
