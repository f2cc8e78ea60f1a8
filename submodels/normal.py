"""Normal JSON of AAS for what was redacted: a battery's submodels and shell, a model's, and environments of several.

Takes `Redacted` values only, so that no form of a passport can show more than its view.  Everything comes from the element
table; number tokens stay as they were written; children of lists carry no idShort, so that the result is valid under metamodel 3.0
and 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from submodels.batch import is_elsewhere, text_at
from submodels.documents import PassportDocument, entry_identifiers
from submodels.environment import part_elements
from submodels.idshort import Path
from submodels.projection import Object, reference
from submodels.table import PARTS, submodel
from submodels.twin import MAKER, PART, TWIN_TYPE, AssetId, Twin, id_short
from submodels.value import Tree
from submodels.view import Redacted

TYPE = "PartType"


@dataclass(frozen=True, slots=True)
class Names:
    """How a shell and its submodels are called; `type` is a model's."""

    twin: Twin
    type: bool = False
    derived_from: str = ""  # the model's shell


def model_names(redacted: Redacted) -> Names:
    """The names of a model: `urn:saltbridge:<model>#shell` and so on."""
    ours = f"urn:saltbridge:{redacted.model}"
    called = f"{ours}#shell"
    said = {MAKER: text_at(redacted.parts.get("nameplate"), "ManufacturerIdentifier"), PART: redacted.model, TWIN_TYPE: TYPE}
    ids = tuple(AssetId(name, value) for name, value in said.items() if value)
    return Names(Twin(battery=redacted.model, shell=called, products=(ours,), ids=ids), type=True)


def parts_of(redacted: Redacted) -> tuple[str, ...]:
    """The parts that have anything to show."""
    return tuple(part for part in PARTS if isinstance(redacted.parts.get(part), dict))


def part_submodel(names: Names, part: str, redacted: Redacted, *, under: str = "") -> Object:
    """One part as a submodel; KeyError when nothing of it is in the view.  `under`: where a package keeps files of ours."""
    about = submodel(part)
    filenames = frozenset(each.filename for each in redacted.documents) if under else frozenset()
    elements = part_elements(part, redacted.parts[part], filenames=filenames, under=under)
    found: Object = {
        "modelType": "Submodel",
        "id": names.twin.submodel(part),
        "idShort": about.id_short,
        "kind": "Instance",
        "semanticId": external(about.semantic_id),
    }
    if about.template_id:
        found["administration"] = {"version": "1", "revision": "0", "templateId": about.template_id}
    if about.supplemental:
        found["supplementalSemanticIds"] = [external(each) for each in about.supplemental]
    return {**found, "submodelElements": elements} if elements else found


def shell(names: Names, redacted: Redacted) -> Object:
    """The shell of a battery or a model: who it is as far as anyone may know, and references to the submodels of this view."""
    twin = names.twin
    specific: list[Tree] = [{"name": id.name, "value": id.value} for id in twin.ids]
    asset: Object = {"assetKind": "Type" if names.type else "Instance", "globalAssetId": twin.products[0]}
    if specific:
        asset["specificAssetIds"] = specific
    if picture := _picture(redacted):
        asset["defaultThumbnail"] = {"path": picture[0], "contentType": picture[1]}
    found: Object = {
        "modelType": "AssetAdministrationShell",
        "id": twin.shell,
        "idShort": id_short(twin.battery),
        "assetInformation": asset,
    }
    if names.derived_from:
        found["derivedFrom"] = reference("AssetAdministrationShell", names.derived_from)
    if parts := parts_of(redacted):
        found["submodels"] = [reference("Submodel", twin.submodel(part)) for part in parts]
    return found


def environment(shells: Sequence[Object], submodels: Sequence[Object], concepts: Sequence[Object] = ()) -> Object:
    """Several of them as one AAS environment; empty lists are left out (the metamodel has none)."""
    lists = {"assetAdministrationShells": shells, "submodels": submodels, "conceptDescriptions": concepts}
    return {name: list(each) for name, each in lists.items() if each}


def external(value: str) -> Object:
    """A reference to something outside of any shell."""
    return {"type": "ExternalReference", "keys": [{"type": "GlobalReference", "value": value}]}


def document_at(redacted: Redacted, part: str, path: Path, file: Object) -> PassportDocument | None:
    """The document of this view that a File element names; None for a file elsewhere and for one that is not in the view."""
    place = str(file.get("value", ""))
    named = [each for each in redacted.documents if each.filename == place and not is_elsewhere(place)]
    if part == "handover" and path[:1] == ("Documents",) and len(path) > 1 and isinstance(path[1], int):
        identifiers = _entry(redacted, path[1])
        named = [each for each in named if each.identifier in identifiers] or named
    return named[0] if named else None


def thumbnail(redacted: Redacted) -> PassportDocument | None:
    """The document behind the picture of a shell, where it is one of ours and in the view."""
    picture = _picture(redacted)
    return next((each for each in redacted.documents if picture and each.filename == picture[0]), None)


def _entry(redacted: Redacted, number: int) -> Iterable[str]:
    handover = redacted.parts.get("handover")
    listed = handover.get("Documents") if isinstance(handover, dict) else None
    return entry_identifiers(listed[number]) if isinstance(listed, list) and number < len(listed) else ()


def _picture(redacted: Redacted) -> tuple[str, str] | None:
    """(path, content type) of the first product image that this view shows."""
    technical = redacted.parts.get("technical")
    general = technical.get("GeneralInformation") if isinstance(technical, dict) else None
    images = general.get("ProductImages") if isinstance(general, dict) else None
    first = images[0] if isinstance(images, list) and images else None
    path, kind = text_at(first, "value"), text_at(first, "contentType")
    return (path, kind or "application/octet-stream") if path else None
