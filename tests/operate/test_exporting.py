"""What an operator takes out can be put in again, and through a view nothing but the view comes out."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace

import pytest

from connector.errors import Clash, Hidden, Malformed
from connector.operate import exporting, passports, views
from connector.operate.exporting import File
from connector.records import Battery, Layer, Model
from submodels.folder import Batch
from submodels.sheet_form import write_sheet
from submodels.value import read_json, write_json

from .conftest import Holder

BATTERY = "EV-72.000017"


async def imported(holder: Holder, file: File) -> Mapping[str, object]:
    kinds = {"zip": "application/zip", "json": "application/json", "csv": "text/csv"}
    media_type = kinds.get(file.name.rpartition(".")[2], file.media_type)
    return await passports.import_batch(holder.world, passports.read_upload(file.content, media_type))


async def layers(holder: Holder) -> dict[str, str]:
    async with holder.store.transaction() as tx:
        return {each.id: each.content for each in await tx.find(Layer)}


@pytest.mark.parametrize("form", ["csv", "value", "folder"])
async def test_what_is_taken_out_whole_changes_nothing_when_it_is_put_in_again(holder: Holder, sample: Batch, form: str) -> None:
    await passports.import_batch(holder.world, sample)
    before = await layers(holder)
    again = await imported(holder, await exporting.export(holder.world, "EV-72", form))
    assert not again["changed"], again
    assert await layers(holder) == before


@pytest.mark.parametrize("form", ["aas-json", "aasx"])
async def test_an_environment_taken_out_brings_no_other_values_and_twice_nothing(holder: Holder, sample: Batch, form: str) -> None:
    """The first time, ids of shell and submodels are news; the values are not."""
    await passports.import_batch(holder.world, sample)
    before = await layers(holder)
    file = await exporting.export(holder.world, BATTERY, form)
    await imported(holder, file)
    assert await layers(holder) == before
    assert not (await imported(holder, file))["changed"]


@pytest.mark.parametrize("form", ["csv", "value", "folder"])
async def test_one_battery_taken_out_changes_nothing_when_it_is_put_in_again(holder: Holder, sample: Batch, form: str) -> None:
    """Its passport is whole, the model's values too; laid over the model's they are no news."""
    await passports.import_batch(holder.world, sample)
    before = await layers(holder)
    again = await imported(holder, await exporting.export(holder.world, BATTERY, form))
    assert await layers(holder) == before
    assert not again["changed"], again


async def test_a_folder_taken_out_is_the_folder_that_was_put_in(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    file = await exporting.export(holder.world, "EV-72", "folder")
    again = passports.read_upload(file.content, "application/zip")
    assert (again.model, again.category, dict(again.identifiers)) == (sample.model, sample.category, dict(sample.identifiers))
    assert {each.identifier: (each.kind, each.title, each.language, each.content) for each in again.documents} == {
        each.identifier: (each.kind, each.title, each.language, each.content) for each in sample.documents
    }


@pytest.mark.parametrize("form", ["csv", "value", "folder"])
async def test_what_a_batch_says_comes_out_and_goes_back_without_a_change(holder: Holder, sample: Batch, form: str) -> None:
    carbon = next(each for each in sample.layers if each.part == "carbon")
    tree = read_json(write_json(carbon.tree).replace(b"4893.62", b"4893.99"))
    batteries = tuple(replace(each, batch="2024-11" if each.serial != "000019" else "") for each in sample.batteries)
    made = replace(sample, layers=(*sample.layers, replace(carbon, batch="2024-11", tree=tree)), batteries=batteries)
    await passports.import_batch(holder.world, made)
    before = await layers(holder)
    file = await exporting.export(holder.world, "EV-72", form)
    assert "4893.99" in everything(file.content)
    again = await imported(holder, file)
    assert await layers(holder) == before
    assert not again["changed"], again


async def test_a_sheet_is_laid_over_what_is_stored(holder: Holder, sample: Batch) -> None:
    """One column for one battery: everything else of the part stays."""
    await passports.import_batch(holder.world, sample)
    before = json.loads((await layers(holder))[f"{BATTERY}/condition"])
    content = b"#path,serial,condition/StateOfCharge/StateOfChargeValue\nEV-72,000017,55.50\n"
    done = await passports.import_batch(holder.world, passports.read_upload(content, "text/csv"))
    assert done["changed"] and done["records"] > 0
    after = (await layers(holder))[f"{BATTERY}/condition"]
    assert '"StateOfChargeValue":55.50' in after
    assert json.loads(after) == before | {"StateOfCharge": before["StateOfCharge"] | {"StateOfChargeValue": 55.5}}
    assert not (await passports.import_batch(holder.world, passports.read_upload(content, "text/csv")))["changed"]


async def test_a_sheet_with_one_bad_cell_stores_nothing_and_names_it(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    before = await layers(holder)
    content = b'#path,serial,condition/StateOfCharge/StateOfChargeValue\nEV-72,000017,55.50\nEV-72,000018,"55,50"\n'
    with pytest.raises(Malformed) as refused:
        await passports.import_batch(holder.world, passports.read_upload(content, "text/csv"))
    assert "line 3, cell C3" in refused.value.details[0]
    assert await layers(holder) == before


async def test_a_new_model_from_sheets_needs_its_category(holder: Holder, sample: Batch) -> None:
    owned: dict[str, dict[str, object]] = {}
    for layer in sample.layers:
        owned.setdefault(layer.owner, {})[layer.part] = layer.tree
    without = write_sheet("EV-80", owned.items(), ("condition",))  # type: ignore[arg-type]
    with pytest.raises(Malformed, match="no category"):
        await passports.import_batch(holder.world, passports.read_upload(without, "text/csv"))
    whole = write_sheet("EV-80", owned.items())  # type: ignore[arg-type]
    done = await passports.import_batch(holder.world, passports.read_upload(whole, "text/csv"))
    assert done["batteries"] == ["EV-80.000017", "EV-80.000018", "EV-80.000019"]
    async with holder.store.transaction() as tx:
        model, battery = await tx.get(Model, "EV-80"), await tx.get(Battery, "EV-80.000017")
    assert model and model.category == "ev"
    assert battery and "https://id.halden-cells.example/01/09506000172040/21/000017" in battery.aliases


# --- through a view ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", exporting.FORMS)
@pytest.mark.parametrize("name", ["EV-72", BATTERY])
async def test_through_a_view_nothing_else_comes_out(holder: Holder, sample: Batch, form: str, name: str) -> None:
    await passports.import_batch(holder.world, sample)
    await views.put(holder.world, "condition")
    file = await exporting.export(holder.world, name, form, view="condition")
    text = everything(file.content)
    assert "43.71" in text, "the state of charge is granted"
    for hidden in ("Halden Cells", "Nickel, battery grade", "HC-DM-7204", "412.37", "Tarnbeck", "dismantling-manual.pdf", "09:05:47Z"):
        assert hidden not in text, hidden


def everything(content: bytes) -> str:
    if not content.startswith(b"PK"):
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        return "\n".join(f"{name}\n{package.read(name).decode('utf-8', 'replace')}" for name in package.namelist())


async def test_a_view_of_documents_brings_those_and_no_other(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await views.put(holder.world, "dismantling")
    for form in ("folder", "aasx"):
        file = await exporting.export(holder.world, BATTERY, form, view="dismantling")
        with zipfile.ZipFile(io.BytesIO(file.content)) as package:
            files = {name.rpartition("/")[2] for name in package.namelist() if name.endswith(".pdf")}
        assert files == {"dismantling-manual.pdf", "safety-measures.pdf"}, form


# --- templates, and what cannot be ---------------------------------------------------------------


async def test_a_template_has_a_row_for_each_battery(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    file = await exporting.blank(holder.world, "condition", "EV-72")
    rows = [line for line in csv.reader(io.StringIO(file.content.decode("utf-8-sig"))) if not line[0].startswith("#")]
    assert rows == [["EV-72", ""], ["EV-72", "000017"], ["EV-72", "000018"], ["EV-72", "000019"]]
    assert (file.media_type, file.name) == ("text/csv", "condition.csv")


async def test_what_is_no_form_part_or_passport_is_refused(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    for asked in ({"form": "xlsx"}, {"form": "csv", "part": "nowhere"}, {"form": "value", "part": "condition"}):
        with pytest.raises(Malformed):
            await exporting.export(holder.world, BATTERY, **asked)
    with pytest.raises(Malformed):
        await exporting.blank(holder.world, "nowhere")
    with pytest.raises(Hidden):
        await exporting.export(holder.world, "EV-99.1", "value")


async def test_an_environment_of_too_many_batteries_is_refused(holder: Holder, sample: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    await passports.import_batch(holder.world, sample)
    monkeypatch.setattr("connector.operate.environments.MOST", 2)
    with pytest.raises(Clash, match="do not go into one environment"):
        await exporting.export(holder.world, "EV-72", "aas-json")
