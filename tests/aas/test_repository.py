"""The repositories as AAS Part 2 v3.1 has them: what the engine (API 3.0) does not look at, and what it leaves out of our seed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import SHELL, Door, Doors, b64, part
from .seed import CONCEPT, PNG, SEED_SHELLS, SEED_SUBMODELS, STAMP

EVERYTHING = f"/submodels/{b64(SEED_SUBMODELS[0]['id'])}"


async def seed(operator: Door) -> None:
    for noun, those in (("submodels", SEED_SUBMODELS), ("shells", SEED_SHELLS), ("concept-descriptions", [CONCEPT])):
        for each in those:
            answer = await operator.ask("POST", f"/{noun}", each)
            assert answer.status == 201, answer.body


# --- reading --------------------------------------------------------------------------------------


async def test_a_batterys_shell_is_an_instance_of_its_models_type(doors: Doors) -> None:
    item = await doors.public.json(f"/shells/{b64(SHELL)}")
    assert item["assetInformation"]["assetKind"] == "Instance"
    model = await doors.public.json(f"/shells/{b64(item['derivedFrom']['keys'][0]['value'])}")
    assert model["assetInformation"]["assetKind"] == "Type"
    ids = {each["name"]: each["value"] for each in item["assetInformation"]["specificAssetIds"]}
    assert ids["manufacturerPartId"] == "EV-72" and ids["partInstanceId"] == "000017"
    assert {"name": "manufacturerPartId", "value": "EV-72"} in model["assetInformation"]["specificAssetIds"]
    assert await doors.public.json(f"/shells/{b64(SHELL)}/asset-information") == item["assetInformation"]


async def test_values_keep_their_kind_and_token(doors: Doors) -> None:
    here = f"{part('technical')}/submodel-elements/GeneralInformation"
    assert (await doors.public.get(f"{here}.BatteryMass/$value")).body == b"412.37"
    assert (await doors.public.get(f"{here}.BatteryCategory/$value")).body == b'"ev"'
    assert (await doors.public.get(f"{here}.ProductImages%5B0%5D/$value")).json["contentType"] == "image/png"
    assert (await doors.public.get(f"{here}.ProductImages[0]/%24value")).json["contentType"] == "image/png"
    names = (await doors.public.get(f"{part('nameplate')}/submodel-elements/ManufacturerName/$value")).json
    assert all(len(each) == 1 for each in names)


async def test_one_submodel_is_a_service_of_its_own(doors: Doors) -> None:
    """SSP-003: what a descriptor's href leads to."""
    here = part("technical")
    assert (await doors.public.get(f"{here}/submodel/$value")).body == (await doors.public.get(f"{here}/$value")).body
    assert await doors.public.json(f"{here}/submodel") == await doors.public.json(here)
    profiles = (await doors.public.json(f"{here}/description"))["profiles"]
    assert "https://admin-shell.io/aas/API/3/1/SubmodelServiceSpecification/SSP-003" in profiles


async def test_each_version_describes_itself_and_answers_the_same(doors: Doors) -> None:
    for version in ("3.1", "3.0"):
        doors.public.base = f"/aas/api/v{version}"
        told = (await doors.public.json("/description"))["profiles"]
        assert f"https://admin-shell.io/aas/API/{version.replace('.', '/')}/SubmodelRepositoryServiceSpecification/SSP-002" in told
        assert (await doors.public.get(f"{part('technical')}/$value")).status == 200
    doors.public.base = "/aas/api/v2.0"
    assert (await doors.public.get("/shells")).status == 404


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/shells?limit=0", "limit"),
        ("/shells?limit=-1", "limit"),
        ("/shells?limit=x", "limit"),
        ("/shells?cursor=", "cursor"),
        ("/shells?cursor=abc", "cursor"),
        ("/shells?assetIds=eyJ", "JSON"),
        (f"/shells?assetIds={b64('[]')}", "assetIds"),
        (f"/submodels?semanticId={b64('{}')}", "semanticId"),
        (f"{part('technical')}=", "base64url"),
        ("/submodels/%C3%A4", "base64url"),
        (f"{part('technical')}?level=flat", "level"),
        (f"{part('technical')}?extent=all", "extent"),
        (f"{part('technical')}/$metadata?level=core", "level"),
        (f"{part('technical')}/$reference?level=deep", "level"),
        (f"{part('technical')}/$path?extent=withBlobValue", "extent"),
        (f"{part('technical')}/submodel-elements/a..b", "idShortPath"),
        (f"{part('technical')}/submodel-elements/GeneralInformation.BatteryMass/$path", "$path"),
        ("/serialization?aasIds=%3D", "base64url"),
        ("/serialization?includeConceptDescriptions=perhaps", "includeConceptDescriptions"),
    ],
)
async def test_what_is_asked_wrongly_is_400_with_a_result(doors: Doors, path: str, where: str) -> None:
    answer = await doors.public.get(path)
    assert answer.status == 400, answer.body
    message = answer.messages[0]
    assert message["messageType"] == "Error" and where in message["text"], message


@pytest.mark.parametrize(
    "path", ["/packages", "/concept-descriptions", "/query/shells", "/bulk/shell-descriptors", "/submodel", "/aas/submodels/x"]
)
async def test_what_the_api_has_and_we_do_not_is_501(doors: Doors, path: str) -> None:
    assert (await doors.public.get(path)).status == 501
    assert (await doors.public.get(f"{part('technical')}/submodel-elements/GeneralInformation/invoke")).status == 501
    assert (await doors.public.ask("POST", "/shells", {})).status == 501


async def test_an_attachment_is_had_of_files_only(doors: Doors) -> None:
    here = f"{part('technical')}/submodel-elements"
    assert (await doors.public.get(f"{here}/GeneralInformation.BatteryMass/attachment")).status == 405
    assert (await doors.public.get(f"{here}/GeneralInformation.CompanyLogo/attachment")).status == 404  # elsewhere
    document = "Documents[0].DocumentVersions[0].DigitalFiles[0]"
    answer = await doors.public.get(f"{part('handover')}/submodel-elements/{document}/attachment")
    assert answer.status == 200 and answer.body.startswith(b"%PDF-")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")


async def test_pages_join_up_and_a_submodel_is_not_lost_between_them(doors: Doors) -> None:
    for path in ("/submodels", "/submodels/$path", "/submodels/$value", "/shells", f"{part('technical')}/submodel-elements/$path"):
        whole, joined = [await pages(doors.operator, path, limit) for limit in (1000, 17)]
        assert joined == whole and len(whole) > 3, path


async def pages(door: Door, path: str, limit: int) -> list[Any]:
    """All that a list holds, page by page."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = await door.json(f"{path}?limit={limit}{f'&cursor={cursor}' if cursor else ''}")
        assert len(page["result"]) <= limit
        found += page["result"]
        cursor = page["paging_metadata"].get("cursor", "")
        if not cursor:
            return found


async def test_registry_and_discovery_are_at_the_same_base(doors: Doors) -> None:
    for door in (doors.public, doors.operator):
        found = await door.ask("POST", "/lookup/shellsByAssetLink", [{"name": "partInstanceId", "value": "000017"}])
        assert found.status == 200, found.body
        assert SHELL in found.body.decode()
    descriptor = await doors.operator.json(f"/shell-descriptors/{b64(SHELL)}")
    assert descriptor["id"] == SHELL


# --- beside passports -----------------------------------------------------------------------------


async def test_every_kind_that_the_engine_does_not_ask_for(doors: Doors) -> None:
    await seed(doors.operator)
    elements = f"{EVERYTHING}/submodel-elements"
    for path, value in (("Everything.Counts[0]", b"3"), ("Everything.Turns.Ratio", b"3.70"), ("Everything.Motor.Poles", b"4")):
        assert (await doors.operator.get(f"{elements}/{path}/$value")).body == value
        assert (await doors.operator.json(f"{elements}/{path}"))["modelType"] == "Property"
    assert (await doors.operator.get(f"{elements}/Everything.Pressing/$value")).status == 400
    assert "value" not in await doors.operator.json(f"{elements}/Everything.Stamp")
    assert (await doors.operator.json(f"{elements}/Everything.Stamp?extent=withBlobValue"))["value"] == STAMP


async def test_what_is_kept_beside_passports_is_the_operators_alone(doors: Doors) -> None:
    await seed(doors.operator)
    listed = [each["id"] for each in (await doors.operator.json("/shells"))["result"]]
    assert listed[:2] == sorted(each["id"] for each in SEED_SHELLS)
    assert [each["id"] for each in (await doors.public.json("/shells"))["result"]] == ["urn:saltbridge:EV-72#shell"]
    assert (await doors.public.get(EVERYTHING)).status == 404
    env = await doors.operator.json("/serialization")
    assert env["conceptDescriptions"] == [CONCEPT]
    assert {each["id"] for each in SEED_SUBMODELS} <= {each["id"] for each in env["submodels"]}


async def test_it_is_written_replaced_and_removed(doors: Doors) -> None:
    await seed(doors.operator)
    little = f"/submodels/{b64(SEED_SUBMODELS[1]['id'])}"
    assert (await doors.operator.ask("POST", "/submodels", SEED_SUBMODELS[1])).status == 409
    changed = {**SEED_SUBMODELS[1], "idShort": "Less"}
    assert (await doors.operator.ask("PUT", little, changed)).status == 204
    assert (await doors.operator.json(little))["idShort"] == "Less"
    assert (await doors.operator.ask("PUT", little, {**changed, "id": "urn:other"})).status == 400
    assert (await doors.operator.ask("DELETE", little)).status == 204
    assert (await doors.operator.ask("DELETE", little)).status == 404
    assert (await doors.operator.get(little)).status == 404


async def test_a_thumbnail_comes_and_goes(doors: Doors) -> None:
    await seed(doors.operator)
    picture = f"/shells/{b64(SEED_SHELLS[0]['id'])}/asset-information/thumbnail"
    assert (await doors.operator.get(picture)).status == 404
    from aiohttp import FormData

    form = FormData()
    form.add_field("fileName", "press.png")
    form.add_field("file", PNG, filename="press.png", content_type="image/png")
    assert (await doors.operator.ask("PUT", picture, data=form)).status == 204
    answer = await doors.operator.get(picture)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, PNG, "image/png")
    assert (await doors.operator.ask("DELETE", picture)).status == 204
    assert (await doors.operator.get(picture)).status == 404


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {"modelType": "Submodel"},
        {"modelType": "AssetAdministrationShell", "id": "urn:x"},
        {"modelType": "Submodel", "id": "urn:x", "submodelElements": [{"modelType": "Property", "idShort": "a"}]},
        {
            "modelType": "Submodel",
            "id": "urn:x",
            "submodelElements": [{"modelType": "Property", "idShort": "a", "valueType": "xs:int", "value": "x"}],
        },
    ],
)
async def test_what_the_metamodel_refuses_is_not_kept(doors: Doors, broken: Any) -> None:
    answer = await doors.operator.ask("POST", "/submodels", broken)
    assert answer.status == 400 and answer.messages
    assert (await doors.operator.get(f"/submodels/{b64('urn:x')}")).status == 404


async def test_ids_of_passports_are_not_given_to_anything_else(doors: Doors) -> None:
    for id in (SHELL, "urn:saltbridge:EV-99#technical"):
        sort = "shells" if id.endswith("shell") else "submodels"
        body = {**(SEED_SHELLS[0] if sort == "shells" else SEED_SUBMODELS[1]), "id": id}
        assert (await doors.operator.ask("POST", f"/{sort}", body)).status == 409


# --- values of passports --------------------------------------------------------------------------


async def test_a_new_value_of_the_condition_is_a_new_version_on_record(doors: Doors) -> None:
    here = f"{part('condition')}/submodel-elements/StateOfCharge.StateOfChargeValue/$value"
    before = await doors.operator.json(f"{part('condition')}/$value")
    answer = await doors.operator.ask("PATCH", here, 41.50)
    assert answer.status == 204, answer.body
    after = await doors.operator.json(f"{part('condition')}/$value")
    assert after["StateOfCharge"]["StateOfChargeValue"] == 41.5
    before["StateOfCharge"]["StateOfChargeValue"] = 41.5
    assert after == before
    events = [entry.event for entry in await doors.node.world.store.audit()]
    assert any(event.startswith("passport.") for event in events)


async def test_values_are_set_together_and_the_rest_stays(doors: Doors) -> None:
    before = await doors.operator.json(f"{part('condition')}/$value")
    patch = {
        "StateOfCharge": {"StateOfChargeValue": 12},
        "NumberOfFullCycles": {"NumberOfFullCyclesValue": before["NumberOfFullCycles"]["NumberOfFullCyclesValue"] + 1},
    }
    assert (await doors.operator.ask("PATCH", f"{part('condition')}/$value", patch)).status == 204
    after = await doors.operator.json(f"{part('condition')}/$value")
    assert after["StateOfCharge"] == {**before["StateOfCharge"], "StateOfChargeValue": 12}
    assert set(after) == set(before)


async def test_a_value_that_does_not_fit_changes_nothing(doors: Doors) -> None:
    before = (await doors.operator.get(f"{part('condition')}/$value")).body
    here = f"{part('condition')}/submodel-elements/StateOfCharge.StateOfChargeValue/$value"
    for wrong in ("full", 140, {"a": 1}):
        answer = await doors.operator.ask("PATCH", here, wrong)
        assert answer.status in (400, 409) and answer.messages, (wrong, answer.body)
    assert (await doors.operator.get(f"{part('condition')}/$value")).body == before


async def test_an_element_is_put_and_taken_away(doors: Doors) -> None:
    here = f"{part('condition')}/submodel-elements/StateOfCharge.StateOfChargeValue"
    element = await doors.operator.json(here)
    assert (await doors.operator.ask("PUT", here, {**element, "value": "33.25"})).status == 204
    assert (await doors.operator.get(f"{here}/$value")).body == b"33.25"
    assert (await doors.operator.ask("PUT", here, {**element, "idShort": "Other"})).status == 400
    model = f"{part('technical')}/submodel-elements/GeneralInformation.ManufacturerName"
    assert (await doors.operator.ask("DELETE", model)).status == 409, "it is the model's"


async def test_only_the_operator_reads_and_writes_there(doors: Doors) -> None:
    doors.operator.token = ""
    assert (await doors.operator.get("/shells")).status == 401
    assert (await doors.operator.ask("PATCH", f"{part('condition')}/$value", {})).status == 401
    assert set((await doors.operator.get("/shells")).json) == {"messages"}
    assert json.loads((await doors.operator.get("/shells")).body)["messages"][0]["code"] == "identity.unknown"
