"""Layers: a merge and the trace of it agree leaf by leaf, and each leaf names the layer that says it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from submodels.passport import merge
from submodels.provenance import LEVELS, Layer, by_path, traced
from submodels.table import PARTS, Node, tree
from submodels.value import Tree, read_json, walk

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def _layer(level: str, part: str, value: object, **more: Any) -> Layer:
    return Layer(level=level, owner=level, part=part, tree=read_json(json.dumps(value)), **more)


def test_the_item_wins_over_the_batch_and_the_batch_over_the_model() -> None:
    plate = {
        "SerialNumber": "?",
        "DateOfManufacture": "2024-01-01",
        "ManufacturerName": [{"en": "A"}, {"de": "B"}],
        "Markings": [{"MarkingName": "CE"}, {"MarkingName": "Pb"}],
    }
    layers = [
        _layer("item", "nameplate", {"SerialNumber": "17", "Markings": None}, source="folder", at=NOON, who="operator"),
        _layer("model", "nameplate", plate),
        _layer("batch", "nameplate", {"SerialNumber": "b", "DateOfManufacture": "2024-03-14", "Markings": [{"MarkingName": "CE"}]}),
    ]
    assert [(each.path, each.value, each.layer.level) for each in traced(layers)] == [
        ("nameplate/SerialNumber", "17", "item"),
        ("nameplate/DateOfManufacture", "2024-03-14", "batch"),
        ("nameplate/ManufacturerName", [{"en": "A"}, {"de": "B"}], "model"),
        ("nameplate/Markings/0/MarkingName", "CE", "batch"),  # a list is one statement: the model's second marking is gone
    ]
    serial = by_path(layers)["nameplate/SerialNumber"]
    assert (serial.source, serial.at, serial.who) == ("folder", NOON, "operator")


def _some(node: Node | None, random: Random, mark: str) -> Tree:
    """A random value of a place, sometimes of another shape, sometimes nothing."""
    if node is None or random.random() < 0.05:
        return random.choice([None, mark, [mark], {"odd": mark}, {}, [], {"contentType": "a/b", "value": mark}])
    if node.item is not None:
        return [_some(node.item, random, mark) for _ in range(random.randint(0, 2))]
    if not node.children:
        return random.choice([None, mark, [{"en": mark}], {"contentType": "a/b", "value": mark}])
    return {name: _some(below, random, mark) for name, below in node.children.items() if random.random() < 0.5}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_the_trace_is_the_merge_leaf_by_leaf_and_names_a_layer_that_says_so(seed: int) -> None:
    random = Random(seed)
    part = random.choice(PARTS)
    layers = [
        Layer(level=level, owner=level, part=part, tree=_some(tree(part), random, level)) for level in LEVELS if random.random() < 0.8
    ]
    found = list(traced(layers))
    merged = merge([layer.tree for layer in layers])
    assert [(each.path, each.value) for each in found] == [
        ("/".join((part, *path)), value) for path, _, value in walk(part, merged)
    ] or not layers
    for each in found:
        if each.value not in (None, {}, []) and "{" not in str(each.value):
            said = [value for path, _, value in walk(part, each.layer.tree) if "/".join((part, *path)) == each.path]
            assert said == [each.value], each.path
