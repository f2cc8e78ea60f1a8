"""Every operation of AAS Part 2 v3.1, as its OpenAPI lists them: the reading ones are served, and what is not served says so."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from .conftest import SHELL, Doors, b64

OPENAPI = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "aas" / "entire-api-v3.1.yaml"
SERVED = ("/shells", "/submodels", "/serialization", "/description", "/shell-descriptors", "/submodel-descriptors", "/lookup")
# Reading that is in none of our profiles, and descriptors of submodels, which are there with an offer only (`tests/leaks`).
NOT_OURS = re.compile(r"/operation-(status|results)/|/submodel-descriptors|/lookup/shells$")
ELEMENT = "GeneralInformation.ProductImages"
FILE = "GeneralInformation.CompanyLogo"


def operations() -> list[tuple[str, str]]:
    """(method, path); the file is regular enough to be read line by line."""
    if not OPENAPI.is_file():
        return []
    found, path = [], ""
    for line in OPENAPI.read_text("utf-8").splitlines():
        if place := re.match(r"^  '?(/[^':]*)'?:$", line):
            path = place[1]
        elif method := re.match(r"^    (get|put|post|patch|delete):$", line):
            found.append((method[1].upper(), path))
    return found


OPERATIONS = operations()
needs_it = pytest.mark.skipif(not OPERATIONS, reason="the OpenAPI of Part 2 (../shared/data/aas) is not here")


def filled(path: str) -> str:
    element = FILE if path.endswith("/attachment") else ELEMENT
    ids = {"aasIdentifier": SHELL, "submodelIdentifier": SHELL.replace("#shell", "#technical"), "cdIdentifier": "urn:x", "packageId": "x"}
    for name, id in ids.items():
        path = path.replace(f"{{{name}}}", b64(id))
    return re.sub(r"\{\w+\}", "x", path.replace("{idShortPath}", element))


@needs_it
async def test_what_is_read_is_served_and_the_rest_says_that_it_is_not(doors: Doors) -> None:
    assert len(OPERATIONS) > 150
    answers = {}
    for method, path in OPERATIONS:
        if method == "GET":
            answers[path] = (await doors.public.get(filled(path))).status
    ours = {path for path in answers if path.startswith(SERVED) and not NOT_OURS.search(path)}
    # the sample's pictures are elsewhere, and lists of batteries are nobody's without a contract
    missing = {path for path in ours if path.endswith(("/thumbnail", "/attachment"))}
    assert {path: answers[path] for path in ours - missing if answers[path] != 200} == {}
    assert {answers[path] for path in missing} == {404}
    rest = {path: status for path, status in answers.items() if path not in ours and not NOT_OURS.search(path)}
    assert set(rest.values()) == {501}, {path: status for path, status in rest.items() if status != 501}
    assert {answers[path] for path in answers if "/operation-" in path} == {501}


@needs_it
async def test_nothing_is_written_from_outside_by_any_operation(doors: Doors) -> None:
    before = (await doors.operator.get("/serialization")).body
    for method, path in OPERATIONS:
        if method != "GET" and not path.startswith(("/shell-descriptors", "/submodel-descriptors", "/lookup")):
            answer = await doors.public.ask(method, filled(path), {})
            assert answer.status == 501, (method, path, answer.body)
            assert answer.messages
    assert (await doors.operator.get("/serialization")).body == before


@needs_it
async def test_no_operation_of_the_operator_is_a_fault_of_ours(doors: Doors) -> None:
    """With a body that is none of anything: refused, never 500."""
    for method, path in OPERATIONS:
        answer = await doors.operator.ask(method, filled(path), None if method in ("GET", "DELETE") else {"nothing": "here"})
        assert answer.status in (200, 201, 204, 400, 404, 405, 409, 415, 501), (method, path, answer.status, answer.body)


async def test_no_address_however_odd_is_a_fault_of_ours(doors: Doors) -> None:
    random = Random(7)
    nouns = "shells submodels submodel submodel-elements submodel-refs asset-information thumbnail attachment serialization description"
    ids = [SHELL, SHELL.replace("#shell", "#handover"), "#shell", "#technical", "urn:saltbridge:#shell", "\x00#technical"]
    odd = ["Documents", "Documents[0]", "Documents[9]", "%00", "%2F", "..", "a" * 3000, "$value", "$metadata", "$path", "$reference"]
    words = [*nouns.split(), *map(b64, ids), *odd]
    values = [
        "",
        "1",
        "0",
        "-1",
        "deep",
        "core",
        "x",
        "%",
        b64("{}"),
        b64('{"name":"globalAssetId","value":""}'),
        b64('"x"'),
        b64("[1]"),
        "a" * 3000,
    ]
    names = [
        "limit",
        "cursor",
        "level",
        "extent",
        "idShort",
        "semanticId",
        "assetIds",
        "aasIds",
        "submodelIds",
        "includeConceptDescriptions",
        "y",
    ]
    for _ in range(600):
        path = "/" + "/".join(random.choices(words, k=random.randrange(6)))
        query = "&".join(f"{random.choice(names)}={random.choice(values)}" for _ in range(random.randrange(3)))
        for door in (doors.public, doors.operator):
            answer = await door.get(f"{path}?{query}")
            assert answer.status in (200, 400, 404, 405, 501), (path, query, answer.status, answer.body)
