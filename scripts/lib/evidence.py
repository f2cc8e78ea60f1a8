"""What the demo holds against its own story: the maker's whole passports, and an independent reading of the grants."""

from __future__ import annotations

import base64
import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.cli.client import part
from scripts.lib.leaks import Holding, Report, check, granted_leaves, late_kinds
from scripts.lib.recorder import Connection
from scripts.lib.stage import Node
from submodels.grant import AttributeGrant, parse_grant
from submodels.value import Tree, read_json

SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "EV-72"


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything the maker holds of some batteries."""

    passports: Mapping[str, Mapping[str, Tree]]
    documents: Mapping[str, tuple[str, bytes]]  # identifier -> (kind, content)

    @property
    def kinds(self) -> dict[str, str]:
        return {identifier: kind for identifier, (kind, _) in self.documents.items()}


async def whole(maker: Node, batteries: Sequence[str]) -> Whole:
    """Read on the maker's operator listener, and from the files the documents were imported from."""
    passports = {}
    for battery in batteries:
        content, _ = await maker.call("download", f"/passports/{battery}")
        tree: Any = read_json(content)
        passports[battery] = tree.get("parts", tree)
    return Whole(passports, _documents())


async def exactly_granted(node: Node, maker: Node, pulled: Mapping[str, Any], grant: AttributeGrant) -> list[str]:
    """What is missing from, or too much in, a pull: every leaf of the passport judged by the grant, against what was kept."""
    held = await whole(maker, [pulled["battery"]])
    expected = Counter(granted_leaves(held.passports[pulled["battery"]], grant, held.kinds))
    got: Counter[tuple[str, str]] = Counter()
    for row in pulled["parts"]:
        content, _ = await node.call("download", f"/received/{part(row['id'])}/content")
        got += Counter(granted_leaves({row["part"]: read_json(content)}, None, held.kinds))
    wrong = [f"missing {path} = {value}" for path, value in (expected - got)]
    wrong += [f"not granted {path} = {value}" for path, value in (got - expected)]
    kinds = {kind for kind, _ in held.documents.values() if kind in grant.kinds and kind not in late_kinds()}
    if len(pulled["documents"]) != sum(kind in kinds for kind, _ in held.documents.values()):
        wrong.append(f"{len(pulled['documents'])} documents came, {len(kinds)} are granted")
    return wrong[:5]


def look_for_leaks(nodes: Sequence[Node], maker: Node, held: Whole, contracts: Sequence[tuple[str, str, str]]) -> Report:
    """The leak check over every recorded connection, by who was on its other end."""
    connections = [
        (_receiver(node, maker, nodes, each), each) for node in nodes if node.recorder is not None for each in node.recorder.connections
    ]
    holdings: dict[str, list[Holding]] = {}
    for receiver, grant, scope in contracts:
        kind, _, name = scope.partition(".")
        batteries = frozenset(each for each in held.passports if kind == "model" or each == name)
        holdings.setdefault(receiver, []).append(Holding(parse_grant(grant), batteries))
    return check(connections, held.passports, held.documents, holdings, held.kinds)


def _receiver(owner: Node, maker: Node, nodes: Sequence[Node], connection: Connection) -> str:
    """Who else than the maker hears what goes over a connection."""
    if owner is not maker:
        return owner.name
    names = {node.id: node.name for node in nodes}
    for run in bytes(connection.sent).split(b"."):
        try:
            claims = json.loads(base64.urlsafe_b64decode(run + b"=" * (-len(run) % 4)))
        except ValueError:
            continue
        for who in (claims.get("iss"), claims.get("sub")) if isinstance(claims, dict) else ():
            if who in names:
                return names[who]
    return "anyone"


def preview_cells(preview: Mapping[str, Any]) -> dict[str, str]:
    """The matrix cells that the maker's preview knows: what is public anyway, what was withheld and why."""
    withheld: Counter[str] = Counter()
    for each in preview["parts"]:
        for line in each["lines"]:
            if line["mark"] == "withheld":
                withheld[str(line["reason"])] += 1
    return {
        "public_anyway": str(preview["public_anyway"]),
        "withheld": str(sum(withheld.values())),
        "why": " · ".join(f"{count} {reason}" for reason, count in withheld.most_common()),
    }


def _documents() -> dict[str, tuple[str, bytes]]:
    with (SAMPLE / "documents.csv").open(encoding="utf-8", newline="") as file:
        return {row["identifier"]: (row["kind"], (SAMPLE / row["file"]).read_bytes()) for row in csv.DictReader(file)}
