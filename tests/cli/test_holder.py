"""The holder's commands against a real operator listener: import, publish, look, offer, withdraw, explain."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from connector.cli.main import main
from connector.cli.view import _show_offers
from connector.http.app import operator_app
from connector.http.manage import passports, policies, views
from connector.http.settings import Settings
from connector.ports import Me, World
from connector.storage.sqlite import open_sqlite

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
TOKEN = "an-operator-token-of-good-length"

Run = Callable[..., tuple[int, str, str]]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node's operator side in a thread of its own, and a home that points to it."""
    folder = tmp_path_factory.mktemp("home")
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        store = open_sqlite(":memory:", _Now())
        nobody = cast("Any", None)
        me = Me(id="did:web:maker.example", name="maker", public_url="https://maker.example")
        world = World(
            me=me, store=store, clock=_Now(), identity=nobody, courier=nobody, data=nobody, tokens=nobody, decider=nobody, secret=b"s" * 32
        )
        settings = Settings(card=dict, token=TOKEN, hosts=("127.0.0.1",))
        runner = web.AppRunner(
            operator_app(world, settings, [route for noun in (passports, policies, views) for route in noun.routes(world)])
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        (folder / "saltbridge.toml").write_text(f'[operator]\nlisten = "{host}:{port}"\n')
        (folder / "operator.token").write_text(TOKEN)
        started.set()
        await stop.wait()
        await runner.cleanup()
        await store.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(30)
    yield folder
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


@pytest.fixture
def run(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["--home", str(home), *words])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def published(run: Run) -> Run:
    assert run("passport", "import", str(SAMPLE))[0] == 0
    assert run("passport", "publish", "EV-72")[0] == 0
    return run


def test_import_says_what_it_would_do_then_does_it_then_has_nothing_to_do(run: Run) -> None:
    code, out, err = run("passport", "import", str(SAMPLE), "--dry-run")
    assert code == 0 and "3 batteries" in out and "nothing was stored" in err
    code, out, err = run("passport", "import", str(SAMPLE))
    assert code == 0 and "passport publish EV-72" in err
    code, out, err = run("passport", "import", str(SAMPLE))
    assert code == 0 and "imported before" in err


def test_list_and_show_on_a_pipe_are_tab_separated(published: Run) -> None:
    _, out, _ = published("passport", "list")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["EV-72.000017", "EV-72.000018", "EV-72.000019"]
    assert {row[1] for row in rows} == {"published"}
    _, out, _ = published("passport", "show", "000017")
    assert "materials/BatteryMaterials/0/BatteryMaterialName\t" in out


def test_show_keeps_the_digits_of_a_number(published: Run) -> None:
    _, out, _ = published("passport", "show", "EV-72.000017", "--part", "condition")
    written = (SAMPLE / "items" / "000017" / "condition.json").read_text()
    assert json.loads(out) == json.loads(written)
    assert "93.254" in out


def test_an_offer_is_made_listed_previewed_and_withdrawn(published: Run) -> None:
    words = ("view", "offer", "dismantling", "--model", "EV-72", "--policy", "recycler", "--until", "2099-12-31")
    code, out, err = published(*words)
    assert code == 0 and "2099-12-31" in out and "to recyclers" in err
    assert "it stood exactly so" in published(*words)[2]
    _, out, _ = published("view", "list", "--offers")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["public", "dismantling"]
    code, out, _ = published("view", "preview", "dismantling", "--as", "recycler", "--battery", "000017")
    assert code == 0 and "as recycler would get it" in out
    assert "○ BatteryMaterials/*/BatteryMaterialMass" in out and "withheld: not in this view (the law would allow it)" in out
    assert "RecycledContentInformation/**" in out
    _, out, _ = published("view", "preview", "dismantling", "--as", "authority", "--battery", "000017")
    assert "would get no contract" in out
    code, out, _ = published("view", "withdraw", "dismantling", "--yes")
    assert code == 0 and out == "dismantling · model EV-72 is off the catalog.\n"


@pytest.mark.parametrize(
    ("columns", "dataset"), [(80, ""), (116, "model.EV-72.S7_RfIfX…"), (160, "model.EV-72.S7_RfIfXS3GA5yPBreBwU1dzyegLK3-F9nib0hqSMBI")]
)
def test_a_list_of_offers_shows_as_much_of_an_id_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch, columns: int, dataset: str) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    row = {"view": "dismantling", "scope": "model.EV-72", "elements": 17, "documents": 2, "who": "to recyclers · for dismantling"}
    _show_offers([row | {"until": "2027-12-31T23:59:59Z", "dataset": "model.EV-72.S7_RfIfXS3GA5yPBreBwU1dzyegLK3-F9nib0hqSMBI"}])
    words = shown.getvalue().split()
    assert ("DATASET" in words) is bool(dataset)
    assert not dataset or dataset in words
    assert {"dismantling", "DOCUMENTS", "2027-12-31", "recyclers"} <= set(words)


def test_a_view_of_ones_own_with_expectations(published: Run, tmp_path: Path) -> None:
    file = tmp_path / "view.json"
    body = {"paths": ["circularity/SafetyMeasures/**"], "expectations": {"must_not": ["materials/**"]}}
    file.write_text(json.dumps(body))
    assert published("view", "put", "safety", str(file))[0] == 0
    code, out, _ = published("view", "test", "safety")
    assert code == 0 and "must_not materials/**\tyes" in out
    file.write_text(json.dumps(body | {"paths": ["materials/**"]}))
    code, _, err = published("view", "put", "safety", str(file))
    assert code == 4 and "does not keep" in err and len(err.splitlines()) <= 3
    assert published("view", "delete", "safety", "--yes")[0] == 0


def test_policies_are_kept_explained_and_checked(published: Run, tmp_path: Path) -> None:
    file = tmp_path / "terms.json"
    rule = {"leftOperand": "colour", "operator": "eq", "rightOperand": "blue"}
    file.write_text(json.dumps({"permission": [{"action": "use", "constraint": [rule]}]}, indent=1))
    code, out, _ = published("policy", "check", str(file))
    assert code == 4 and f"{file}:" in out and "colour" in out
    code, _, err = published("policy", "put", "odd", str(file))
    assert code == 0 and "warning" in err
    assert published("policy", "explain", "recycler", "--fact", "role=recycler")[1].startswith("yes")
    assert published("policy", "explain", str(file), "--fact", "role=recycler")[1].startswith(("no", "undecided"))
    assert "odd" in published("policy", "list")[1]
    assert json.loads(published("policy", "show", "odd", "--json")[1])["rules"]
    assert published("policy", "delete", "odd", "--yes")[0] == 0
    assert published("policy", "explain", "recycler", "--fact", "role")[0] == 2


def test_what_is_wrong_is_said_in_three_lines_with_its_exit_code(published: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    for words, code in [
        (("passport", "import", str(bad)), 4),
        (("passport", "import", str(tmp_path / "nothing.txt")), 4),
        (("passport", "show", "nothing"), 1),
        (("view", "offer", "dismantling", "--model", "EV-72", "--policy", "public"), 1),
        (("view", "offer", "dismantling", "--policy", "recycler"), 4),
        (("view", "preview", "dismantling", "--battery", "nothing"), 1),
    ]:
        got, out, err = published(*words)
        assert got == code, (words, err)
        assert out == "" and 1 <= len(err.splitlines()) <= 3, (words, err)


@pytest.mark.parametrize("noun", ["passport", "view", "policy"])
def test_help_fits_a_screen_and_every_verb_has_an_example(run: Run, noun: str) -> None:
    from importlib import import_module

    code, out, _ = run(noun, "--help")
    assert code == 0 and len(out.splitlines()) <= 40
    for command in import_module(f"connector.cli.{noun}").app.registered_commands:
        name = command.name or command.callback.__name__
        assert "Example: saltbridge" in run(noun, name, "--help")[1], name
