"""Layers of a passport: the later wins per leaf, lists are one statement."""

from __future__ import annotations

from submodels.passport import merge
from submodels.value import Number, Tree


def test_an_item_stands_over_its_model_leaf_by_leaf() -> None:
    model: Tree = {"A": {"B": "model", "C": Number("1.50")}, "D": "model"}
    item: Tree = {"A": {"B": "item"}, "E": True}
    assert merge([model, item]) == {"A": {"B": "item", "C": Number("1.50")}, "D": "model", "E": True}
    assert model == {"A": {"B": "model", "C": Number("1.50")}, "D": "model"}


def test_lists_and_files_are_replaced_whole() -> None:
    assert merge([{"L": [{"a": "1", "b": "2"}, "x"]}, {"L": [{"a": "3"}]}]) == {"L": [{"a": "3"}]}
    file: Tree = {"contentType": "image/png", "value": "a.png"}
    assert merge([{"F": file}, {"F": {"value": "b.pdf"}}]) == {"F": {"value": "b.pdf"}}


def test_a_null_says_nothing_and_three_layers_are_read_in_order() -> None:
    assert merge([{"A": "1", "B": "1"}, {"A": "2", "B": None}, None, {"A": "3"}]) == {"A": "3", "B": "1"}
    assert merge([]) is None
