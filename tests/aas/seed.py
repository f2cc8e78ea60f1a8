"""What the official engine wants to find: two shells, a thumbnail, an attachment, and one of every kind of submodel element.

Battery data alone does not have that.  It is written through the operator's own AAS API, as any operator could, and lies beside
passports.  Elements stand inside a collection: the engine reads the list forms of `$metadata` as if they were whole elements.  The one
Property that it takes has no value yet: it calls the bare value that Part 2 v3.1 (PropertyValue) has for `$value` no JSON, so
properties with a value stand in a list, a statement and an annotation, where it does not look, and `test_repository` asks for those.
"""

from __future__ import annotations

import base64
from typing import Any

import requests

SHELLS = ("https://tools.example/shells/press", "https://tools.example/shells/press-type")
SUBMODELS = ("https://tools.example/submodels/everything", "https://tools.example/submodels/little")
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
PDF = b"%PDF-1.4\n%%EOF\n"

Object = dict[str, Any]


def reference(kind: str, *keys: tuple[str, str]) -> Object:
    return {"type": kind, "keys": [{"type": type, "value": value} for type, value in keys]}


def meaning(value: str) -> Object:
    return reference("ExternalReference", ("GlobalReference", f"https://tools.example/meanings/{value}"))


def element(kind: str, name: str, **more: Any) -> Object:
    return {"modelType": kind, "idShort": name, **more}


HERE = reference("ModelReference", ("Submodel", SUBMODELS[0]), ("SubmodelElementCollection", "Everything"))

RATIO = element("Property", "Ratio", valueType="xs:decimal", value="3.70")
POLES = element("Property", "Poles", valueType="xs:int", value="4")
HEAT = element("Range", "Heat", valueType="xs:int", min="5", max="40")
COUNTS = [{"modelType": "Property", "valueType": "xs:integer", "value": value} for value in ("3", "1", "2")]
NOTES = [{"modelType": "MultiLanguageProperty", "value": [{"language": "en", "text": "Oil it."}]}]
HELLO = [{"language": "de", "text": "Guten Tag"}, {"language": "en", "text": "Hello"}]
STAMP = base64.b64encode(b"stamped").decode()

EVERYTHING = [
    element("Property", "Later", valueType="xs:date"),
    element("MultiLanguageProperty", "Greeting", semanticId=meaning("greeting"), value=HELLO),
    element("Range", "Force", valueType="xs:double", min="1.50", max="12.75"),
    element("Blob", "Stamp", contentType="application/octet-stream", value=STAMP),
    element("File", "Manual", contentType="application/pdf"),
    element("ReferenceElement", "Norm", value=meaning("norm")),
    element("RelationshipElement", "Drives", first=HERE, second=HERE),
    element("AnnotatedRelationshipElement", "Turns", first=HERE, second=HERE, annotations=[RATIO]),
    element("Entity", "Motor", entityType="SelfManagedEntity", globalAssetId="https://tools.example/motor", statements=[POLES]),
    element("BasicEventElement", "Stopped", observed=HERE, direction="output", state="on"),
    element("Operation", "Press", inputVariables=[{"value": element("Property", "Strength", valueType="xs:int")}]),
    element("Capability", "Pressing"),
    element("SubmodelElementCollection", "Inner", value=[HEAT]),
    element("SubmodelElementList", "Counts", typeValueListElement="Property", valueTypeListElement="xs:integer", value=COUNTS),
]

SEED_SUBMODELS = [
    {
        "modelType": "Submodel",
        "id": SUBMODELS[0],
        "idShort": "Everything",
        "kind": "Instance",
        "semanticId": meaning("everything"),
        "submodelElements": [
            element("SubmodelElementCollection", "Everything", value=EVERYTHING),
            element("SubmodelElementList", "Notes", typeValueListElement="MultiLanguageProperty", value=NOTES),
        ],
    },
    {"modelType": "Submodel", "id": SUBMODELS[1], "idShort": "Little", "submodelElements": [HEAT]},
]

SEED_SHELLS = [
    {
        "modelType": "AssetAdministrationShell",
        "id": id,
        "idShort": name,
        "assetInformation": {
            "assetKind": kind,
            "globalAssetId": f"https://tools.example/assets/{name}",
            "specificAssetIds": [{"name": "serialNumber", "value": name}],
        },
        "submodels": [reference("ModelReference", ("Submodel", each)) for each in SUBMODELS],
    }
    for id, name, kind in zip(SHELLS, ("Press", "PressType"), ("Instance", "Type"), strict=True)
]

CONCEPT = {"modelType": "ConceptDescription", "id": "https://tools.example/meanings/greeting", "idShort": "Greeting"}


def encoded(id: str) -> str:
    return base64.urlsafe_b64encode(id.encode()).rstrip(b"=").decode()


def plant(base: str, token: str) -> None:
    """Write the seed to an operator's AAS API."""
    session = requests.Session()
    session.headers["X-Api-Key"] = token
    for noun, those in (("submodels", SEED_SUBMODELS), ("shells", SEED_SHELLS), ("concept-descriptions", [CONCEPT])):
        for each in those:
            _done(session.post(f"{base}/{noun}", json=each, timeout=30))
    manual = f"{base}/submodels/{encoded(SUBMODELS[0])}/submodel-elements/Everything.Manual/attachment"
    _done(session.put(manual, data={"fileName": "manual.pdf"}, files={"file": ("manual.pdf", PDF, "application/pdf")}, timeout=30))
    for id in SHELLS:
        picture = f"{base}/shells/{encoded(id)}/asset-information/thumbnail"
        _done(session.put(picture, data={"fileName": "press.png"}, files={"file": ("press.png", PNG, "image/png")}, timeout=30))


def _done(answer: requests.Response) -> None:
    if answer.status_code not in (201, 204):
        raise RuntimeError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}")
