"""Documents: a kind decides, and exactly one kind is needed."""

from __future__ import annotations

from submodels.documents import KINDS, MEDIA_TYPES, PassportDocument, entry_identifiers, kinds_of, kinds_referred, kinds_stated
from submodels.table import Audience
from submodels.value import Tree


def document(identifier: str, kind: str = "") -> PassportDocument:
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


PARTS: dict[str, Tree] = {
    "nameplate": {"EUDeclarationOfConformity": ["D-1"], "ResultsOfTestReportsProvingCompliance": ["D-2", "D-3"]},
    "carbon": {
        "ProductCarbonFootprints": [{"WebLinkToPublicCarbonFootprintStudy": ["D-4"]}, {}, {"WebLinkToPublicCarbonFootprintStudy": ["D-5"]}]
    },
    "condition": {"InformationOnAccidents": ["D-6"]},
    "circularity": {
        "DismantlingAndRemovalInformation": ["D-7", "D-3"],
        "SafetyMeasures": {"SafetyInstructions": ["D-8"], "ExtinguishingAgents": ["Water"]},
        "EndOfLifeInformation": {"WastePrevention": ["D-9"], "SeparateCollection": ["D-10"], "InformationOnCollection": ["D-11"]},
    },
}


def test_each_referring_element_gives_its_kind() -> None:
    referred = kinds_referred(PARTS)
    assert {identifier: "".join(kinds) for identifier, kinds in referred.items() if len(kinds) == 1} == {
        "D-1": "declaration-of-conformity",
        "D-2": "test-reports",
        "D-4": "carbon-footprint-study",
        "D-5": "carbon-footprint-study",
        "D-6": "accidents",
        "D-7": "dismantling-manual",
        "D-8": "safety-measures",
        "D-9": "waste-prevention",
        "D-10": "separate-collection",
        "D-11": "collection-second-life",
    }
    assert referred["D-3"] == {"test-reports", "dismantling-manual"}


def test_a_stated_kind_counts_as_one_more_reference() -> None:
    stated, referred = (
        kinds_stated([document("D-8", "test-reports"), document("D-12", "cycle-life-test"), document("D-13")]),
        kinds_referred(PARTS),
    )
    assert kinds_of(["D-8"], stated, referred) == {"safety-measures", "test-reports"}
    assert kinds_of(["D-12"], stated, referred) == {"cycle-life-test"}
    assert kinds_of(["D-13"], stated, referred) == kinds_of([], stated, referred) == frozenset()


def test_misshapen_references_refer_to_nothing() -> None:
    assert (
        kinds_referred(
            {
                "nameplate": {"EUDeclarationOfConformity": "D-1"},
                "circularity": [],
                "condition": {"InformationOnAccidents": [{"a": "b"}, None]},
            }
        )
        == {}
    )
    assert entry_identifiers({"DocumentIds": [{"DocumentIdentifier": "A"}, {}, {"DocumentIdentifier": "B"}]}) == ("A", "B")
    assert entry_identifiers("A") == ()


def test_nothing_that_a_browser_runs_is_a_document() -> None:
    assert not [media_type for media_type in MEDIA_TYPES if any(word in media_type for word in ("html", "svg", "script", "xml;"))]


def test_who_may_have_a_kind() -> None:
    restricted = {key: kind.audience for key, kind in KINDS.items() if kind.audience is not Audience.PUBLIC}
    assert restricted == {
        "dismantling-manual": Audience.BOTH,
        "safety-measures": Audience.BOTH,
        "accidents": Audience.LEGITIMATE,
        "test-reports": Audience.AUTHORITIES,
    }
