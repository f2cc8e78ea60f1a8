"""The leak check finds what it looks for: every forbidden leaf of the sample, planted, is found; nothing that is granted is."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import leaks
from scripts.lib.leaks import Holding, Leaf, check
from scripts.lib.recorder import Connection
from submodels.folder import read_folder
from submodels.grant import AttributeGrant, make_grant
from submodels.passport import merge
from submodels.value import Tree, write_json
from submodels.views import ready_view

SAMPLE = Path(__file__).resolve().parents[2] / "scripts" / "sample" / "EV-72"
FIRST, SECOND = "EV-72.000017", "EV-72.000018"
BOTH = frozenset({FIRST, SECOND})
DISMANTLING, CONDITION, SUPPLIER = (ready_view(name)[1] for name in ("dismantling", "condition", "supplier"))


def _sample() -> tuple[dict[str, dict[str, Tree]], dict[str, tuple[str, bytes]]]:
    batch = read_folder({path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()})
    layers: dict[str, dict[str, Tree]] = defaultdict(dict)
    for layer in batch.layers:
        layers[layer.owner or "model"][layer.part] = layer.tree
    passports = {}
    for battery in (FIRST, SECOND):
        item = layers[battery.rpartition(".")[2]]
        model = layers["model"] | layers[batch.model]
        passports[battery] = {part: merge([each[part] for each in (model, item) if part in each]) for part in sorted({*model, *item})}
    with (SAMPLE / "documents.csv").open(newline="") as file:
        documents = {row["identifier"]: (row["kind"], (SAMPLE / row["file"]).read_bytes()) for row in csv.DictReader(file)}
    return passports, documents


PASSPORTS, DOCUMENTS = _sample()
KINDS = {identifier: kind for identifier, (kind, _) in DOCUMENTS.items()}
LEAVES = [leaf for battery, parts in PASSPORTS.items() for leaf in leaks._leaves(battery, parts, KINDS)]


def answered(body: bytes, *headers: str) -> Connection:
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return Connection("maker", answered=bytearray(head.encode() + b"\r\n" + body))


def look(held: Iterable[Holding], *connections: Connection, receiver: str = "recycler") -> leaks.Report:
    return check([(receiver, each) for each in connections], PASSPORTS, DOCUMENTS, {receiver: list(held)}, KINDS)


def tree_of(found: Iterable[tuple[Leaf, Tree]]) -> dict[str, Any]:
    """{part: value} with these leaves and nothing else, list positions closed up as redaction closes them."""
    whole: dict[str, Any] = {}
    for leaf, value in found:
        here: Any = whole
        for step in (leaf.part, *leaf.path[:-1]):
            here = here.setdefault(step, {})
        here[leaf.path[-1]] = value
    return {part: _listed(value) for part, value in whole.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(inner) for key, inner in value.items()}


def value_of(leaf: Leaf) -> Tree:
    return leaks._at(PASSPORTS[leaf.battery][leaf.part], leaf.path)


def pulled(leaves: Iterable[Leaf], battery: str) -> Connection:
    body = write_json(tree_of((leaf, value_of(leaf)) for leaf in leaves))
    return answered(gzip.compress(body), "Content-Encoding: gzip", f"Saltbridge-Battery: {battery}")


def split(battery: str, *grants: AttributeGrant) -> tuple[list[Leaf], list[Leaf]]:
    """What of a battery may be had under these grants, and what not."""
    held = [Holding(grant, BOTH) for grant in grants]
    mine = [leaf for leaf in LEAVES if leaf.battery == battery]
    allowed = [leaf for leaf in mine if leaks._may_have(leaf, held)]
    return allowed, [leaf for leaf in mine if leaf not in set(allowed)]


# --- what must be found --------------------------------------------------------------------------


@pytest.mark.parametrize("grant", [DISMANTLING, CONDITION, SUPPLIER, None], ids=["dismantling", "condition", "supplier", "public"])
def test_any_single_forbidden_leaf_beside_all_granted_ones_is_found(grant: AttributeGrant | None) -> None:
    grants = [grant] if grant else []
    allowed, forbidden = split(FIRST, *grants)
    assert forbidden
    # a receiver for each leaf, so that one check tells of all of them
    connections = [(f"r{number}", pulled([*allowed, leaf], FIRST)) for number, leaf in enumerate(forbidden)]
    holdings = {name: [Holding(each, BOTH) for each in grants] for name, _ in connections}
    report = check(connections, PASSPORTS, DOCUMENTS, holdings, KINDS)
    found = {(each.receiver, each.what.partition(" = ")[0]) for each in report.found}
    missed = [leaf.template for number, leaf in enumerate(forbidden) if (f"r{number}", leaf.template) not in found]
    assert missed == []


def test_everything_granted_is_no_leak() -> None:
    for grant in (DISMANTLING, CONDITION, SUPPLIER):
        allowed, _ = split(FIRST, grant)
        assert look([Holding(grant, BOTH)], pulled(allowed, FIRST)).found == []


def test_the_same_leaf_of_another_battery_is_found() -> None:
    allowed, _ = split(SECOND, CONDITION)
    held = [Holding(CONDITION, frozenset({FIRST}))]
    found = look(held, pulled(allowed, SECOND)).found
    assert {each.battery for each in found} == {SECOND}
    assert {each.how for each in found} == {"content", "structure"}


def test_what_another_held_view_grants_is_not_forbidden() -> None:
    allowed, _ = split(FIRST, DISMANTLING, CONDITION)
    connection = pulled(allowed, FIRST)
    assert look([Holding(DISMANTLING, BOTH), Holding(CONDITION, BOTH)], connection).found == []
    only = {each.what.partition("/")[0] for each in look([Holding(DISMANTLING, BOTH)], connection).found}
    assert only == {"condition", "technical", "handover"}  # the last for the accident's document, which the condition names


def test_what_another_receiver_holds_is_forbidden_all_the_same() -> None:
    allowed, _ = split(FIRST, CONDITION)
    connections = [("oem", pulled(allowed, FIRST)), ("recycler", pulled(allowed, FIRST))]
    report = check(connections, PASSPORTS, DOCUMENTS, {"oem": [Holding(CONDITION, BOTH)]}, KINDS)
    assert {each.receiver for each in report.found} == {"recycler"}


def test_a_grant_above_its_ceiling_allows_nothing() -> None:
    test_report = next(leaf for leaf in LEAVES if leaf.battery == FIRST and leaf.element and leaf.element.audience == "authorities")
    low = make_grant([f"{test_report.part}/**"], [], "legitimate-interest")
    found = {each.what for each in look([Holding(low, BOTH)], pulled([test_report], FIRST)).found}
    assert f"{test_report.template} = {test_report.texts[0]}" in found


def test_a_text_in_several_languages_is_found_by_each() -> None:
    entry = next(leaf for leaf in LEAVES if leaf.battery == FIRST and leaf.path[-1] == "Title" and "Prüfbericht" in leaf.value)
    english, german = entry.texts
    for text in (english, german):
        found = look([], answered(json.dumps({"reason": [f"not {text}"]}).encode())).found
        assert [each.what for each in found] == [f"{entry.template} = {text}"] * 2  # of both batteries
    assert "contentType" not in "".join(text for leaf in LEAVES for text in leaf.texts)


def test_an_error_text_a_header_and_a_request_count_as_well() -> None:
    mass = next(leaf for leaf in LEAVES if leaf.battery == FIRST and leaf.path[-1] == "BatteryMaterialMass")
    for connection in (
        answered(json.dumps({"reason": [f"mass {mass.value} is not in your view"]}).encode()),
        answered(b"", f"X-Mass: {mass.value}"),
        Connection("recycler", sent=bytearray(f"GET /?mass={mass.value} HTTP/1.1\r\nHost: x\r\n\r\n".encode())),
    ):
        assert look([Holding(DISMANTLING, BOTH)], connection).found


def test_a_container_that_holds_a_forbidden_leaf_counts_only_with_the_leaf() -> None:
    flag = next(leaf for leaf in LEAVES if leaf.battery == FIRST and leaf.path == ("NumberOfFullCycles", "NumberOfFullCyclesValue"))
    held = [Holding(DISMANTLING, BOTH)]
    whole, part = (
        answered(b'{"condition": {"NumberOfFullCycles": {"NumberOfFullCyclesValue": 431}}}'),
        answered(b'{"NumberOfFullCycles": {"NumberOfFullCyclesValue": 431}}'),
    )
    envelope = answered(b'{"battery": "EV-72.000017", "parts": {"condition": {"NumberOfFullCycles": {"NumberOfFullCyclesValue": 1}}}}')
    for connection in (whole, part, envelope):
        assert flag.template in {each.what for each in look(held, connection).found if each.how == "structure"}
    assert look(held, answered(b'{"condition": {"NumberOfFullCycles": {}}}')).found == []


# --- documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, (kind, _) in DOCUMENTS.items() if kind in ("test-reports", "dismantling-manual")])
@pytest.mark.parametrize("piece", ["whole", "first third", "last third", "digest"])
def test_a_forbidden_document_is_found_by_any_third_and_by_its_digest(name: str, piece: str) -> None:
    content = DOCUMENTS[name][1]
    third = len(content) // 3
    bytes_ = {"whole": content, "first third": content[:third], "last third": content[-third:]}.get(piece)
    connection = answered(bytes_ if bytes_ is not None else json.dumps({"sha256": hashlib.sha256(content).hexdigest()}).encode())
    assert [each.what for each in look([], connection).found if each.how == "document" and name in each.what]


def test_a_granted_document_and_a_public_one_are_none() -> None:
    manual = next(content for kind, content in DOCUMENTS.values() if kind == "dismantling-manual")
    public = next(content for kind, content in DOCUMENTS.values() if kind == "declaration-of-conformity")
    assert look([Holding(DISMANTLING, BOTH)], answered(manual), answered(public)).found == []


def test_a_public_document_that_nobody_may_see_yet_is_found() -> None:
    content = next(content for kind, content in DOCUMENTS.values() if kind == "due-diligence-report")
    assert [each.how for each in look([Holding(DISMANTLING, BOTH)], answered(content)).found if each.how == "document"] == ["document"]


# --- what it says of itself ----------------------------------------------------------------------


def test_it_says_how_many_it_looked_for_and_looks_for_each_forbidden_leaf_in_one_way() -> None:
    report = look([Holding(DISMANTLING, BOTH)], answered(b"{}"))
    forbidden = [leaf for battery in BOTH for leaf in split(battery, DISMANTLING)[1]]
    templates = {(leaf.battery, leaf.template) for leaf in forbidden}
    assert report.by_content > 100
    assert report.by_content + report.by_structure >= len(templates)
    assert report.documents == len(DOCUMENTS) - 10 + 3  # those of pending points are public, and nobody's yet
    assert (report.messages, report.found) == (1, [])


def test_nothing_on_the_wire_is_no_message() -> None:
    report = look([], Connection("maker"))
    assert (report.messages, report.bytes, report.found) == (0, 0, [])
