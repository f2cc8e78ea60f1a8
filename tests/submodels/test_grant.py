"""AttributeGrant: canonical bytes, decided from path and grant alone."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submodels.documents import KINDS
from submodels.errors import Invalid
from submodels.grant import AttributeGrant, make_grant, parse_grant
from submodels.table import CEILINGS, PARTS, elements, every_element

NAME = "materials/BatteryMaterials/*/BatteryMaterialName"
MASS = "materials/BatteryMaterials/*/BatteryMaterialMass"


@st.composite
def grants(draw: st.DrawFn) -> AttributeGrant:
    paths = set()
    for each in draw(st.lists(st.sampled_from(list(every_element())), min_size=1, max_size=6)):
        depth = draw(st.integers(0, len(each.path)))
        paths.add(each.template if depth == len(each.path) else "/".join((each.part, *each.path[:depth], "**")))
    return make_grant(paths, draw(st.sets(st.sampled_from(sorted(KINDS)))), draw(st.sampled_from(CEILINGS)))


@given(grants())
def test_a_grant_survives_its_canonical_bytes(grant: AttributeGrant) -> None:
    assert parse_grant(grant.canonical()) == parse_grant(grant.canonical().encode()) == grant
    assert parse_grant(grant.canonical()).digest == grant.digest
    assert hash(parse_grant(grant.canonical())) == hash(grant)


def test_the_digest_is_sha256_of_rfc_8785_bytes() -> None:
    grant = make_grant([MASS, NAME], ["safety-measures"], "legitimate-interest")
    text = (
        '{"ceiling":"legitimate-interest","documents":["safety-measures"],'
        '"parts":{"materials":["/BatteryMaterials/*/BatteryMaterialMass","/BatteryMaterials/*/BatteryMaterialName"]},'
        '"proofs":[],"signature":"none","version":1}'
    )
    assert grant.canonical() == text
    assert grant.digest == urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    assert len(grant.digest) == 43


def _changed(**fields: object) -> str:
    found = json.loads(make_grant([NAME], ["safety-measures"], "public").canonical())
    return json.dumps({**found, **fields}, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        _changed() + " ",
        _changed().replace('"version":1', '"version":1.0'),
        _changed().replace('"version":1', '"version":"1"'),
        _changed().replace('"version":1', '"version":1,"version":1'),
        _changed(extra=1),
        _changed(version=2),
        _changed(signature="sd-jwt"),
        _changed(proofs=["/recycledContent>=16"]),
        _changed(ceiling="everything"),
        _changed(ceiling=None),
        _changed(documents=["secrets"]),
        _changed(documents=["test-reports", "safety-measures"]),
        _changed(documents="safety-measures"),
        _changed(parts={"materials": []}),
        _changed(parts={"materials": ["/B", "/A"]}),
        _changed(parts={"materials": ["/A", "/A"]}),
        _changed(parts={"materials": ["A"]}),
        _changed(parts={"materials": ["/A/**/B"]}),
        _changed(parts={"others": ["/A"]}),
        _changed(parts=[]),
    ],
)
def test_only_canonical_bytes_of_a_known_form_are_a_grant(text: str) -> None:
    with pytest.raises(Invalid):
        parse_grant(text)


@pytest.mark.parametrize(
    ("path", "next"),
    [
        ("technical/TechnicalPropertyAreas/PowerCapability/RatioNorminalBatteryPowerAndBatteryEnergy", "RatioNominalBatteryPower"),
        ("nameplate/AddressInformation/ZipCode", "nameplate/AddressInformation/Zipcode"),
        ("condition/RemainingPowerCapability/RemainingPowerCapabilityValue/AtSoC", "RemainingPowerCapabilityDynamicAt"),
        ("circularity/SparePartSources", "circularity/SparePartSources/**"),
        ("nameplate/SerialNumbr", "nameplate/SerialNumber"),
        ("circularty/**", "circularity"),
        ("materials", "materials/**"),
        ("materials/Xyzzy", "BatteryChemistry, BatteryMaterials"),
    ],
)
def test_a_path_that_names_nothing_is_refused_with_a_suggestion(path: str, next: str) -> None:
    with pytest.raises(Invalid) as caught:
        make_grant([path], [], "public")
    assert next in caught.value.next


def test_a_grant_of_nothing_is_refused() -> None:
    with pytest.raises(Invalid):
        make_grant([], [], "public")


def test_what_is_outside_the_grant_is_told_without_data() -> None:
    grant = make_grant([NAME, "circularity/SparePartSources/**"], ["dismantling-manual"], "legitimate-interest")
    allowed = [
        "/BatteryMaterials/3/BatteryMaterialName",
        "/BatteryMaterials/*/BatteryMaterialName",
        "/BatteryMaterials/0",
        "/BatteryMaterials",
        "",
    ]
    refused = [
        "/BatteryMaterials/3/BatteryMaterialMass",
        "/BatteryChemistry",
        "/Nonsense",
        "/BatteryMaterials/x",
        "/BatteryMaterials/0/BatteryMaterialName/0",
    ]
    assert all(grant.allows("materials", path) for path in allowed)
    assert not any(grant.allows("materials", path) for path in refused)
    assert not grant.allows("nameplate", "") and not grant.allows("nonsense", "/A")
    assert grant.allows("circularity", ["SparePartSources", "1", "Components", "0", "PartNumber"])
    assert grant.allows("handover", ["Documents", "0"])


def test_the_ceiling_is_part_of_what_a_grant_allows() -> None:
    public = make_grant(["nameplate/**", "materials/**", "condition/**"], [], "public")
    assert public.allows("nameplate", "/SerialNumber") and not public.allows("nameplate", "/LifeCycleStage")
    assert public.allows("materials", "/BatteryMaterials/0/BatteryMaterialName")  # public where the material is critical
    assert not public.allows("materials", "/BatteryMaterials/0/BatteryMaterialMass")
    assert not public.allows("condition", "")
    assert not public.allows("handover", "/Documents")


def test_handover_entries_go_with_documents_not_with_paths() -> None:
    assert not make_grant(["handover/**"], [], "contract").allows("handover", "/Documents")
    assert make_grant([], ["safety-measures"], "contract").allows("handover", "/Documents/0/DocumentVersions/0/Title")
    assert not make_grant([], ["safety-measures"], "public").allows("handover", "/Documents")


@given(grants(), grants())
def test_what_a_contained_grant_allows_the_wider_allows(wider: AttributeGrant, narrower: AttributeGrant) -> None:
    if wider.contains(narrower):
        assert narrower.reach <= wider.reach
        assert narrower.kinds <= wider.kinds


@given(grants(), grants())
def test_a_union_contains_both(one: AttributeGrant, other: AttributeGrant) -> None:
    paths = [part + pointer for grant in (one, other) for part, pointers in grant.parts.items() for pointer in pointers]
    union = make_grant(paths, {*one.documents, *other.documents}, "contract")
    assert union.contains(one) and union.contains(other) and union.contains(union)


def test_a_narrower_ceiling_or_kind_does_not_contain() -> None:
    wide = make_grant([f"{part}/**" for part in PARTS], KINDS, "contract")
    authorities, interest = (
        make_grant([f"{part}/**" for part in PARTS], KINDS, ceiling) for ceiling in ("authorities", "legitimate-interest")
    )
    assert wide.contains(authorities) and wide.contains(interest)
    assert not authorities.contains(interest) and not interest.contains(authorities) and not interest.contains(wide)
    assert not make_grant(["materials/**"], [], "contract").contains(make_grant(["materials/**"], ["accidents"], "contract"))
    assert len(wide.elements) == sum(len(elements(part)) for part in PARTS if part != "handover")
