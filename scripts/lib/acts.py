"""The acts of the demo, in order.  Each calls operators' APIs as a person's commands would, checks what must be true, and tells it."""

from __future__ import annotations

import asyncio
import base64
import io
import time
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connector import scanning
from connector.errors import SaltbridgeError
from connector.text import size as in_bytes
from scripts.lib import evidence, foreign, stage
from scripts.lib.leaks import Report
from scripts.lib.telling import Teller
from submodels.audience import PUBLIC_GRANT
from submodels.grant import parse_grant

MODEL = "EV-72"
FIRST, SECOND, THIRD = (f"{MODEL}.{serial}" for serial in ("000017", "000018", "000019"))
UNTIL = f"{datetime.now(UTC).year + 1}-12-31"  # the demo must never run out
SECRET_PATH = "materials/BatteryMaterials/*/BatteryMaterialMass"
SHORT = timedelta(seconds=4)  # how long the short contract of the expiry act lasts


class Unexpected(Exception):
    """The story went otherwise than it must."""


class Acts:
    """The story as it unfolds, and what it leaves for the matrix and the leak check."""

    def __init__(self, nodes: Sequence[stage.Node], teller: Teller, sample: Path) -> None:
        self.nodes = nodes
        self.maker, self.oem, self.recycler, self.stranger = nodes
        self.tell = teller
        self.sample = sample
        self.rows: list[dict[str, str]] = []
        self.timings: dict[str, float] = {}
        self.held: list[tuple[str, str, str]] = []  # (receiver, grant text, scope)
        self.report = Report()
        self.ok = True

    async def set_the_stage(self) -> None:
        """Make, start and introduce the four nodes."""
        self.tell.title("Saltbridge demo · four operators, four nodes, no shared service")
        await asyncio.gather(*(stage.make(node) for node in self.nodes))
        await asyncio.gather(*(stage.start(node) for node in self.nodes))
        for node in self.nodes:
            self.tell.under(
                f"{node.name:<10} {node.url:<24} ready in {node.ready_seconds:.2f} s",
                f"operator :{node.port + 1}, the node itself :{node.port + 2}, a recording proxy in front",
            )
            self.timings[f"ready_seconds_{node.name}"] = round(node.ready_seconds, 3)
        cards = {node.name: await node.call("get", "/peers/card") for node in self.nodes}
        for node, claims in ((self.oem, {"role": ["oem"]}), (self.recycler, {"role": ["recycler"]}), (self.stranger, {})):
            await self._introduce(self.maker, node.name, cards[node.name], claims)
            await self._introduce(node, "maker", cards["maker"], {})
        self.tell.under("the maker knows the three others, and vouches for role=oem and role=recycler")
        self.tell.line()

    async def _introduce(self, node: stage.Node, name: str, card: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        await node.call("post", "/peers", {"card": card["card"], "fingerprint": card["fingerprint"], "name": name, "claims": claims})

    # --- 1, 2: the maker

    async def import_and_publish(self) -> None:
        """A folder of files a person could have written becomes a model with its batteries; the AASX says the same."""
        begun = time.perf_counter()
        made = await self.maker.call("upload", "/passports/import", await asyncio.to_thread(_zipped, self.sample), "application/zip")
        again = await self.maker.call("upload", "/passports/import", await asyncio.to_thread(_zipped, self.sample), "application/zip")
        self._must(not again["changed"], "the same folder imported twice changed something")
        await self.maker.call("post", f"/passports/{MODEL}/publish")
        self.timings["import_ms"] = _ms(begun)
        batteries = len(made["batteries"])
        self.tell.step(
            1, f"The maker imports a battery model with {batteries} batteries",
            f"{_count(made['parts'])} parts · {_count(made['documents'])} documents · {len(made['findings'])} findings",
        )  # fmt: skip
        aasx = self.sample.with_suffix(".aasx")
        packed = await self.maker.call(
            "upload", "/passports/import", aasx.read_bytes(), "application/asset-administration-shell-package", dry_run=True
        )
        self._must(not packed["draft"], "the sample's AASX is a draft")
        findings = f"{len(packed['findings'])} findings (dry run)"
        self.tell.under(f"the same battery as {aasx.name} ({in_bytes(aasx.stat().st_size)})", findings)

    async def offer_views(self) -> None:
        """Views under terms: what the law shows to everyone, and what a contract grants beyond."""
        self.tell.step(2, "The maker offers views of it")
        customer = {"permission": [{"action": "use", "constraint": [_constraint("role", "eq", "oem"), _end(f"{UNTIL}T23:59:59Z")]}]}
        await self.maker.call("put", "/policies/customer", customer)
        for wish in (
            {"view": "public", "model": MODEL, "policy": "any-peer"},
            {"view": "dismantling", "model": MODEL, "policy": "recycler", "until": UNTIL},
            {"view": "condition", "battery": FIRST, "policy": "second-life", "until": UNTIL},
            {"view": "supplier", "battery": FIRST, "policy": "customer"},
        ):
            await self.maker.call("post", "/offers", wish)
        offers = await self.maker.call("get", "/offers")
        self.tell.table(
            ("VIEW", "OF", "ELEMENTS", "DOCUMENTS", "WHO"),
            [(row["view"], _scope(row), row["elements"], row["documents"], row["who"]) for row in offers],
        )

    # --- 3, 4: partners

    async def recycler_pulls(self) -> None:
        """One contract, several parts, every battery of the model."""
        self.tell.step(3, 'The recycler reads the catalog and negotiates "dismantling"')
        catalog = await self.recycler.call("post", "/catalog", {"peer": "maker"})
        self.tell.table(
            ("DATASET", "TERMS", "FOR YOU"), [(row["title"], row["terms"], row["for_you"]["text"]) for row in catalog["datasets"]]
        )
        begun = time.perf_counter()
        agreed = await self.recycler.call("post", "/negotiations", {"peer": "maker", "dataset": "dismantling", "purpose": ["dismantling"]})
        took = time.perf_counter() - begun
        timeline = await self.recycler.call("get", f"/negotiations/{agreed['id']}/timeline")
        states = [step["state"] for step in timeline["steps"] if step["state"]]
        self._must(agreed["state"] == "FINALIZED", f"the negotiation ended {agreed['state']}")
        self.tell.under(" ▸ ".join(dict.fromkeys(states)), f"{len(timeline['steps'])} messages · {took * 1000:.0f} ms")
        self.timings["negotiation_ms"] = round(took * 1000, 1)
        for battery in (FIRST, SECOND):
            await self._pull(self.recycler, "dismantling", battery, again=battery != FIRST)
        await self._scan(SECOND)

    async def _scan(self, battery: str) -> None:
        """All that the recycler has is a picture of the label: it leads to the maker, and under the same agreement to the data."""
        made = await self.maker.call("get", f"/passports/{battery}/label")
        link = await asyncio.to_thread(scanning.read_code, base64.b64decode(made["png"]))
        begun = time.perf_counter()
        pulled = await self.recycler.call("post", "/pull", {"link": link, "view": "dismantling"})
        self.timings["pull_scanned_ms"] = _ms(begun)
        self._must((pulled["peer"], pulled["battery"]) == ("maker", battery), f"the label of {battery} led to {pulled['battery']}")
        self._must(pulled["reused"]["agreement"], "the scanned label needed a second agreement")
        self.tell.under(
            f"scanned the label of {battery} (QR {made['version']}-{made['error']})",
            f"{pulled['elements']} elements · led to {pulled['peer']}",
        )

    async def oem_pulls(self) -> None:
        """A wider view of one battery, for the maker's customer."""
        self.tell.step(4, f'The OEM negotiates "supplier" for battery {FIRST}')
        await self._pull(self.oem, "supplier", FIRST, again=False)

    async def _pull(self, node: stage.Node, view: str, battery: str, *, again: bool) -> None:
        begun = time.perf_counter()
        pulled = await node.call("post", "/pull", {"peer": "maker", "view": view, "battery": battery})
        self.timings[f"pull_ms_{node.name}_{battery}"] = _ms(begun)
        agreement = await node.call("get", f"/agreements/{pulled['agreement']}")
        grant = parse_grant(agreement["grant"])
        self.held.append((node.name, agreement["grant"], agreement["scope"]))
        exact = await evidence.exactly_granted(node, self.maker, pulled, grant)
        self._must(not exact, f"{node.name} did not get exactly what was granted: {'; '.join(exact)}")
        told = f"pulled battery {battery}" + (" under the same agreement, no second negotiation" if again else "")
        got = f"{pulled['elements']} elements, {len(pulled['documents'])} documents"
        self.tell.under(told, f"{got} · {in_bytes(pulled['bytes'])} · exactly what is granted")
        withheld = await self.maker.call("get", f"/views/{view}/preview", battery=battery, as_=node.name)
        if not again:
            self._row(node.name, f"{view} of {_scope(agreement)}", f"{pulled['elements']} el. {len(pulled['documents'])} doc.", withheld)

    # --- 5, 6: refusals

    async def strangers(self) -> None:
        """A known peer of whom nothing is vouched, and a key nobody knows."""
        self.tell.step(5, "The stranger asks for the same")
        refusal = await self._refused(self.stranger, "/negotiations", {"peer": "maker", "dataset": "dismantling"})
        self.tell.refused("known to the maker, no role vouched for", f"{refusal.why}  [{refusal.code}, {refusal.decision}]")
        explained = await self.maker.call("get", f"/decisions/{refusal.decision}")
        self._must(explained["outcome"] != "yes", "the maker's decision does not explain the refusal")
        self.tell.under("the maker reads the same under that number", "; ".join(explained["reasons"][:1]))
        self._row("stranger", "dismantling", "nothing", None, refusal.why)
        status, said = await foreign.unknown_key(self.maker)
        self._must(status == 401, f"an unknown key was answered {status}")
        self.tell.refused("an unknown key asks for the catalog", f"{said} (HTTP {status})")
        self._row("unknown key", "the catalog", "nothing", None, said)

    async def outside_the_view(self) -> None:
        """Beyond the granted attributes: another path, another grant."""
        self.tell.step(6, "The recycler asks for more than its view")
        wish = {"peer": "maker", "view": "dismantling", "battery": FIRST, "path": SECRET_PATH.replace("*", "0")}
        refusal = await self._refused(self.recycler, "/pull", wish)
        self.tell.refused("a path outside it", f"{refusal.why}  [{refusal.code}, {refusal.decision}]")
        self._row("recycler", SECRET_PATH, "nothing", None, refusal.why)
        other = PUBLIC_GRANT.digest
        terms = {"permission": [{"action": "use", "constraint": [_constraint("grant", "eq", f"sha-256:{other}")]}]}
        other_grant = {"peer": "maker", "dataset": "dismantling", "offer": terms, "as_is": True}
        refusal = await self._refused(self.recycler, "/negotiations", other_grant)
        self.tell.refused("a request that names another grant", f"{refusal.why}  [{refusal.code}, {refusal.decision}]")
        self._row("recycler", "dismantling, naming another grant", "nothing", None, refusal.why)

    async def expiry(self) -> None:
        """A contract that runs out while it is held."""
        until = datetime.now(UTC) + SHORT
        terms = {"permission": [{"action": "use", "constraint": _short_terms(until)}]}
        await self.maker.call("put", "/policies/recycler-for-seconds", terms)
        await self.maker.call("post", "/offers", {"view": "dismantling", "battery": THIRD, "policy": "recycler-for-seconds"})
        self.tell.step(7, f"A contract over battery {THIRD} that lasts {SHORT.total_seconds():.0f} seconds")
        catalog = await self.recycler.call("post", "/catalog", {"peer": "maker"})
        dataset = next(row["dataset"] for row in catalog["datasets"] if row["dataset"].startswith(f"battery.{THIRD}."))
        agreed = await self.recycler.call("post", "/negotiations", {"peer": "maker", "dataset": dataset})
        started = await self.recycler.call("post", "/transfers", {"agreement": agreed["agreement"]})
        first = await foreign.data(self.recycler, started["id"], THIRD)
        self._must(first[0] == 200, f"the pull before expiry was answered {first[0]}")
        self.tell.under("pulled before it ends", f"HTTP {first[0]} · {in_bytes(len(first[1]))}")
        await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 1.0)
        later = await foreign.data(self.recycler, started["id"], THIRD)
        why = foreign.reasons(later[1])
        self._must(later[0] == 403, f"the pull after expiry was answered {later[0]}")
        self.tell.refused("the same pull, the same token, after it ended", f"{why} (HTTP {later[0]})")
        self._row("recycler", f"battery {THIRD} after the end", "nothing", None, why)
        self.held.append(("recycler", (await self.recycler.call("get", f"/agreements/{agreed['agreement']}"))["grant"], f"battery.{THIRD}"))

    async def retire(self) -> None:
        """The maker ends the agreement; nothing is delivered after that."""
        self.tell.step(8, "The maker retires the agreement; the recycler pulls again")
        agreements = await self.maker.call("get", "/agreements", peer="recycler")
        held = next(row for row in agreements if row["scope"] == f"model.{MODEL}")
        wish = {"agreement": held["id"]}
        transfer = await self.recycler.call("post", "/transfers", wish)
        before = await foreign.data(self.recycler, transfer["id"], SECOND)
        self._must(before[0] == 200, f"the pull before retiring was answered {before[0]}")
        await self.maker.call("post", f"/agreements/{held['id']}/retire", {"reason": "the demo is over"})
        address = foreign.remembered(self.recycler, transfer["id"])
        after = await foreign.get(address, SECOND)
        why = foreign.reasons(after[1])
        self._must(after[0] == 403, f"the pull after retiring was answered {after[0]}")
        self.tell.refused("the token it holds", f"{why} (HTTP {after[0]})")
        refusal = await self._refused(self.recycler, "/transfers", wish)
        self.tell.refused("a new transfer under it", f"{refusal.why}  [{refusal.code}]")
        self._row("recycler", "dismantling, after it was retired", "nothing", None, why)

    # --- 7: what it came to

    def matrix(self) -> None:
        """Who asked for what, got what, was denied what and why."""
        self.tell.line()
        keys = ("who", "asked_for", "got", "public_anyway", "withheld", "why")
        headings = ("WHO", "ASKED FOR", "GOT", "PUBLIC ANYWAY", "WITHHELD", "WHY")
        self.tell.table(headings, [[row[key] for key in keys] for row in self.rows])
        self.tell.line()

    async def whole_passports(self) -> evidence.Whole:
        """Every value the maker holds, read on its own listener."""
        return await evidence.whole(self.maker, (FIRST, SECOND, THIRD))

    def leak_check(self, whole: evidence.Whole) -> bool:
        """Look through everything that crossed the wire."""
        self.report = evidence.look_for_leaks(self.nodes, self.maker, whole, self.held)
        found = self.report.found
        looked = f"{self.report.by_content} values looked for by content, {self.report.by_structure} by structure"
        verdict = "none found." if not found else f"{len(found)} FOUND:"
        self.tell.line(
            f"Leak check: {self.report.messages} messages, {in_bytes(self.report.bytes)} on the wire; "
            f"{looked}, {self.report.documents} documents: {verdict}"
        )
        for leak in found[:20]:
            self.tell.line(f"  LEAK to {leak.receiver}: {leak.battery} {leak.what} (by {leak.how})")
        self.ok = self.ok and not found
        return self.ok

    def result(self, seconds: float) -> dict[str, Any]:
        """The same for machines."""
        return {
            "ok": self.ok,
            "matrix": self.rows,
            "leak_check": {
                "messages": self.report.messages,
                "bytes": self.report.bytes,
                "by_content": self.report.by_content,
                "by_structure": self.report.by_structure,
                "documents": self.report.documents,
                "found": [f"{leak.receiver}: {leak.battery} {leak.what} ({leak.how})" for leak in self.report.found],
            },
            "timings": self.timings | {"seconds": round(seconds, 2)},
        }

    # --- inside

    async def _refused(self, node: stage.Node, path: str, wish: Mapping[str, Any]) -> SaltbridgeError:
        try:
            await node.call("post", path, dict(wish))
        except SaltbridgeError as error:
            if error.code.startswith(("node.", "internal", "peer.slow", "negotiation.running")):
                raise
            return error
        raise Unexpected(f"{node.name} was not refused: {path} {wish}")

    def _must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Unexpected(otherwise)

    def _row(self, who: str, asked: str, got: str, preview: Mapping[str, Any] | None, why: str = "") -> None:
        row = {"who": who, "asked_for": asked, "got": got, "public_anyway": "-", "withheld": "everything", "why": why}
        if preview is not None:
            row |= evidence.preview_cells(preview)
        self.rows.append(row)


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return packed.getvalue()


def _constraint(name: str, operator: str, value: str) -> dict[str, str]:
    operand = "odrl:dateTime" if name == "dateTime" else f"https://w3id.org/saltbridge/v1/{name}"
    return {"leftOperand": operand, "operator": operator, "rightOperand": value}


def _end(instant: str) -> dict[str, str]:
    return _constraint("dateTime", "lteq", instant)


def _short_terms(until: datetime) -> list[dict[str, str]]:
    return [_constraint("role", "eq", "recycler"), _end(until.strftime("%Y-%m-%dT%H:%M:%SZ"))]


def _scope(row: Mapping[str, Any]) -> str:
    kind, _, name = str(row.get("scope", "")).partition(".")
    return f"{kind} {name}" if name else kind


def _count(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def _ms(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
