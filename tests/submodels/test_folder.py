"""A passport folder as a person writes it: what is kept, what is said about it, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from submodels.errors import Invalid
from submodels.folder import read_folder
from submodels.value import Number

FILE = "handover/Documents/0/DocumentVersions/0/DigitalFiles/0"
LINE_2, LINE_3 = "documents.csv, line 2", "documents.csv, line 3"
PDF = b"%PDF-1.4 small"
TOML = b'model = "M-1"\ncategory = "lmt"\n[identifiers]\noperator = "https://op.example/1"\n'
HEAD = "owner,identifier,kind,title,file,media_type,language\n"


def folder(changes: Mapping[str, bytes | None] | None = None) -> dict[str, bytes]:
    files: dict[str, bytes | None] = {
        "model.toml": TOML,
        "parts/materials.json": b'{"BatteryMaterials": [{"BatteryMaterialMass": 3.70}]}',
        "items/A1/nameplate.json": b'{"SerialNumber": "A1", "URIOfTheProduct": "https://op.example/p/A1"}',
        "documents.csv": (HEAD + ",D-1,dismantling-manual,Take apart,docs/manual.pdf,application/pdf,en\n").encode(),
        "docs/manual.pdf": PDF,
        **(changes or {}),
    }
    return {name: content for name, content in files.items() if content is not None}


def handover(file: str, identifier: str = "D-1") -> bytes:
    version = {"Language": ["de"], "Title": [{"de": "Anleitung"}], "DigitalFiles": [{"contentType": "application/pdf", "value": file}]}
    entry: dict[str, Any] = {"DocumentIds": [{"DocumentIdentifier": identifier}], "DocumentVersions": [version]}
    return json.dumps({"Documents": [entry]}).encode()


def test_a_folder_becomes_layers_items_and_documents() -> None:
    batch = read_folder(folder())
    assert (batch.model, batch.category, batch.draft, batch.findings) == ("M-1", "lmt", False, ())
    assert batch.identifiers == {"operator": "https://op.example/1"}
    assert [(layer.owner, layer.part) for layer in batch.layers] == [("", "materials"), ("A1", "nameplate")]
    assert [(battery.serial, battery.aliases) for battery in batch.batteries] == [("A1", ("https://op.example/p/A1",))]
    (document,) = batch.documents
    assert (document.identifier, document.kind, document.filename, document.content) == ("D-1", "dismantling-manual", "manual.pdf", PDF)


def test_number_tokens_stay_as_written() -> None:
    (layer, _) = read_folder(folder()).layers
    assert layer.tree == {"BatteryMaterials": [{"BatteryMaterialMass": Number("3.70")}]}


def test_a_folder_inside_a_zip_and_what_desktops_leave_behind_make_no_difference() -> None:
    inside = {f"EV/{name}": content for name, content in folder().items()}
    litter = {"__MACOSX/EV/._model.toml": b"x", "EV/.DS_Store": b"x"}
    assert read_folder({**inside, **litter}) == read_folder(folder())


def test_a_spreadsheets_semicolons_and_byte_order_mark_are_read() -> None:
    rows = (HEAD + ",D-1,dismantling-manual,Take apart,docs/manual.pdf,application/pdf,en\n").replace(",", ";")
    assert read_folder(folder({"documents.csv": rows.encode("utf-8-sig")})) == read_folder(folder())


def test_a_file_value_names_its_document_by_filename() -> None:
    batch = read_folder(folder({"parts/handover.json": handover("docs/manual.pdf")}))
    tree: Any = next(layer.tree for layer in batch.layers if layer.part == "handover")
    assert tree["Documents"][0]["DocumentVersions"][0]["DigitalFiles"][0]["value"] == "manual.pdf"
    assert len(batch.documents) == 1


def test_without_a_list_the_handover_entry_describes_its_file() -> None:
    batch = read_folder(folder({"parts/handover.json": handover("docs/manual.pdf"), "documents.csv": None}))
    (document,) = batch.documents
    assert (document.identifier, document.kind, document.title, document.language) == ("D-1", "", "Anleitung", "de")


def test_an_items_own_document_belongs_to_it() -> None:
    files = folder({"documents.csv": (HEAD + "A1,D-1,accidents,Bump,docs/manual.pdf,,\n").encode()})
    (document,) = read_folder(files).documents
    assert (document.owner, document.kind, document.media_type) == ("A1", "accidents", "application/pdf")


def test_a_logo_is_kept_as_a_document_of_no_kind() -> None:
    value = b'{"GeneralInformation": {"CompanyLogo": {"contentType": "image/png", "value": "art/logo.png"}}}'
    batch = read_folder(folder({"parts/technical.json": value, "art/logo.png": b"\x89PNG"}))
    assert batch.findings == ()
    assert [(each.identifier, each.kind) for each in batch.documents] == [("D-1", "dismantling-manual"), ("logo.png", "")]


def test_two_files_under_one_identifier_are_an_error_and_not_one_lost_file() -> None:
    for first, second, findings in (("en", "en", 1), ("", "de", 1), ("en", "de", 0)):
        rows = HEAD + f",D-1,dismantling-manual,A,docs/manual.pdf,,{first}\n,D-1,dismantling-manual,B,docs/manual-de.pdf,,{second}\n"
        batch = read_folder(folder({"documents.csv": rows.encode(), "docs/manual-de.pdf": PDF}))
        assert [(each.severity, each.what) for each in batch.findings] == [("error", "2 files under one identifier")] * findings


def test_a_url_is_left_alone() -> None:
    batch = read_folder(folder({"parts/handover.json": handover("https://op.example/manual.pdf", "D-2")}))
    assert (len(batch.documents), batch.findings) == (1, ())


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"docs/lost.pdf": PDF}, "docs/lost.pdf", "belongs to nothing"),
        ({"parts/handover.json": handover("docs/gone.pdf")}, FILE, "did not come along"),
        ({"docs/manual.pdf": b"<html>"}, LINE_2, "does not begin like"),
        ({"parts/materials.json": b'{"BatteryMaterial": []}'}, "parts/materials.json: materials/BatteryMaterial", "no such element"),
        ({"items/A1/nameplate.json": b'{"SerialNumber": "A2"}'}, "items/A1/nameplate.json", "SerialNumber says"),
        ({"parts/technical.json": b'{"GeneralInformation": {"BatteryCategory": "ev"}}'}, "model.toml: category", "BatteryCategory says"),
    ],
)
def test_what_a_person_should_look_at_is_said_and_where(changes: dict[str, bytes], where: str, what: str) -> None:
    (finding,) = read_folder(folder(changes)).findings
    assert finding.where == where
    assert what in finding.what


@pytest.mark.parametrize(
    ("changes", "where", "hint"),
    [
        ({"model.toml": None}, "model.toml", "one folder"),
        ({"other/model.toml": TOML}, "model.toml", "one folder"),
        ({"model.toml": b"model = "}, "model.toml", ""),
        ({"model.toml": b'model = "a b"\ncategory = "ev"'}, "model.toml: model", "EV-72"),
        ({"model.toml": b'model = ".."\ncategory = "ev"'}, "model.toml: model", "EV-72"),
        ({"model.toml": b'model = "M"\ncategory = "car"'}, "model.toml: category", "ev"),
        ({"model.toml": b'model = "M"\ncategory = "ev"\ncatgeory = "ev"'}, "model.toml: catgeory", "did you mean category"),
        ({"model.toml": TOML + b'oprator = "x"\n'}, "model.toml: identifiers: oprator", "did you mean operator"),
        ({"parts/material.json": b"{}"}, "parts/material.json", "did you mean materials.json"),
        ({"parts/sub/materials.json": b"{}"}, "parts/sub/materials.json", ""),
        ({"items/A1/condition.json": b"{"}, "items/A1/condition.json", ""),
        ({"items/A1/condition.json": b'{"a": 1, "a": 2}'}, "items/A1/condition.json", "keep one"),
        ({"items/A 1/condition.json": b"{}"}, "items/A 1/condition.json", "rename"),
        ({"parts/materials.json": b"[]"}, "parts/materials.json", ""),
        ({"parts/materials.json": None, "items/A1/nameplate.json": None}, "parts/", "parts are"),
        ({"documents.csv": (HEAD + ",D-1,dismantling,T,docs/manual.pdf,,\n").encode()}, LINE_2, "did you mean dismantling-manual"),
        ({"documents.csv": (HEAD + ",D-1,,T,docs/manuel.pdf,,\n").encode()}, LINE_2, "did you mean docs/manual.pdf"),
        ({"documents.csv": (HEAD + ",,,T,docs/manual.pdf,,\n").encode()}, LINE_2, "columns are"),
        ({"documents.csv": (HEAD + "A9,D-1,,T,docs/manual.pdf,,\n").encode()}, LINE_2, "serial number"),
        ({"documents.csv": (HEAD + ",D-1,,T,docs/manual.pdf,,\n" + ",D-2,,T,docs/manual.pdf,,\n").encode()}, LINE_3, "once"),
        ({"documents.csv": (HEAD + ",D-1,,Take, apart,docs/manual.pdf,,\n").encode()}, LINE_2, "quotes"),
        ({"documents.csv": b"identifer,file\nD-1,docs/manual.pdf\n"}, "documents.csv: identifer", "did you mean identifier"),
        ({"documents.csv": b"\xff\xfe"}, "documents.csv", "UTF-8"),
    ],
    ids=range(23),
)
def test_what_cannot_be_read_is_refused_with_the_place_and_a_way_on(changes: dict[str, bytes | None], where: str, hint: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_folder(folder(changes))
    assert refusal.value.where == where
    assert hint in refusal.value.next
