"""Batches in a folder: their own files, and items that name the one they were made in."""

from __future__ import annotations

import pytest

from submodels.errors import Invalid
from submodels.folder import read_folder

TOML = b'model = "M-1"\ncategory = "lmt"\n'


def folder() -> dict[str, bytes]:
    return {
        "model.toml": TOML,
        "parts/nameplate.json": b'{"ManufacturerName": [{"en": "Halden Cells"}]}',
        "batches/2024-11/nameplate.json": b'{"DateOfManufacture": "2024-11-04"}',
        "items/A1/nameplate.json": b'{"SerialNumber": "A1"}',
        "items/A1/item.toml": b'batch = "2024-11"\n',
        "items/A2/nameplate.json": b'{"SerialNumber": "A2"}',
    }


def test_a_batch_has_layers_of_its_own_and_an_item_names_it() -> None:
    batch = read_folder(folder())
    assert batch.findings == () and batch.source == "folder" and batch.who == "operator"
    assert [(each.owner, each.batch, each.part) for each in batch.layers] == [
        ("", "", "nameplate"),
        ("", "2024-11", "nameplate"),
        ("A1", "", "nameplate"),
        ("A2", "", "nameplate"),
    ]
    assert [(each.serial, each.batch) for each in batch.batteries] == [("A1", "2024-11"), ("A2", "")]


def test_an_item_may_say_nothing_but_its_batch() -> None:
    files = {**folder(), "items/A3/item.toml": b'batch = "2024-11"\n'}
    assert [(each.serial, each.batch) for each in read_folder(files).batteries][-1] == ("A3", "2024-11")


@pytest.mark.parametrize(
    ("name", "content", "where", "next"),
    [
        ("items/A1/item.toml", b'batch = "2024-12"\n', "items/A1/item.toml: batch", "did you mean 2024-11?"),
        ("items/A1/item.toml", b'bach = "2024-11"\n', "items/A1/item.toml: bach", "did you mean batch?"),
        ("items/A1/item.toml", b"batch = 7\n", "items/A1/item.toml: batch", 'batch = "2024-11"'),
        ("items/A1/item.toml", b"batch = ", "items/A1/item.toml", ""),
        ("batches/2024-11/name plate.json", b"{}", "batches/2024-11/name plate.json", "did you mean nameplate.json?"),
        ("batches/nov 24/nameplate.json", b"{}", "batches/nov 24/nameplate.json", "rename the folder"),
        ("batches/nameplate.json", b"{}", "batches/nameplate.json", "did you mean nameplate.json?"),
    ],
)
def test_a_slip_in_a_batch_is_told_with_its_file(name: str, content: bytes, where: str, next: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_folder({**folder(), name: content})
    assert (caught.value.where, caught.value.next) == (where, next)


def test_a_batch_that_tells_a_serial_number_is_found() -> None:
    files = {**folder(), "batches/2024-11/nameplate.json": b'{"SerialNumber": "A1"}'}
    (found,) = read_folder(files).findings
    assert (found.where, found.severity) == ("batches/2024-11/nameplate.json", "error")
