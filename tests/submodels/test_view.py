"""The only way out: what is granted leaves, nothing else shows - not a name, not a length, not a place."""

from __future__ import annotations

import json
import re
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submodels.audience import PUBLIC_GRANT, Release, class_of, may_see, public_release
from submodels.documents import KINDS, PassportDocument, entry_identifiers, kinds_referred
from submodels.errors import Invalid
from submodels.grant import AttributeGrant, make_grant
from submodels.passport import Passport
from submodels.paths import covers, of_pointer
from submodels.table import CEILINGS, PARTS, Node, every_element, tree
from submodels.value import NUMERIC, Number, Tree, read_json
from submodels.view import EXTERNAL, MISSHAPEN, NO_CLASS, NO_KIND, TWO_KINDS, Redacted, at, outside, part_json, parts_json, select, walk
from submodels.views import READY, ready_view

BATTERY = "EV-72.000017"
MARK = re.compile(r"marker-\d{5}|\d+\.7250")
# What no view may show while points 17, 18 and 19 are pending, in plain words; a footprint's label too.
PENDING_KINDS = {"carbon-footprint-study", "due-diligence-report", "third-party-assurances"}
LABEL = "Carbon footprint label"
REFERENCES = {  # where an identifier of this kind is referred to
    each.refers: each for each in every_element() if each.refers
}


# --- passports to look at --------------------------------------------------------------------------


class Maker:
    """Makes random passports whose every text leaf is unlike any other."""

    def __init__(self, seed: int, keep: float = 0.8, longest: int = 3, junk: bool = True) -> None:
        self.random, self.keep, self.longest, self.junk = Random(seed), keep, longest, junk
        self.count = 0

    def mark(self) -> str:
        self.count += 1
        return f"marker-{self.count:05}"

    def value(self, node: Node) -> Tree:
        element, random = node.element, self.random
        if element is not None and not element.container:
            if self.junk and random.random() < 0.03:
                return random.choice([None, {"odd": self.mark()}, [self.mark()]])
            if element.refers:
                return f"D-{element.refers if random.random() < 0.9 else 'test-reports'}-{random.randrange(2)}"
            if element.kind == "File":
                return {"contentType": "image/png", "value": random.choice(["/files/", "https://elsewhere.example/"]) + self.mark()}
            if element.kind == "MultiLanguageProperty":
                return [{"en": self.mark()}, {"de": self.mark()}]
            if element.value_type == "xs:boolean":
                return random.random() < 0.5
            if element.path[-1] == "MarkingName" and random.random() < 0.3:
                return f"{LABEL} {self.mark()}"
            if element.value_type in NUMERIC:
                self.count += 1
                return Number(f"{self.count + 10_000}.7250")
            return self.mark()
        if node.item is not None:
            return [self.value(node.item) for _ in range(random.randint(0, self.longest))]
        found: dict[str, Tree] = {name: self.value(below) for name, below in node.children.items() if random.random() < self.keep}
        if self.junk and random.random() < 0.1:
            found[f"Unknown{self.mark()}"] = random.choice([self.mark(), {"a": [self.mark()]}, {"0": self.mark()}])
        return found

    def passport(self) -> Passport:
        parts = {part: self.value(tree(part)) for part in PARTS if part != "handover"}
        identifiers = [f"D-{kind}-{number}" for kind in KINDS for number in range(2)]
        parts["handover"] = {"Documents": [self.entry(identifier) for identifier in identifiers if self.random.random() < 0.8]}
        documents = tuple(self.document(identifier) for identifier in identifiers if self.random.random() < 0.8)
        return Passport(battery=BATTERY, model="EV-72", category="ev", revision="3", parts=parts, documents=documents)

    def entry(self, identifier: str) -> Tree:
        entry = tree("handover").children["Documents"].item
        assert entry is not None
        found = self.value(entry)
        assert isinstance(found, dict)
        return {**found, "DocumentIds": [{"DocumentDomainId": self.mark(), "DocumentIdentifier": identifier}]}

    def document(self, identifier: str) -> PassportDocument:
        kind = identifier[2:-2] if self.random.random() < 0.5 else ""
        return _document(identifier, kind)


def _document(identifier: str, kind: str) -> PassportDocument:
    return PassportDocument(
        id=f"EV-72.{identifier}",
        identifier=identifier,
        kind=kind,
        title="T",
        filename="a.pdf",
        media_type="application/pdf",
        size=1,
        sha256="00",
    )


def _passport(documents: tuple[PassportDocument, ...] = (), **parts: object) -> Passport:
    return Passport(
        battery=BATTERY,
        model="EV-72",
        category="ev",
        revision="1",
        parts={part: read_json(json.dumps(found)) for part, found in parts.items()},
        documents=documents,
    )


def _select(passport: Passport, paths: list[str], documents: list[str], ceiling: str) -> Redacted:
    return select(passport, Release(BATTERY, make_grant(paths, documents, ceiling), "peer"))


@st.composite
def grants(draw: st.DrawFn) -> AttributeGrant:
    paths = set()
    for each in draw(st.lists(st.sampled_from(list(every_element())), min_size=1, max_size=8)):
        depth = draw(st.integers(0, len(each.path)))
        paths.add(each.template if depth == len(each.path) else "/".join((each.part, *each.path[:depth], "**")))
    return make_grant(paths, draw(st.sets(st.sampled_from(sorted(KINDS)))), draw(st.sampled_from(CEILINGS)))


seeds = st.integers(0, 100_000)


# --- the promise, judged by a slow and plain reading of the rules ---------------------------------------


def _kind_of(passport: Passport, identifiers: tuple[str, ...]) -> str:
    """The kind, told by the rule's words: the element that refers to it, or as stated; one, or none."""
    kinds = {kind for each in identifiers for kind in kinds_referred(passport.parts).get(each, ())}
    kinds |= {document.kind for document in passport.documents if document.identifier in identifiers and document.kind}
    return kinds.pop() if len(kinds) == 1 else ""


def _granted(passport: Passport, grant: AttributeGrant) -> dict[str, set[tuple[str, ...]]]:
    """Every leaf path of the whole passport that may leave, part by part."""
    found: dict[str, set[tuple[str, ...]]] = {part: set() for part in PARTS}
    for part, whole in passport.parts.items():
        for path, element, value in walk(part, whole):
            if element is None or value is None:
                continue
            siblings = whole
            for segment in path[:-1]:
                siblings = siblings[int(segment)] if isinstance(siblings, list) else siblings[segment]  # type: ignore[index, call-overload]
            if part == "handover":
                entry = whole["Documents"][int(path[1])]  # type: ignore[index, call-overload]
                kind = _kind_of(passport, entry_identifiers(entry))
                audience, named = (KINDS[kind].audience, kind in grant.documents) if kind else (None, False)
                named = named and kind not in PENDING_KINDS
            else:
                audience = class_of(element, siblings if isinstance(siblings, dict) else {})
                named = any(covers(of_pointer(part, pointer), part, path) for pointer in grant.parts.get(part, ()))
            fits = {
                "File": isinstance(value, dict)
                and value.keys() == {"contentType", "value"}
                and (audience == "public" or not str(value["value"]).startswith("https:")),
                "MultiLanguageProperty": isinstance(value, list) and all(isinstance(each, dict) for each in value),
            }.get(element.kind, not isinstance(value, (dict, list)))
            if part == "carbon" or (path[0] == "Markings" and _is_label(whole, path)):
                continue
            if named and may_see(grant.ceiling, audience) and fits:
                found[part].add(path)
    return found


def _is_label(plate: Tree, path: tuple[str, ...]) -> bool:
    entry = plate["Markings"][int(path[1])]  # type: ignore[index, call-overload]
    return LABEL in str(entry.get("MarkingName"))


def _values(part: str, whole: Tree) -> list[Tree]:
    return [value for _, _, value in walk(part, whole)]


@settings(max_examples=60, deadline=None)
@given(seeds, grants())
def test_exactly_the_granted_leaves_leave_in_their_order(seed: int, grant: AttributeGrant) -> None:
    passport = Maker(seed).passport()
    redacted = select(passport, Release(BATTERY, grant, "peer"))
    granted = _granted(passport, grant)
    for part in PARTS:
        wanted = [value for path, _, value in walk(part, passport.parts[part]) if path in granted[part]]
        assert _values(part, redacted.parts[part]) == wanted if wanted else part not in redacted.parts
    assert redacted.leaves == sum(map(len, granted.values()))
    kinds = {document.id: _kind_of(passport, (document.identifier,)) for document in passport.documents}
    granted_kinds = set(grant.documents) - PENDING_KINDS
    may_leave = [key for key, kind in kinds.items() if kind in granted_kinds and may_see(grant.ceiling, KINDS[kind].audience)]
    assert [document.id for document in redacted.documents] == may_leave
    assert all(document.kind == kinds[document.id] for document in redacted.documents)


@settings(max_examples=60, deadline=None)
@given(seeds, grants())
def test_everything_in_a_view_is_allowed_by_path_and_ceiling(seed: int, grant: AttributeGrant) -> None:
    redacted = select(Maker(seed).passport(), Release(BATTERY, grant, "peer"))
    assert outside(grant, redacted.parts) == ()
    for part, whole in redacted.parts.items():
        for path, element, _ in walk(part, whole):
            assert element is not None and grant.allows(part, path)


@settings(max_examples=60, deadline=None)
@given(seeds, grants())
def test_no_empty_container_appears(seed: int, grant: AttributeGrant) -> None:
    def check(value: Tree) -> None:
        if isinstance(value, (dict, list)):
            assert value
            for each in value.values() if isinstance(value, dict) else value:
                check(each)

    for whole in select(Maker(seed).passport(), Release(BATTERY, grant, "peer")).parts.values():
        check(whole)


def _disturbed(node: Node | None, value: Tree, path: tuple[str, ...], kept: set[tuple[str, ...]], random: Random) -> Tree:
    """The same passport to who holds `kept`: other hidden values, hidden names gone or added, list elements of hidden leaves only added."""
    element = node.element if node else None
    if node is None or (element is not None and not element.container):
        if path in kept or (
            element and (element.refers or element.path[-1] in ("IsCriticalRawMaterial", "DocumentIdentifier", "MarkingName"))
        ):
            return value
        return random.choice(["other", None])
    if isinstance(value, list):
        items = [_disturbed(node.item, each, (*path, str(number)), kept, random) for number, each in enumerate(value)]
        for _ in range(random.randint(0, 2)):
            items.insert(random.randint(0, len(items)), random.choice([{"Unknown": "other"}, {}, None]))
        return items
    if not isinstance(value, dict):
        return value
    found = {key: _disturbed(node.children.get(key), each, (*path, key), kept, random) for key, each in value.items()}
    return {**found, "AddedName": "other"}


@settings(max_examples=60, deadline=None)
@given(seeds, grants(), seeds)
def test_the_bytes_are_a_function_of_the_granted_leaves_alone(seed: int, grant: AttributeGrant, other: int) -> None:
    passport = Maker(seed, junk=False).passport()
    granted, random = _granted(passport, grant), Random(other)
    parts = {part: _disturbed(tree(part), whole, (), granted[part], random) for part, whole in passport.parts.items()}
    disturbed = Passport(battery=BATTERY, model="EV-72", category="ev", revision="3", parts=parts, documents=passport.documents)
    one, two = (select(each, Release(BATTERY, grant, "peer")) for each in (passport, disturbed))
    assert parts_json(one) == parts_json(two)
    assert (one.elements, one.leaves, one.documents) == (two.elements, two.leaves, two.documents)


@pytest.mark.parametrize("name", READY)
def test_no_marker_of_a_hidden_leaf_is_in_the_bytes_of_a_ready_view(name: str) -> None:
    passport = Maker(7, keep=1.0, junk=False).passport()
    _, grant = ready_view(name)
    body = parts_json(select(passport, Release(BATTERY, grant, "peer"))).decode()
    granted = _granted(passport, grant)
    for part, whole in passport.parts.items():
        for path, _, value in walk(part, whole):
            marks = MARK.findall(json.dumps(value))
            assert [mark in body for mark in marks] == [path in granted[part]] * len(marks), (part, path)


# --- single rules ----------------------------------------------------------------------------------

MATERIALS = {
    "BatteryMaterials": [
        {"BatteryMaterialName": "Graphite", "BatteryMaterialMass": 51.50, "IsCriticalRawMaterial": False},
        {"BatteryMaterialName": "Cobalt", "BatteryMaterialMass": 12.25, "IsCriticalRawMaterial": True},
        {"BatteryMaterialName": "Iron", "BatteryMaterialMass": 7.75},
    ]
}


def test_a_material_is_named_in_public_only_where_it_is_critical() -> None:
    redacted = select(_passport(materials=MATERIALS), public_release(BATTERY))
    assert redacted.parts == {
        "materials": {
            "BatteryMaterials": [{"IsCriticalRawMaterial": False}, {"BatteryMaterialName": "Cobalt", "IsCriticalRawMaterial": True}]
        }
    }


def test_a_list_element_without_a_granted_leaf_disappears() -> None:
    redacted = _select(_passport(materials=MATERIALS), ["materials/BatteryMaterials/*/BatteryMaterialName"], [], "public")
    assert parts_json(redacted) == b'{"materials":{"BatteryMaterials":[{"BatteryMaterialName":"Cobalt"}]}}'
    assert at(redacted, "materials", "/BatteryMaterials/0/BatteryMaterialName") == "Cobalt"


def test_numbers_leave_as_they_were_written() -> None:
    passport = _passport()
    passport = Passport(
        battery=BATTERY, model="EV-72", category="ev", revision="1", parts={"circularity": read_json('{"RenewableContent":3.70}')}
    )
    redacted = select(passport, public_release(BATTERY))
    assert part_json(redacted, "circularity") == b'{"RenewableContent":3.70}'
    with pytest.raises(KeyError):
        part_json(redacted, "materials")


def test_neither_recyclers_see_test_reports_nor_authorities_use_data() -> None:
    passport = _passport(
        nameplate={"ResultsOfTestReportsProvingCompliance": ["T-1"], "LifeCycleStage": "original"},
        circularity={"DismantlingAndRemovalInformation": ["M-1"]},
        condition={"StateOfCharge": {"StateOfChargeValue": 70}},
    )
    everything = [f"{part}/**" for part in PARTS]
    interest, authorities = (_select(passport, everything, [], ceiling) for ceiling in ("legitimate-interest", "authorities"))
    assert interest.parts.keys() == {"nameplate", "circularity", "condition"}
    assert interest.parts["nameplate"] == {"LifeCycleStage": "original"}
    assert authorities.parts == {
        "nameplate": {"ResultsOfTestReportsProvingCompliance": ["T-1"]},
        "circularity": {"DismantlingAndRemovalInformation": ["M-1"]},
    }
    assert _select(passport, everything, [], "contract").parts == passport.parts
    assert select(passport, public_release(BATTERY)).parts == {}


def _entry(identifier: str, title: str, file: str = "/docs/a.pdf") -> dict[str, object]:
    return {
        "DocumentIds": [{"DocumentDomainId": "maker", "DocumentIdentifier": identifier}],
        "DocumentVersions": [{"Title": [{"en": title}], "DigitalFiles": [{"contentType": "application/pdf", "value": file}]}],
    }


def test_a_handover_entry_travels_with_its_document() -> None:
    passport = _passport(
        documents=(
            _document("M-1", ""),
            _document("T-1", ""),
            _document("C-1", "cycle-life-test"),
            _document("X-1", ""),
            _document("Y-1", ""),
        ),
        handover={"Documents": [_entry(each, f"title {each}") for each in ("M-1", "T-1", "C-1", "X-1", "Y-1")]},
        nameplate={"ResultsOfTestReportsProvingCompliance": ["T-1", "Y-1"]},
        circularity={"DismantlingAndRemovalInformation": ["M-1", "Y-1"]},
    )

    def titles(redacted: Redacted) -> list[object]:
        return [value[0]["en"] for _, _, value in walk("handover", redacted.parts.get("handover")) if isinstance(value, list)]  # type: ignore[index, call-overload]

    recycler = _select(passport, ["circularity/**"], ["dismantling-manual"], "legitimate-interest")
    assert titles(recycler) == ["title M-1"] and [each.identifier for each in recycler.documents] == ["M-1"]
    assert recycler.elements == 1  # the entry counts as a document
    public = select(passport, public_release(BATTERY))
    assert titles(public) == ["title C-1"] and [each.kind for each in public.documents] == ["cycle-life-test"]
    paths_only = _select(passport, ["handover/**"], [], "contract")
    assert paths_only.parts == {} and paths_only.documents == ()
    everyone = _select(passport, ["nameplate/**"], sorted(KINDS), "contract")
    assert [each.identifier for each in everyone.documents] == ["M-1", "T-1", "C-1"]
    assert {(each.path, each.reason) for each in everyone.withheld if each.part == "documents"} == {("", NO_KIND), ("", TWO_KINDS)}


def test_a_file_elsewhere_stays_unless_it_is_public() -> None:
    urls = [
        "https://files.example/a.pdf",
        "//files.example/a.pdf",
        "ftp:x",
        "file:///etc/a",
        "\\\\host\\a",
        " https://files.example/a.pdf",
        "HTTPS:a",
    ]
    passport = _passport(
        documents=(_document("M-1", ""),),
        handover={"Documents": [_entry("M-1", "manual", url) for url in urls] + [_entry("M-1", "manual", "docs/a b.pdf")]},
        circularity={"DismantlingAndRemovalInformation": ["M-1"]},
        nameplate={"Markings": [{"MarkingFile": {"contentType": "image/png", "value": "https://files.example/ce.png"}}]},
    )
    redacted = _select(passport, ["nameplate/**"], ["dismantling-manual"], "legitimate-interest")
    body = parts_json(redacted).decode()
    assert "docs/a b.pdf" in body and "ce.png" in body
    assert body.count("application/pdf") == 1 and body.count("manual") == len(urls) + 1
    assert [each.count for each in redacted.withheld if each.reason == EXTERNAL] == [len(urls)]


def test_what_is_not_understood_stays() -> None:
    passport = _passport(
        nameplate={
            "SerialNumber": {"hidden": "marker"},
            "ManufacturerName": [{"en": {"hidden": "marker"}}],
            "Unknown": "marker",
            "AddressInformation": "marker",
            "Markings": {"0": {"MarkingName": "marker"}, "MarkingName": "marker"},
            "EUDeclarationOfConformity": [["marker"], {"a": "marker"}],
            "*": {"MarkingName": "marker"},
        },
        handover={"Documents": {"0": "marker"}, "Other": "marker"},
        metadata=["marker"],
    )
    redacted = _select(passport, [f"{part}/**" for part in PARTS], sorted(KINDS), "contract")
    assert redacted.parts == {} and redacted.leaves == redacted.elements == 0
    assert {each.reason for each in redacted.withheld} == {NO_CLASS, MISSHAPEN}


def test_reasons_name_the_law_before_the_view() -> None:
    passport = _passport(
        nameplate={"ResultsOfTestReportsProvingCompliance": ["T-1"], "SerialNumber": "7", "LifeCycleStage": "original"}, materials=MATERIALS
    )
    redacted = _select(passport, ["materials/BatteryMaterials/*/BatteryMaterialName"], [], "legitimate-interest")
    assert {(each.path, each.reason, each.count, each.annex) for each in redacted.withheld} == {
        ("/ResultsOfTestReportsProvingCompliance/*", "authorities only, Art. 77(2)(b)", 1, ("3",)),
        ("/SerialNumber", "not in this view", 1, ("1(a)",)),
        ("/LifeCycleStage", "not in this view", 1, ("4(c)",)),
        ("/BatteryMaterials/*/BatteryMaterialMass", "not in this view", 3, ("2(a)",)),
        ("/BatteryMaterials/*/IsCriticalRawMaterial", "not in this view", 2, ("1(b)",)),
    }
    assert b"T-1" not in parts_json(redacted)


def test_the_operator_reads_everything() -> None:
    passport = Maker(3).passport()
    redacted = select(passport, Release(BATTERY, PUBLIC_GRANT, "operator", operator=True))
    assert redacted.parts == passport.parts and len(redacted.documents) == len(passport.documents)


def test_a_release_for_another_battery_lets_nothing_out() -> None:
    with pytest.raises(Invalid):
        select(_passport(materials=MATERIALS), public_release("EV-72.000018"))


@pytest.mark.parametrize(
    "pointer", ["/BatteryMaterials/2", "/BatteryMaterials/-1", "/BatteryMaterials/x", "/Nothing", "/BatteryMaterials/0/BatteryMaterialMass"]
)
def test_what_is_not_in_the_view_is_not_there(pointer: str) -> None:
    redacted = select(_passport(materials=MATERIALS), public_release(BATTERY))
    with pytest.raises(KeyError):
        at(redacted, "materials", pointer)
    with pytest.raises(Invalid):
        at(redacted, "materials", "BatteryMaterials")


def test_a_consumer_notices_what_it_was_not_granted() -> None:
    grant = make_grant(["materials/BatteryMaterials/*/BatteryMaterialName"], [], "legitimate-interest")
    found = read_json('{"BatteryMaterials":[{"BatteryMaterialName":"Cobalt","BatteryMaterialMass":3}],"Other":"x"}')
    assert outside(grant, {"materials": found, "nonsense": "x"}) == (
        "materials/BatteryMaterials/0/BatteryMaterialMass",
        "materials/Other",
        "nonsense/",
    )


def test_every_referring_element_has_a_kind() -> None:
    assert REFERENCES.keys() == KINDS.keys() - {"due-diligence-report", "third-party-assurances", "cycle-life-test"}


# --- what may not be shown yet ------------------------------------------------------------------------


def test_pending_points_are_in_no_view_whoever_asks_and_the_note_says_why() -> None:
    passport = Maker(7, keep=1.0, junk=False).passport()
    for name in READY:
        redacted = select(passport, Release(BATTERY, ready_view(name)[1], "peer", day=date(2027, 2, 18)))
        assert "carbon" not in redacted.parts
        assert not {document.kind for document in redacted.documents} & PENDING_KINDS
        assert LABEL not in parts_json(redacted).decode()
    seen = select(passport, public_release(BATTERY, date(2027, 2, 18)))
    reasons = {each.reason for each in seen.withheld if each.part == "carbon"}
    assert reasons == {
        "pending, not to be shown yet (data point 17)",
        "pending, not to be shown yet (data point 18)",
    }
    assert any(each.part == "nameplate" and each.path == "/Markings/*" and "point 18" in each.reason for each in seen.withheld)


def test_a_release_without_a_day_shows_nothing_that_was_ever_pending_from_the_beginning() -> None:
    passport = Maker(7, keep=1.0, junk=False).passport()
    assert parts_json(select(passport, public_release(BATTERY))) == parts_json(select(passport, public_release(BATTERY, date(2027, 1, 1))))


def test_the_operator_reads_pending_points_too() -> None:
    passport = Maker(7, keep=1.0, junk=False).passport()
    assert "carbon" in select(passport, Release(BATTERY, PUBLIC_GRANT, "operator", operator=True)).parts
