"""From the picture of a label to the granted files, typed by operators of two real nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from connector import png, scanning
from connector.operate.labels import picture, symbol_of

from ..management.nodes import free_ports
from ..pictures import coloured, file, photographed
from .conftest import Nodes, Said

Say = Callable[..., Said]
BATTERY = "EV-72.000017"


@pytest.fixture
def label(say: Say, tmp_path: Path) -> Path:
    made = say("maker", "qr", BATTERY, "--out", str(tmp_path / "label.png"))
    assert made.code == 0, made.err
    assert "a module is 0.4" in made.out
    return tmp_path / "label.png"


def test_a_recycler_scans_a_label_and_has_the_granted_files(say: Say, label: Path, tmp_path: Path) -> None:
    told = say("recycler", "pull", "--scan", str(label), "dismantling", "--out", str(tmp_path / "out"))
    assert told.code == 0, told.err
    assert f"pulled battery {BATTERY}: 17 elements, 2 documents" in told.out
    assert f"it is battery {BATTERY} of maker" in told.err
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"circularity.json", "materials.json", "receipt.json"} < files
    assert json.loads((tmp_path / "out" / "receipt.json").read_text())["battery"] == BATTERY
    asked = say("recycler", "pull", "maker", "dismantling", "-b", BATTERY, "--json").json
    assert asked["reused"]["agreement"]  # by name it is the same contract


@pytest.mark.parametrize("link", ["iec61406", "plain", "gs1"])
@pytest.mark.parametrize("turned", [0, 7])
def test_a_photograph_of_any_kind_of_label_does(say: Say, tmp_path: Path, link: str, turned: float) -> None:
    assert say("maker", "qr", BATTERY, "--link", link, "--out", str(tmp_path / "label.png")).code == 0
    taken = photographed(png.read((tmp_path / "label.png").read_bytes()), scale=1.35, degrees=turned, noise=16)
    shot = tmp_path / "shot.png"
    shot.write_bytes(file(coloured(taken), taken.width, 2, filters=lambda row: row % 3))
    told = say("recycler", "pull", "--scan", str(shot), "dismantling", "--json")
    assert told.code == 0, told.err
    assert (told.json["battery"], told.json["scanned"]["kind"], told.json["elements"]) == (BATTERY, link, 17)


def test_the_products_own_link_at_a_resolver_that_nobody_knows_leads_to_the_peer_that_knows_the_item(say: Say, tmp_path: Path) -> None:
    assert say("maker", "qr", BATTERY, "--link", "product", "--out", str(tmp_path / "label.png")).code == 0
    told = say("recycler", "pull", "--scan", str(tmp_path / "label.png"), "dismantling", "--json")
    assert told.code == 0, told.err
    assert told.json["battery"] == BATTERY


def test_the_view_may_be_left_out_only_where_one_is_offered(say: Say, label: Path) -> None:
    several = say("recycler", "pull", "--scan", str(label))
    assert several.code == 4
    assert "condition, dismantling" in several.err


def test_a_stranger_gets_no_more_for_having_the_label(say: Say, label: Path) -> None:
    refused = say("stranger", "pull", "--scan", str(label), "dismantling")
    assert refused.code == 3
    assert "role" in refused.err


def test_a_label_of_a_battery_that_is_not_there_says_so(say: Say, nodes: Nodes, label: Path, tmp_path: Path) -> None:
    link = scanning.read_file(label)
    for wrong in (link[:-2] + "99", link.rpartition("/01/")[0] + "/i/EV-72.000099"):
        (tmp_path / "other.png").write_bytes(picture(symbol_of(wrong), ["x"], 20.0))
        told = say("recycler", "pull", "--scan", str(tmp_path / "other.png"), "dismantling")
        assert told.code in (1, 3), told.err
        assert "not.found" in told.err or "knows no battery" in told.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://nobody.invalid/01/09506000172040/21/999999", "no peer"),
        ("https://nobody.invalid/i/X.1", "no peer"),
        ("http://192.0.2.1/i/X.1", "https only"),
        ("https://127.0.0.1:9/i/X.1", "no public address"),
        ("https://169.254.169.254/latest/meta-data", "no public address"),
        ("did:web:nobody.invalid:passports:X.1", "https only"),
    ],
)
def test_an_unknown_host_is_told_of_and_never_more_than_asked(say: Say, tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "label.png").write_bytes(picture(symbol_of(text), ["x"], 20.0))
    told = say("recycler", "pull", "--scan", str(tmp_path / "label.png"), "dismantling", "--json")
    assert told.code == 4, told.err
    assert why in told.err + told.out
    assert "saltbridge" in told.err + told.out
    assert "scan.unknown" in told.err + told.out


@pytest.mark.parametrize("text", ["Halden battery 17", "javascript:alert(1)", "file:///etc/passwd", "https://user:pw@maker.example/i/1"])
def test_a_code_that_is_no_link_is_refused(say: Say, tmp_path: Path, text: str) -> None:
    (tmp_path / "label.png").write_bytes(picture(symbol_of(text), ["x"], 20.0))
    assert say("recycler", "pull", "--scan", str(tmp_path / "label.png"), "dismantling").code == 4


def test_what_is_typed_beside_a_label_must_fit(say: Say, label: Path) -> None:
    for words in (("maker", "dismantling"), ("dismantling", "--battery", BATTERY)):
        assert say("recycler", "pull", "--scan", str(label), *words).code == 2
    assert say("recycler", "pull").code == 2
    assert say("recycler", "pull", "maker").code == 2
    assert say("maker", "qr", BATTERY, "--out", "label.jpg").code == 4


@pytest.fixture
def resolver(nodes: Nodes) -> Iterator[Callable[[str], str]]:
    """A stranger's resolver on this machine: not called by the node, because it is no peer and not public."""
    import asyncio

    asked: list[str] = []

    async def start() -> tuple[web.AppRunner, int]:
        async def answer(request: web.Request) -> web.Response:
            asked.append(request.path)
            return web.Response(status=303, headers={"Location": "https://elsewhere.example/"})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_ports()[0]
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner, port

    runner, port = asyncio.run_coroutine_threadsafe(start(), nodes.loop).result(10)
    yield lambda path: f"http://127.0.0.1:{port}{path}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), nodes.loop).result(10)
    assert asked == []


def test_a_label_cannot_make_the_node_call_the_network_it_lives_in(say: Say, tmp_path: Path, resolver: Callable[[str], str]) -> None:
    (tmp_path / "label.png").write_bytes(picture(symbol_of(resolver("/i/EV-72.000017")), ["x"], 20.0))
    assert say("recycler", "pull", "--scan", str(tmp_path / "label.png"), "dismantling").code == 4
