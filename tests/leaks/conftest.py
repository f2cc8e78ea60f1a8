"""Four real nodes with a recording proxy in front of each, and a stranger's tools: own keys, hand-made requests, held tokens."""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from connector.cli.client import part
from connector.identity import jws, keys
from scripts.lib import evidence, leaks, stage
from scripts.lib.recorder import Connection
from submodels.grant import parse_grant

SAMPLE = evidence.SAMPLE
FIRST, SECOND, THIRD = "EV-72.000017", "EV-72.000018", "EV-72.000019"
OTHER = "EV-73.000017"  # a second model, as good as the first, with one file elsewhere
UNPUBLISHED = "EV-74.000017"
ELSEWHERE = "https://files.halden-cells.example/manuals/7204.pdf"
CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
CAST = (("maker", ""), ("recycler", "recycler"), ("oem", "oem"), ("stranger", ""))
_NUMBERED = re.compile(r"urn:uuid:[0-9a-f-]{36}|d-[0-9a-f]{12}|r-[0-9a-f]{24}|\d+\.\d+ s ago")
_FLEETING = ("date", "saltbridge-receipt")


@dataclass(frozen=True)
class Address:
    """A started transfer, as its consumer holds it."""

    transfer: str
    endpoint: str
    authorization: str


@dataclass
class Ring:
    """The maker, its peers, and what each may do."""

    nodes: dict[str, stage.Node]
    loop: asyncio.AbstractEventLoop
    agreements: dict[tuple[str, str], str] = field(default_factory=dict)

    # --- operators

    def operate(self, name: str, method: str, path: str, *args: Any, **query: Any) -> Any:
        return getattr(self.nodes[name].client, method)(path, *args, **query)

    def datasets(self) -> dict[tuple[str, str], str]:
        """(view, scope) -> dataset id, of everything the maker offers."""
        return {(row["view"], row["scope"]): row["dataset"] for row in self.operate("maker", "get", "/offers") if row["dataset"]}

    def agree(self, name: str, dataset: str) -> str:
        """A fresh agreement over a dataset."""
        return str(self.operate(name, "post", "/negotiations", {"peer": "maker", "dataset": dataset})["agreement"])

    def agreement(self, name: str, view: str, scope: str) -> str:
        """An agreement that stays for all tests."""
        key = (name, f"{view} {scope}")
        if key not in self.agreements:
            self.agreements[key] = self.agree(name, self.datasets()[view, scope])
        return self.agreements[key]

    def start(self, name: str, agreement: str) -> Address:
        """A started transfer."""
        transfer = self.operate(name, "post", "/transfers", {"agreement": agreement})["id"]
        return self.address(name, transfer)

    def address(self, name: str, transfer: str) -> Address:
        told = self.operate(name, "get", f"/transfers/{part(transfer)}/dataaddress")
        return Address(transfer, told["endpoint"], told["authorization"])

    def open(self, name: str, view: str, scope: str) -> Address:
        return self.start(name, self.agreement(name, view, scope))

    # --- the wire

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET at the maker's public side, as anybody."""
        return requests.get(self.nodes["maker"].url + path, headers=headers, timeout=30)

    def pull(self, address: Address, path: str = "", **more: str) -> requests.Response:
        """GET below the data address, with its token unless another `Authorization` is given."""
        headers = {"Authorization": address.authorization, **more}
        return requests.get(address.endpoint + path, headers=headers, timeout=30)

    def raw(self, address: Address, path: str) -> tuple[int, str]:
        """The same without a client that tidies the path up."""
        url = urlsplit(address.endpoint)
        connection = HTTPConnection(str(url.hostname), url.port or 80, timeout=30)
        try:
            connection.request("GET", url.path + path, headers={"Authorization": address.authorization})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def token(self, name: str) -> str:
        """A fresh token of a peer for the maker."""
        node = self.nodes[name]
        key = keys.load(node.home / "keys").dsp
        return jws.sign(key, node.id, self.nodes["maker"].id, datetime.now(UTC))

    def dsp(self, name: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        """A DSP (or grant) call to the maker, signed by a peer."""
        headers = {"Authorization": f"Bearer {self.token(name)}", "Accept": "application/json"}
        sent = None if body is None else {"@context": CONTEXT, **body}
        return requests.request(method, self.nodes["maker"].url + path, json=sent, headers=headers, timeout=30)

    def catalog(self, name: str, filter: list[Any] | None = None, path: str = "/dsp/2025-1/catalog/request") -> requests.Response:
        body = {"@type": "CatalogRequestMessage"} | ({"filter": filter} if filter is not None else {})
        return self.dsp(name, "POST", path, body)

    # --- what is true

    def whole(self, *batteries: str) -> evidence.Whole:
        """Everything the maker holds of some batteries."""
        return asyncio.run_coroutine_threadsafe(evidence.whole(self.nodes["maker"], batteries), self.loop).result(30)

    def connections(self) -> list[tuple[str, Any]]:
        """Every recorded connection with who else than the maker hears it."""
        nodes, maker = list(self.nodes.values()), self.nodes["maker"]
        found = [each for node in nodes if node.recorder for each in node.recorder.connections]
        return [(evidence._receiver(next(node for node in nodes if node.name == each.owner), maker, nodes, each), each) for each in found]

    def leaks(self, *batteries: str) -> leaks.Report:
        """The leak check over everything that has crossed the wire so far, against every agreement there is.

        Without the requests that tests made by hand: a caller who guesses a document's name has not learnt it.
        """
        held: dict[str, list[leaks.Holding]] = {}
        for row in self.operate("maker", "get", "/agreements"):
            shown = self.operate("maker", "get", f"/agreements/{part(row['id'])}")
            kind, _, name = row["scope"].partition(".")
            covered = frozenset(each for each in batteries if each == name or (kind == "model" and each.startswith(f"{name}.")))
            held.setdefault(row["peer"], []).append(leaks.Holding(parse_grant(shown["grant"]), covered))
        whole = self.whole(*batteries)
        heard = [
            (name, Connection(each.owner, bytearray() if b"python-requests" in each.sent else each.sent, each.answered))
            for name, each in self.connections()
        ]
        return leaks.check(heard, whole.passports, whole.documents, held, whole.kinds)


def same(answer: requests.Response, *own: str) -> tuple[int, dict[str, str], str]:
    """An answer as one compares it: without what is new in each, and without what the caller itself asked for (`own`)."""
    text = answer.text
    for each in own:
        text = text.replace(each, "*")
    text = _NUMBERED.sub("*", text)
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in _FLEETING}
    assert headers.pop("content-length", "") == str(len(answer.content))
    return answer.status_code, headers | {"length": str(len(text.encode()))}, text


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    folder = tmp_path_factory.mktemp("ring")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    ring = Ring(_nodes(folder), loop)
    try:
        asyncio.run_coroutine_threadsafe(_up(ring), loop).result(60)
        _introduce(ring)
        _offer(ring)
        yield ring
    finally:
        asyncio.run_coroutine_threadsafe(stage.stop(list(ring.nodes.values())), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def _nodes(folder: Path) -> dict[str, stage.Node]:
    while True:  # below the ports that the system gives to outgoing connections
        port = random.randrange(10_000, 32_000)
        nodes = [stage.Node(name, folder / name, port + 10 * number, wish) for number, (name, wish) in enumerate(CAST)]
        with suppress(stage.Trouble):
            stage.check_ports(nodes)
            return {node.name: node for node in nodes}


async def _up(ring: Ring) -> None:
    nodes = ring.nodes.values()
    await asyncio.gather(*(stage.make(node) for node in nodes))
    settings = ring.nodes["maker"].home / "saltbridge.toml"
    settings.write_text(settings.read_text() + "\n[limits]\npage = 2\n")
    await asyncio.gather(*(stage.start(node) for node in nodes))


def _introduce(ring: Ring) -> None:
    cards = {name: ring.operate(name, "get", "/peers/card") for name in ring.nodes}
    roles = {"recycler": ["recycler", "second-life"], "oem": ["oem"], "stranger": []}
    for name, values in roles.items():
        for host, guest, claims in (("maker", name, {"role": values} if values else {}), (name, "maker", {})):
            card = cards[guest]
            known = {"card": card["card"], "fingerprint": card["fingerprint"], "name": guest, "claims": claims}
            ring.operate(host, "post", "/peers", known)


def _offer(ring: Ring) -> None:
    """Three models, and offers of which each peer may see only some."""
    for packed in (zipped(), zipped(_second_model), zipped(_third_model)):
        ring.operate("maker", "upload", "/passports/import", packed, "application/zip")
    for model in ("EV-72", "EV-73"):
        ring.operate("maker", "post", f"/passports/{model}/publish")
    customer = {"leftOperand": "https://w3id.org/saltbridge/v1/role", "operator": "eq", "rightOperand": "oem"}
    ring.operate("maker", "put", "/policies/customer", {"permission": [{"action": "use", "constraint": [customer]}]})
    numbers = ["metadata/digitalProductPassportId", "circularity/SafetyMeasures/**", "materials/BatteryMaterials/*/BatteryMaterialName"]
    ring.operate(
        "maker", "put", "/views/numbers", {"title": "Numbers", "paths": numbers, "documents": [], "ceiling": "legitimate-interest"}
    )
    for wish in (
        {"view": "public", "model": "EV-72", "policy": "any-peer"},
        {"view": "dismantling", "model": "EV-72", "policy": "recycler"},
        {"view": "numbers", "model": "EV-72", "policy": "recycler"},
        {"view": "dismantling", "model": "EV-73", "policy": "recycler", "visible_to": "recycler"},
        {"view": "condition", "battery": FIRST, "policy": "second-life", "visible_to": "second-life"},
        {"view": "supplier", "battery": FIRST, "policy": "customer", "visible_to": "customer"},
    ):
        ring.operate("maker", "post", "/offers", wish)


def zipped(change: Callable[[dict[str, bytes]], None] = lambda files: None) -> bytes:
    """The sample's folder, changed, as it is sent."""
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in sorted(SAMPLE.rglob("*")) if path.is_file()}
    change(files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _second_model(files: dict[str, bytes]) -> None:
    """Only one battery; the dismantling manual's entry names a file elsewhere, the one of a public document too."""
    _renamed(files, "EV-73")
    handover = json.loads(files["parts/handover.json"])
    for entry in handover["Documents"]:
        if entry["DocumentIds"][0]["DocumentIdentifier"] in ("HC-DM-7204", "HC-DC-7230"):
            entry["DocumentVersions"][0]["DigitalFiles"][0]["value"] = ELSEWHERE + f"?of={entry['DocumentIds'][0]['DocumentIdentifier']}"
    files["parts/handover.json"] = json.dumps(handover).encode()


def _third_model(files: dict[str, bytes]) -> None:
    _renamed(files, "EV-74")


def _renamed(files: dict[str, bytes], model: str) -> None:
    for name in [name for name in files if name.startswith("items/") and not name.startswith("items/000017/")]:
        del files[name]
    for name, content in list(files.items()):
        if name.startswith(("items/", "model.toml")):
            text = content.decode().replace("/21/000017", f"/21/{model}-000017").replace("/EV-72/7QX4", f"/{model}/7QX4")
            files[name] = text.replace('"EV-72"', f'"{model}"').encode()


def address_of(path: str) -> str:
    """A path template's steps as an address below /data."""
    return "/".join(quote(step, safe="") for step in path.split("/"))
