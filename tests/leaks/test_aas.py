"""The AAS API obeys the grants at every exit: names, lengths, forms, ids, pages, filters, files, packages, tags and errors."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from scripts.lib.leaks import granted_leaves
from submodels.audience import PUBLIC_GRANT
from submodels.grant import AttributeGrant
from submodels.table import PARTS, submodel
from submodels.value import read_json
from submodels.views import ready_view
from tests.aas.seed import SEED_SHELLS, SEED_SUBMODELS, encoded, plant

from .conftest import FIRST, OTHER, SECOND, THIRD, UNPUBLISHED, Address, Ring, same

BASE = "/aas/api/v3.1"
PUBLIC = ("", "public", "")
DISMANTLING = ("recycler", "dismantling", "model.EV-72")
CONDITION = ("recycler", "condition", f"battery.{FIRST}")
SUPPLIER = ("oem", "supplier", f"battery.{FIRST}")
NUMBERS = ("recycler", "numbers", "model.EV-72")
HELD = [PUBLIC, DISMANTLING, CONDITION, SUPPLIER, NUMBERS]
FORMS = ("", "/$metadata", "/$value", "/$reference", "/$path")
AASX = "application/asset-administration-shell-package"
_FRESH = re.compile(r'"timestamp": "[^"]*"')


class Reader:
    """One caller of the maker's AAS API."""

    def __init__(self, ring: Ring, held: tuple[str, str, str]) -> None:
        self.ring, self.view = ring, held[1]
        self.address: Address | None = ring.open(*held) if held[0] else None
        self.grant: AttributeGrant = ready_grant(ring, held[1])
        self.battery = FIRST

    def get(self, path: str, **headers: str) -> requests.Response:
        token = {"Authorization": self.address.authorization} if self.address else {}
        return requests.get(self.ring.nodes["maker"].url + BASE + path, headers={**token, **headers}, timeout=30)

    def json(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def listed(self, path: str, limit: int = 0) -> list[Any]:
        """A list, page by page."""
        found, cursor = [], ""
        while True:
            query = "&".join([*([f"limit={limit}"] if limit else []), *([f"cursor={cursor}"] if cursor else [])])
            page = self.json(path + (("&" if "?" in path else "?") + query if query else ""))
            assert set(page) == {"result", "paging_metadata"} and set(page["paging_metadata"]) <= {"cursor"}
            found += page["result"]
            cursor = page["paging_metadata"].get("cursor", "")
            if not cursor:
                return found

    def part(self, part: str) -> str:
        return f"/submodels/{encoded(shell_of(self.ring, self.battery).replace('#shell', f'#{part}'))}"


def ready_grant(ring: Ring, view: str) -> AttributeGrant:
    if view == "public":
        return PUBLIC_GRANT
    if view == "numbers":
        from submodels.grant import make_grant

        shown = ring.operate("maker", "get", "/views/numbers")
        return make_grant(shown["paths"], shown.get("documents", []), shown["ceiling"])
    return ready_view(view)[1]


def shell_of(ring: Ring, battery: str) -> str:
    links = [{"name": "batteryId", "value": battery}]
    found = ring.operate("maker", "post", "/registry/lookup/shellsByAssetLink", links)["result"]
    assert len(found) == 1
    return str(found[0]["id"] if isinstance(found[0], dict) else found[0])


def plain(answer: requests.Response, *own: str) -> tuple[int, str]:
    """An error as one compares it: without when it was said, and what the caller itself said."""
    status, _, text = same(answer, *own)
    return status, _FRESH.sub("*", text)


@pytest.fixture(params=HELD, ids=lambda held: held[1])
def reader(ring: Ring, request: pytest.FixtureRequest) -> Reader:
    return Reader(ring, request.param)


def templates(tree: Any, path: str = "") -> Iterator[str]:
    """Every member and place of a value as an idShortPath, except inside texts in several languages and files."""
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield f"{path}.{name}".removeprefix(".")
            if not (isinstance(inner, dict) and set(inner) <= {"contentType", "value"}):
                yield from templates(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(tree, list) and not (
        tree and all(isinstance(each, dict) and len(each) == 1 and len(next(iter(each))) == 2 for each in tree)
    ):
        for number, inner in enumerate(tree):
            yield f"{path}[{number}]"
            yield from (
                templates(inner, f"{path}[{number}]") if not (isinstance(inner, dict) and set(inner) <= {"contentType", "value"}) else ()
            )


# --- what is there, is what is granted ------------------------------------------------------------


def test_the_values_of_a_shells_submodels_are_the_granted_leaves_and_nothing_else(ring: Ring, reader: Reader) -> None:
    whole = ring.whole(FIRST)
    got: Counter[tuple[str, str]] = Counter()
    for part in PARTS:
        answer = reader.get(f"{reader.part(part)}/$value")
        if answer.status_code == 200:
            got += Counter(granted_leaves({part: read_json(answer.content)}, None, whole.kinds))
        else:
            assert plain(answer)[0] == 404
    assert got <= Counter(granted_leaves(whole.passports[FIRST], reader.grant, whole.kinds))
    pulled = ring.pull(reader.address, f"/{FIRST}").content if reader.address else ring.get(f"/passports/{FIRST}").content
    parts: Any = read_json(pulled)
    parts = parts if reader.address else parts["parts"]
    assert got == Counter(granted_leaves(parts, None, whole.kinds)), "the other exit gives more or less"
    assert got


def test_normal_metadata_path_and_reference_tell_of_the_same_elements(reader: Reader) -> None:
    shown = 0
    for part in PARTS:
        here = reader.part(part)
        if reader.get(here).status_code == 404:
            assert {plain(reader.get(f"{here}{form}")) for form in FORMS} == {plain(reader.get(f"/submodels/{encoded('urn:x:nobody')}"))}
            continue
        value, paths, shown = reader.json(f"{here}/$value"), reader.json(f"{here}/$path"), shown + 1
        assert Counter(paths) == Counter(templates(value))
        assert "submodelElements" not in reader.json(f"{here}/$metadata")
        names = [each["idShort"] for each in reader.json(here)["submodelElements"]]
        assert names == list(value) == [next(iter(each)) for each in reader.listed(f"{here}/submodel-elements/$value")]
        assert names == [each["idShort"] for each in reader.listed(f"{here}/submodel-elements/$metadata", limit=1)]
        assert [each["keys"][-1]["value"] for each in reader.listed(f"{here}/submodel-elements/$reference")] == names
        assert reader.listed(f"{here}/submodel-elements/$path", limit=7) == paths
    assert shown


def test_no_element_outside_the_view_has_any_form(ring: Ring, reader: Reader) -> None:
    """Every place of the whole passport is asked for by each form: what is not in the view is not there, in one set of words."""
    refused = set()
    for part, tree in json_of(ring, FIRST).items():
        here = reader.part(part)
        inside = set(reader.json(f"{here}/$path")) if reader.get(here).status_code == 200 else set()
        for path in sorted(set(templates(tree)) - inside)[::7]:
            for form in (*FORMS, "/attachment"):
                answer = reader.get(f"{here}/submodel-elements/{path}{form}")
                refused.add(plain(answer))
                assert answer.status_code == 404, (path, form)
    unknown = {plain(reader.get(f"{reader.part('technical')}/submodel-elements/NoSuchThing"))}
    assert refused <= unknown


def json_of(ring: Ring, battery: str) -> dict[str, Any]:
    return {part: ring.operate("maker", "get", f"/passports/{battery}", part=part) for part in PARTS}


def test_a_list_is_as_long_as_what_is_granted_of_it(ring: Ring) -> None:
    public = Reader(ring, PUBLIC)
    materials = json_of(ring, FIRST)["materials"]["BatteryMaterials"]
    shown = public.json(f"{public.part('materials')}/submodel-elements/BatteryMaterials/$value")
    assert len(shown) <= len(materials)
    critical = sorted(each["BatteryMaterialName"] for each in materials if each["IsCriticalRawMaterial"])
    assert sorted(each["BatteryMaterialName"] for each in shown if "BatteryMaterialName" in each) == critical
    here = f"{public.part('materials')}/submodel-elements"
    beyond = {plain(public.get(f"{here}/BatteryMaterials[{at}].BatteryMaterialMass")) for at in (0, 1, len(shown), 9999)}
    assert len(beyond) == 1


# --- ids, scopes, lists, pages, filters -----------------------------------------------------------


def test_unpublished_unknown_and_out_of_scope_are_one(ring: Ring, reader: Reader) -> None:
    hidden = [UNPUBLISHED]
    if reader.address:
        hidden += [OTHER] + ([SECOND, THIRD] if reader.view in ("condition", "supplier") else [])
    answers = set()
    for battery in (*hidden, ""):
        shell = shell_of(ring, battery) if battery else "urn:saltbridge:EV-72.999999#shell"
        for path in ("", "/$reference", "/asset-information", "/asset-information/thumbnail", "/submodel-refs"):
            answers.add(plain(reader.get(f"/shells/{encoded(shell)}{path}")))
        for part in ("nameplate", "condition"):
            id = encoded(shell.replace("#shell", f"#{part}"))
            answers.add(plain(reader.get(f"/submodels/{id}/$value")))
            answers.add(plain(reader.get(f"/shells/{encoded(shell)}/submodels/{id}/$path")))
        answers.add(plain(reader.get(f"/serialization?aasIds={encoded(shell)}")))
    assert len(answers) == 1


def test_lists_hold_what_the_caller_may_list(ring: Ring, reader: Reader) -> None:
    ids = [each["id"] for each in reader.listed("/shells", limit=1)]
    model = ["urn:saltbridge:EV-72#shell"]
    items = [shell_of(ring, each) for each in (FIRST, SECOND, THIRD)]
    expected = {
        "public": [*model, "urn:saltbridge:EV-73#shell"],
        "dismantling": model,
        "numbers": [*model, *items],
        "condition": items[:1],
        "supplier": items[:1],
    }
    assert ids == expected[reader.view]
    assert [each["keys"][0]["value"] for each in reader.listed("/shells/$reference")] == ids
    held = [each["id"] for each in reader.listed("/submodels", limit=2)]
    assert {each.partition("#")[0] for each in held} == {each.partition("#")[0] for each in ids}
    assert [each["id"] for each in reader.listed("/submodels/$metadata")] == held
    assert len(reader.listed("/submodels/$value", limit=3)) == len(held)
    text = json.dumps([reader.listed("/shells"), reader.listed("/submodels")])
    assert "EV-74" not in text
    if reader.view in ("condition", "supplier"):
        assert "derivedFrom" not in text


def test_a_shell_refers_to_what_the_view_has_and_to_nothing_else(reader: Reader) -> None:
    shell = shell_of(reader.ring, FIRST)
    for reference in reader.listed(f"/shells/{encoded(shell)}/submodel-refs"):
        assert reader.get(f"/submodels/{encoded(reference['keys'][0]['value'])}").status_code == 200
    there = {part for part in PARTS if reader.get(reader.part(part)).status_code == 200}
    refs = {each["keys"][0]["value"].rpartition("#")[2] for each in reader.json(f"/shells/{encoded(shell)}").get("submodels", [])}
    assert refs == there
    assert there <= {*reader.grant.parts, "handover"}


def test_filters_look_at_the_view_only(ring: Ring, reader: Reader) -> None:
    for part in PARTS:
        about = submodel(part)
        meaning = {"type": "ExternalReference", "keys": [{"type": "GlobalReference", "value": about.semantic_id}]}
        for query in (f"semanticId={encoded(json.dumps(meaning))}", f"idShort={about.id_short}"):
            found = {each["id"] for each in reader.listed(f"/submodels?{query}")}
            assert found == {each["id"] for each in reader.listed("/submodels") if each["idShort"] == about.id_short}
    for name, value in (("partInstanceId", "000017"), ("batteryId", UNPUBLISHED), ("manufacturerPartId", "EV-74"), ("customerPartId", "x")):
        link = encoded(json.dumps({"name": name, "value": value}))
        found = [each["id"] for each in reader.listed(f"/shells?assetIds={link}")]
        allowed = [shell_of(ring, FIRST)] if value == "000017" else []
        others = [shell_of(ring, OTHER)] if value == "000017" and not reader.address else []
        assert sorted(found) == sorted(allowed + others), (name, value)


def test_a_cursor_says_nothing_and_is_nobody_elses(ring: Ring) -> None:
    numbers, public = Reader(ring, NUMBERS), Reader(ring, PUBLIC)
    cursor = numbers.json("/shells?limit=2")["paging_metadata"]["cursor"]
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b"EV-72" not in text and b"000017" not in text
    for who, path in ((public, "/shells"), (numbers, "/submodels"), (numbers, "/shells/$reference"), (numbers, "/shells?idShort=x")):
        joined = f"{path}{'&' if '?' in path else '?'}limit=2&cursor={cursor}"
        assert plain(who.get(joined)) == plain(who.get(f"{path}{'&' if '?' in path else '?'}limit=2&cursor=AAAA"))
        assert who.get(joined).status_code == 400
    assert "total" not in json.dumps(numbers.json("/shells?limit=1"))


# --- files and packages ---------------------------------------------------------------------------


def files_of(reader: Reader) -> dict[str, str]:
    """Path -> file name of the File elements of the battery's documents, as this view has them."""
    here = reader.part("handover")
    if reader.get(here).status_code == 404:
        return {}
    paths = [path for path in reader.json(f"{here}/$path") if re.search(r"DigitalFiles\[\d+\]$", path)]
    return {path: reader.json(f"{here}/submodel-elements/{path}/$value")["value"] for path in paths}


def test_files_are_those_of_the_grant_and_come_as_harmless(ring: Ring, reader: Reader) -> None:
    whole = ring.whole(FIRST)
    granted = {content for kind, content in whole.documents.values() if kind in granted_kinds(reader.grant)}
    got = set()
    for path in files_of(reader):
        answer = reader.get(f"{reader.part('handover')}/submodel-elements/{path}/attachment")
        assert answer.status_code == 200
        got.add(answer.content)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert got == granted


def granted_kinds(grant: AttributeGrant) -> set[str]:
    from submodels.audience import may_see
    from submodels.documents import KINDS

    pending = {"carbon-footprint-study", "due-diligence-report", "third-party-assurances"}
    return {kind for kind in grant.kinds if may_see(grant.ceiling, KINDS[kind].audience)} - pending


def test_a_package_holds_the_parts_of_the_view_and_no_other(ring: Ring, reader: Reader) -> None:
    shell = encoded(shell_of(ring, FIRST))
    answer = reader.get(f"/serialization?aasIds={shell}", Accept=AASX)
    assert answer.status_code == 200
    package = zipfile.ZipFile(io.BytesIO(answer.content))
    names = {name.rpartition("/")[2] for name in package.namelist() if name.startswith("aasx/documents/")}
    assert names == set(files_of(reader).values())
    whole = ring.whole(FIRST)
    hidden = [content for kind, content in whole.documents.values() if kind not in granted_kinds(reader.grant)]
    assert not [each for each in hidden for name in package.namelist() if package.read(name) == each]
    env = json.loads(package.read("aasx/json/passport.aas.json"))
    plain_env = reader.json(f"/serialization?aasIds={shell}")
    assert [each["id"] for each in env["submodels"]] == [each["id"] for each in plain_env["submodels"]]
    assert plain_env["submodels"] == [reader.json(f"/submodels/{encoded(each['id'])}") for each in plain_env["submodels"]]
    xml = reader.get(f"/serialization?aasIds={shell}", Accept="application/xml").text
    for _, value in granted_leaves(whole.passports[FIRST], None, whole.kinds):
        if len(value) > 12 and value not in json.dumps(plain_env, ensure_ascii=False):
            assert value not in xml


def test_a_file_elsewhere_is_not_fetched_for_anybody(ring: Ring) -> None:
    reader = Reader(ring, PUBLIC)
    reader.battery = OTHER
    for path, value in files_of(reader).items():
        if value.startswith("https:"):
            assert reader.get(f"{reader.part('handover')}/submodel-elements/{path}/attachment").status_code == 404


def test_a_picture_elsewhere_is_no_thumbnail(ring: Ring) -> None:
    reader = Reader(ring, PUBLIC)
    assert plain(reader.get(f"/shells/{encoded(shell_of(ring, FIRST))}/asset-information/thumbnail"))[0] == 404


# --- tags, tokens, what lies beside passports, writing --------------------------------------------


def test_equal_answers_under_two_agreements_have_nothing_in_common(ring: Ring) -> None:
    first, second = Reader(ring, DISMANTLING), Reader(ring, DISMANTLING)
    second.address = ring.start("recycler", ring.agree("recycler", ring.datasets()["dismantling", "model.EV-72"]))
    path = f"{first.part('circularity')}/$value"
    answers = [first.get(path), second.get(path)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["ETag"] != answers[1].headers["ETag"]
    assert answers[0].headers["Saltbridge-Receipt"] != answers[1].headers["Saltbridge-Receipt"]


def test_a_token_that_does_not_hold_opens_nothing_not_even_the_public_view(ring: Ring) -> None:
    reader = Reader(ring, DISMANTLING)
    path = f"{reader.part('nameplate')}/$value"
    for token in ("Bearer x.y.z", "Bearer", f"{reader.address.authorization}x" if reader.address else ""):
        answer = reader.get(path, Authorization=token)
        assert (answer.status_code, set(answer.json())) == (401, {"messages"})
    agreement = ring.agree("recycler", ring.datasets()["dismantling", "model.EV-72"])
    reader.address = ring.start("recycler", agreement)
    assert reader.get(f"{reader.part('circularity')}/$value").status_code == 200
    ring.operate("maker", "post", f"/agreements/{agreement.replace(':', '%3A')}/retire", {"reason": "over"})
    assert {reader.get(each).status_code for each in ("/shells", path, "/submodels/$path", "/serialization")} == {403}


def test_each_answer_under_a_contract_is_a_pull_on_record(ring: Ring) -> None:
    reader = Reader(ring, SUPPLIER)
    before = len([each for each in ring.operate("maker", "get", "/audit", last="1000") if each["event"] == "pull"])
    asked = ("/shells", f"{reader.part('technical')}/$value", f"{reader.part('technical')}/$path", "/submodels?limit=1")
    receipts = [reader.get(path).headers["Saltbridge-Receipt"] for path in asked]
    assert len(set(receipts)) == len(asked)
    after = len([each for each in ring.operate("maker", "get", "/audit", last="1000") if each["event"] == "pull"])
    assert after - before == len(asked)


def test_what_lies_beside_passports_is_the_operators_alone(ring: Ring, reader: Reader) -> None:
    maker = ring.nodes["maker"]
    base = f"http://localhost:{maker.port + 1}/management{BASE}"
    token = (maker.home / "operator.token").read_text().strip()
    before = [reader.listed("/shells"), reader.listed("/submodels")]
    if requests.get(f"{base}/shells/{encoded(SEED_SHELLS[0]['id'])}", headers={"X-Api-Key": token}, timeout=30).status_code == 404:
        plant(base, token)
    assert [reader.listed("/shells"), reader.listed("/submodels")] == before
    unknown = plain(reader.get(f"/submodels/{encoded('urn:x')}"))
    for each in SEED_SUBMODELS:
        assert plain(reader.get(f"/submodels/{encoded(each['id'])}")) == unknown
        assert plain(reader.get(f"/serialization?submodelIds={encoded(each['id'])}")) == unknown
    for each in SEED_SHELLS:
        assert plain(reader.get(f"/shells/{encoded(each['id'])}/asset-information/thumbnail")) == unknown
    link = encoded(json.dumps({"name": "serialNumber", "value": "Press"}))
    assert reader.listed(f"/shells?assetIds={link}") == []
    assert "tools.example" not in reader.get("/serialization?includeConceptDescriptions=true").text


def test_nothing_is_written_from_outside(ring: Ring, reader: Reader) -> None:
    url = ring.nodes["maker"].url + BASE
    headers = {"Authorization": reader.address.authorization} if reader.address else {}
    for method, path in (
        ("POST", "/shells"),
        ("PUT", reader.part("condition")),
        ("PATCH", f"{reader.part('condition')}/$value"),
        ("DELETE", "/submodels/x"),
    ):
        answer = requests.request(method, url + path, json={}, headers=headers, timeout=30)
        assert (answer.status_code, set(answer.json())) == (501, {"messages"})


def test_nothing_that_crossed_the_wire_was_not_granted(ring: Ring) -> None:
    for held in HELD:
        reader = Reader(ring, held)
        reader.listed("/submodels")
        for part in PARTS:
            for form in FORMS:
                reader.get(reader.part(part) + form)
        reader.get(f"/serialization?aasIds={encoded(shell_of(ring, FIRST))}")
    report = ring.leaks(FIRST, SECOND, THIRD)
    assert not report.found, report.found[:5]
