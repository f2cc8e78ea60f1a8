"""Write a passport as an AAS environment that is valid under metamodel 3.0 and 3.1 at once.

For the operator's own export and for AASX: it takes the whole passport.  What a contract lets out goes through
`view.select` and never through here.  Semantic ids and types come from the element table, so an old spelling that was
read leaves at the newest patch; list children carry no idShort, which is what makes both versions agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from submodels.batch import is_elsewhere, text_at
from submodels.documents import entry_identifiers
from submodels.errors import Invalid
from submodels.passport import Passport
from submodels.table import COLLECTION, LIST, PARTS, Node, submodel, tree
from submodels.value import Number, Tree, read_json, write_json
from submodels.verify import problems

DOCUMENT_KIND = "saltbridge:documentKind"  # qualifier on a handover entry; no element of the template says it

Object = dict[str, Tree]


@dataclass(slots=True)
class _Writing:
    """What the builders need besides the values."""

    kinds: Mapping[str, str]  # DocumentIdentifier -> kind
    filenames: frozenset[str]
    under: str  # where a package keeps the files, "" outside of one
    extras: Mapping[str, Object] = field(default_factory=dict)  # of the part at hand: pointer -> attributes
    whole: Mapping[str, Tree] = field(default_factory=dict)  # of the part at hand: pointer -> element without value form

    def without_value(self, pointer: str) -> list[Tree]:
        """The elements of a collection that have no value form, whole as they came."""
        return [element for place, element in self.whole.items() if place.rpartition("/")[0] == pointer]


def passport_to_environment(passport: Passport, remainders: Mapping[str, str] | None = None, *, under: str = "") -> bytes:
    """The passport as AAS JSON: one instance shell, a submodel for each part.

    `remainders` (part key -> a layer's remainder) gives back qualifiers, descriptions and elements without value form;
    a part's is left out again, for this one export, where the result would not be valid with it.  File values that name a
    document of the passport get `under` before them.  Invalid when the values themselves make no valid environment.
    """
    return write_json(environment(passport, remainders, under=under))


def part_elements(part: str, values: Tree, *, filenames: frozenset[str] = frozenset(), under: str = "") -> list[Tree]:
    """The submodel elements that a part's values make, from the element table alone: no remainder, no kind of a document.

    For what was redacted.  File values that name one of `filenames` get `under` before them.
    """
    return list(_elements(tree(part), "", _object(values), _Writing({}, filenames, under)))


def environment(passport: Passport, remainders: Mapping[str, str] | None = None, *, under: str = "") -> Object:
    """The same as a tree."""
    kept = {part: _object(read_json(text)) for part, text in (remainders or {}).items() if text}
    env = _environment(passport, kept, under)
    if kept and problems(env):
        env = _environment(passport, _fitting(passport, kept, under), under)
    trouble = problems(env)
    if trouble:
        raise Invalid(passport.battery, f"cannot be written as a valid AAS: {trouble[0]}", "correct the value and import it again")
    return env


def _fitting(passport: Passport, kept: Mapping[str, Object], under: str) -> dict[str, Object]:
    """The remainders that do no harm, each judged alone: whole, else without concept descriptions, else left out."""
    fitting: dict[str, Object] = {}
    for part, rest in kept.items():
        lighter = {key: value for key, value in rest.items() if key != "concepts"}
        for candidate in (rest, lighter):
            if not problems(_environment(passport, {part: candidate}, under)):
                fitting[part] = candidate
                break
    return fitting


def _environment(passport: Passport, kept: Mapping[str, Object], under: str) -> Object:
    kinds = {each.identifier: each.kind for each in passport.documents if each.kind}
    writing = _Writing(kinds, frozenset(each.filename for each in passport.documents), under)
    present = [part for part in PARTS if isinstance(passport.parts.get(part), dict)]
    parts = {part: _submodel(passport, part, kept.get(part, {}), writing) for part in present}
    concepts = {text_at(each, "id"): each for rest in kept.values() for each in _list(rest.get("concepts"))}
    env: Object = {"assetAdministrationShells": [_shell(passport, kept, [text_at(each, "id") for each in parts.values()])]}
    if parts:
        env["submodels"] = list(parts.values())
    if concepts:
        env["conceptDescriptions"] = list(concepts.values())
    return env


def _shell(passport: Passport, kept: Mapping[str, Object], ids: list[str]) -> Object:
    nameplate = passport.parts.get("nameplate")
    product = text_at(nameplate, "URIOfTheProduct") or f"urn:saltbridge:{passport.battery}"
    serial = text_at(nameplate, "SerialNumber") or passport.battery.removeprefix(f"{passport.model}.")
    named = {
        "manufacturerId": text_at(nameplate, "ManufacturerIdentifier"),
        "manufacturerPartId": passport.model,
        "partInstanceId": serial,
        "digitalTwinType": "PartInstance",
    }
    specific: list[Tree] = [{"name": name, "value": value} for name, value in named.items() if value]
    rest = next((_object(each.get("shell")) for each in kept.values() if each.get("shell")), {})
    shell: Object = {
        **{key: value for key, value in rest.items() if key not in ("assetInformation", "submodels", "derivedFrom")},
        "modelType": "AssetAdministrationShell",
        "id": text_at(rest, "id") or f"{_base(passport)}#shell",
        "assetInformation": {"assetKind": "Instance", "globalAssetId": product, "specificAssetIds": specific},
    }
    if ids:
        shell["submodels"] = [{"type": "ModelReference", "keys": [{"type": "Submodel", "value": each}]} for each in ids]
    return shell


def _base(passport: Passport) -> str:
    """What ids of ours begin with: the passport's own id, when it has one."""
    return text_at(passport.parts.get("metadata"), "digitalProductPassportId") or f"urn:saltbridge:{passport.battery}"


def _submodel(passport: Passport, part: str, kept: Object, writing: _Writing) -> Object:
    about = submodel(part)
    head, writing.whole = _object(kept.get("submodel")), _object(kept.get("whole"))
    writing.extras = {pointer: _object(rest) for pointer, rest in _object(kept.get("elements")).items()}
    elements: list[Tree] = [*_elements(tree(part), "", _object(passport.parts[part]), writing), *writing.without_value("")]
    result: Object = {
        **{key: value for key, value in head.items() if key not in ("submodelElements", "supplementalSemanticIds", "qualifiers")},
        "modelType": "Submodel",
        "id": text_at(head, "id") or f"{_base(passport)}#{part}",
        "idShort": about.id_short,
        "kind": "Instance",
        "semanticId": _reference(about.semantic_id),
    }
    if "administration" not in head and about.template_id:
        result["administration"] = {"version": "1", "revision": "0", "templateId": about.template_id}
    if about.supplemental:
        result["supplementalSemanticIds"] = [_reference(each) for each in about.supplemental]
    if elements:
        result["submodelElements"] = elements
    return result


def _reference(value: str) -> Object:
    return {"type": "ExternalReference", "keys": [{"type": "GlobalReference", "value": value}]}


def _elements(node: Node | None, pointer: str, values: Object, writing: _Writing) -> Iterator[Object]:
    """The children of a collection, in the order of the values."""
    for name, value in values.items():
        if value is not None:
            below = node.children.get(name) if node else None
            yield {"idShort": name, **_element(below, f"{pointer}/{name}", value, writing)}


def _element(node: Node | None, pointer: str, value: Tree, writing: _Writing) -> Object:
    """One element without its idShort."""
    about = node.element if node else None
    extra = {key: rest for key, rest in writing.extras.get(pointer, {}).items() if key not in ("idShort", "value", "contentType")}
    extra = _instance_only(extra)
    kind = about.kind if about else text_at(extra, "modelType") or _guess(value)
    element: Object = {**extra, "modelType": kind}
    if about and about.semantic_id:
        element["semanticId"] = _reference(about.semantic_id)
    if kind == COLLECTION:
        children: list[Tree] = [*_elements(node, pointer, _object(value), writing), *writing.without_value(pointer)]
        element |= _kind_of_document(pointer, value, element, writing)
        return {**element, "value": children} if children else element
    if kind == LIST:
        return element | _list_shape(node, pointer, value, writing)
    if kind == "MultiLanguageProperty":
        pairs = [pair for each in _list(value) for pair in each.items()]
        return {**element, "value": [{"language": language, "text": text} for language, text in pairs]} if pairs else element
    if kind == "File":
        return element | _file(_object(value), writing)
    value_type = about.value_type if about else text_at(extra, "valueType") or _guess_type(value)
    return {**element, "valueType": value_type or "xs:string", "value": _lexical(value)}


def _instance_only(extra: Object) -> Object:
    """Without what belongs to templates (AASd-129): their qualifiers."""
    left: list[Tree] = [each for each in _list(extra.get("qualifiers")) if each.get("kind") != "TemplateQualifier"]
    rest = {key: value for key, value in extra.items() if key != "qualifiers"}
    return {**rest, "qualifiers": left} if left else rest


def _kind_of_document(pointer: str, value: Tree, element: Object, writing: _Writing) -> Object:
    """The qualifier that carries a handover entry's kind, so that it survives an AASX."""
    if not pointer.startswith("/Documents/") or pointer.count("/") != 2:
        return {}
    kinds = sorted({writing.kinds[each] for each in entry_identifiers(value) if each in writing.kinds})
    said: list[Tree] = [{"kind": "ConceptQualifier", "type": DOCUMENT_KIND, "valueType": "xs:string", "value": kind} for kind in kinds[:1]]
    return {"qualifiers": [*_list(element.get("qualifiers")), *said]} if said else {}


def _list_shape(node: Node | None, pointer: str, value: Tree, writing: _Writing) -> Object:
    about, below = (node.element, node.item) if node else (None, None)
    values = value if isinstance(value, list) else []
    children = [_element(below, f"{pointer}/{number}", each, writing) for number, each in enumerate(values)]
    kind = about.item_kind if about else text_at(children[0], "modelType") if children else "Property"
    shape: Object = {"typeValueListElement": kind}
    if kind == "Property":
        told = about.value_type if about else text_at(children[0], "valueType") if children else ""
        shape["valueTypeListElement"] = told or "xs:string"
    if about and not about.ordered:
        shape["orderRelevant"] = False
    if below and below.element and below.element.semantic_id:
        shape["semanticIdListElement"] = _reference(below.element.semantic_id)
    return {**shape, "value": list(children)} if children else shape


def _file(value: Object, writing: _Writing) -> Object:
    place = text_at(value, "value")
    if place in writing.filenames and not is_elsewhere(place):
        place = writing.under + quote(place)
    return {"contentType": text_at(value, "contentType") or "application/octet-stream", "value": place}


def _guess(value: Tree) -> str:
    """The kind of an element that the table does not know."""
    if isinstance(value, dict):
        return "File" if value.keys() == {"contentType", "value"} else COLLECTION
    return LIST if isinstance(value, list) else "Property"


def _guess_type(value: Tree) -> str:
    if isinstance(value, bool):
        return "xs:boolean"
    if isinstance(value, Number):
        return "xs:integer" if value.lstrip("-").isdecimal() else "xs:double"
    return "xs:string"


def _lexical(value: Tree) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else write_json(value).decode()


def _object(value: Tree) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Tree) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
