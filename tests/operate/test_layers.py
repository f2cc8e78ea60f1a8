"""Three layers in the store: a batch between model and item, each value with its source, time and sender."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.errors import Clash, Malformed
from connector.exchange import release
from connector.operate import judging, passports
from submodels.folder import Batch, read_folder

from .conftest import SAMPLE, Holder

FIRST, SECOND = "EV-72.000017", "EV-72.000018"
BATCH = "batches/2024-11/"


def folder(**changes: bytes) -> Batch:
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    plate = json.loads(files["items/000017/nameplate.json"])
    made = {"DateOfManufacture": plate.pop("DateOfManufacture"), "AddressInformation": {"Street": [{"en": "Batch Street 11"}]}}
    files["items/000017/nameplate.json"] = json.dumps(plate).encode()
    files[f"{BATCH}nameplate.json"] = json.dumps(made).encode()
    files["items/000017/item.toml"] = b'batch = "2024-11"\n'
    return read_folder({**files, **changes})


async def plate(holder: Holder, battery: str) -> Any:
    return (await release.operator(holder.world, battery)).parts["nameplate"]


async def test_a_battery_reads_its_batch_between_its_model_and_itself(holder: Holder) -> None:
    done = await passports.import_batch(holder.world, folder())
    assert done["findings"] == []
    first, second = await plate(holder, FIRST), await plate(holder, SECOND)
    assert first["DateOfManufacture"] == "2024-03-14" and first["SerialNumber"] == "000017"
    assert first["AddressInformation"]["Street"] == [{"en": "Batch Street 11"}]
    assert first["AddressInformation"]["CityTown"] == second["AddressInformation"]["CityTown"]
    assert second["AddressInformation"]["Street"] == [{"en": "Slipway Road 14"}]


async def test_the_same_folder_with_batches_twice_changes_nothing(holder: Holder) -> None:
    await passports.import_batch(holder.world, folder())
    again = await passports.import_batch(holder.world, folder())
    assert (again["changed"], again["records"], again["revision"]) == (False, 0, 1)


async def test_a_change_of_a_batch_is_a_new_version_and_the_old_one_stays_readable(holder: Holder) -> None:
    await passports.import_batch(holder.world, folder())
    await passports.publish(holder.world, "EV-72")
    then = holder.clock.now()
    before = await release.public(holder.world, FIRST)
    holder.clock.pass_(days=1)
    done = await passports.import_batch(holder.world, folder(**{f"{BATCH}nameplate.json": b'{"DateOfManufacture": "2024-03-13"}'}))
    assert done["changed"] and done["revision"] == 2
    after = await release.public(holder.world, FIRST)
    assert (before.revision, after.revision) == ("1.1", "2.1")
    assert after.parts["nameplate"]["DateOfManufacture"] == "2024-03-13"  # type: ignore[index, call-overload]
    assert (await release.public(holder.world, FIRST, then)).parts == before.parts


async def test_a_battery_that_joins_a_batch_later_was_not_in_it_before(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    then = holder.clock.now()
    holder.clock.pass_(days=1)
    await passports.import_batch(holder.world, folder())
    street = (await plate(holder, FIRST))["AddressInformation"]["Street"]
    assert street == [{"en": "Batch Street 11"}]
    old: Any = (await release.public(holder.world, FIRST, then)).parts["nameplate"]
    assert old["AddressInformation"]["Street"] == [{"en": "Slipway Road 14"}]


async def test_a_battery_is_made_once(holder: Holder) -> None:
    await passports.import_batch(holder.world, folder())
    other = {"items/000017/item.toml": b'batch = "2024-12"\n', "batches/2024-12/nameplate.json": b'{"DateOfManufacture": "2024-03-01"}'}
    with pytest.raises(Clash, match=r"EV-72.000017 cannot be of the batch 2024-12"):
        await passports.import_batch(holder.world, folder(**other))
    assert (await plate(holder, FIRST))["DateOfManufacture"] == "2024-03-14"


async def test_each_value_names_the_layer_that_says_it_and_how_it_came(holder: Holder) -> None:
    await passports.import_batch(holder.world, folder())
    holder.clock.pass_(hours=1)
    condition = json.loads((SAMPLE / "items/000017/condition.json").read_text("utf-8"))
    condition["StateOfCharge"]["StateOfChargeValue"] = 44.02
    await passports.update(holder.world, FIRST, "condition", json.dumps(condition).encode())
    told = await judging.origins(holder.world, "000017")
    by_path = {each["path"]: each for each in told["elements"]}
    assert (told["battery"], told["batch"]) == (FIRST, "2024-11")
    seen = {path: (by_path[path]["level"], by_path[path]["owner"]) for path in (
        "nameplate/SerialNumber", "nameplate/DateOfManufacture", "nameplate/ManufacturerName", "nameplate/AddressInformation/Street",
    )}  # fmt: skip
    assert seen == {
        "nameplate/SerialNumber": ("item", FIRST),
        "nameplate/DateOfManufacture": ("batch", "2024-11"),
        "nameplate/ManufacturerName": ("model", "EV-72"),
        "nameplate/AddressInformation/Street": ("batch", "2024-11"),
    }
    assert by_path["nameplate/SerialNumber"]["source"] == "folder"
    assert by_path["nameplate/SerialNumber"]["at"] == "2026-11-24T12:00:00.000Z"
    charge = by_path["condition/StateOfCharge/StateOfChargeValue"]
    assert (charge["source"], charge["at"], charge["who"]) == ("update", "2026-11-24T13:00:00.000Z", "operator")
    assert "44.02" not in json.dumps(told)


async def test_the_check_of_stored_passports_knows_levels_and_the_version_before(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    told = await judging.check(holder.world, "EV-72", day="2027-02-18")
    assert told["complete"] and [each["batteries"] for each in told["reports"]] == [[FIRST, SECOND, "EV-72.000019"]]
    assert told["reports"][0]["findings"] == []
    condition = json.loads((SAMPLE / "items/000017/condition.json").read_text("utf-8"))
    condition["NumberOfFullCycles"]["NumberOfFullCyclesValue"] = 17
    await passports.update(holder.world, FIRST, "condition", json.dumps(condition).encode())
    told = await judging.check(holder.world, "000017")
    assert [each["rule"] for each in told["reports"][0]["findings"]] == ["counter.falls"]


async def test_a_model_without_batteries_is_judged_by_what_it_says(holder: Holder, sample: Batch) -> None:
    model = Batch(
        model=sample.model, category="ev", layers=tuple(each for each in sample.layers if not each.owner), documents=sample.documents
    )
    await passports.import_batch(holder.world, model)
    told = await judging.check(holder.world, "EV-72", category="Industrial", day="2027-02-18")
    (report,) = told["reports"]
    assert (report["judged_as"], report["complete"]) == ("industrial", False)
    missing = {each["point"] for each in report["points"] if each["standing"] == "missing"}
    assert missing == {1, 7, 9, 67}


async def test_a_published_battery_takes_no_counter_that_fell(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    await passports.publish(holder.world, "EV-72")
    condition = json.loads((SAMPLE / "items/000017/condition.json").read_text("utf-8"))
    condition["NumberOfFullCycles"]["NumberOfFullCyclesValue"] = 430
    with pytest.raises(Malformed) as caught:
        await passports.update(holder.world, FIRST, "condition", json.dumps(condition).encode())
    assert "NumberOfFullCyclesValue: falls from 431 to 430" in caught.value.details[0]
    condition["NumberOfFullCycles"]["NumberOfFullCyclesValue"] = 432
    assert (await passports.update(holder.world, FIRST, "condition", json.dumps(condition).encode()))["changed"]
