"""Read an AAS environment (JSON of instances and of the official templates) as a Batch.

Elements are matched by their place (names from the root), never by semantic id alone: Part 4 gives two elements one id,
and patch versions contradict each other.  aas-core verifies under metamodel 3.1 and 3.0; what it finds is reported, not
refused, because IDTA's own files break AASd-120.  What has no place in a value tree (qualifiers, descriptions, concept
descriptions, unknown elements) goes into each layer's `remainder`, for the operator's export.  Writing: `environment`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from submodels.batch import Batch, BatteryIn, DocumentIn, Files, LayerIn, aliases, in_order, safe_id, text_at
from submodels.environment import DOCUMENT_KIND, passport_to_environment
from submodels.errors import Finding, Invalid
from submodels.table import COLLECTION, LIST, Node, part_of, submodels, tree
from submodels.value import Tree, normalise, read_json, typed, write_json
from submodels.verify import findings_of

__all__ = ["environment_to_batch", "passport_to_environment"]


Object = dict[str, Tree]


@dataclass(slots=True)
class _Reading:
    """One submodel being read: its values, what is left over, and what was odd."""

    part: str
    id: str
    template: bool
    tree: Tree = None
    elements: dict[str, Tree] = field(default_factory=dict)  # pointer -> attributes that are no value
    whole: dict[str, Tree] = field(default_factory=dict)  # pointer -> element that has no value form
    document_kinds: dict[int, str] = field(default_factory=dict)
    listed: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remainder: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shell:
    type: bool  # a model's shell
    model: str  # manufacturerPartId
    name: str  # what it is called otherwise
    serial: str
    references: frozenset[str]
    remainder: Object


def environment_to_batch(source: bytes | str | Object, files: Mapping[str, bytes] | None = None) -> Batch:
    """The environment's battery parts as one Batch, a draft if it is made of templates; `files` came along with it.

    Invalid when it is no AAS environment, holds no part of a battery passport, or says one part twice for one owner.
    """
    env = _environment(source)
    findings = list(findings_of(env))
    readings = []
    for submodel in _objects(env.get("submodels")):
        part = _part(submodel)
        if part is None:
            name = text_at(submodel, "idShort") or text_at(submodel, "id")
            findings.append(Finding(f"submodel {name[:80]}", "is no part of a battery passport; not imported"))
            continue
        readings.append(_read(part, submodel))
    if not readings:
        raise Invalid("environment", "holds no part of a battery passport", "the parts are IDTA 02035-1 to -7 and 02099-1")
    _keep_concepts(readings, _objects(env.get("conceptDescriptions")))
    for reading in readings:
        findings.extend(reading.findings)
    if any(reading.template for reading in readings):
        return _draft(readings, findings, files or {})
    return _instances(readings, [_shell(each) for each in _objects(env.get("assetAdministrationShells"))], findings, files or {})


def _environment(source: bytes | str | Object) -> Object:
    read = partial(read_json, where="environment", max_bytes=64 * 1024 * 1024, nodes=2_000_000)
    found = source if isinstance(source, dict) else read(source)
    if not isinstance(found, dict):
        raise Invalid("environment", "is not a JSON object", "send an AAS environment: assetAdministrationShells, submodels")
    return found


def _objects(found: Tree) -> list[Object]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _ids(reference: Tree) -> Iterator[str]:
    keys = reference.get("keys") if isinstance(reference, dict) else None
    return (text_at(key, "value") for key in _objects(keys))


def _part(submodel: Object) -> str | None:
    """The part a submodel is: by its semantic ids at any patch version, else by its idShort."""
    more = (each for reference in _objects(submodel.get("supplementalSemanticIds")) for each in _ids(reference))
    part = part_of(*_ids(submodel.get("semanticId")), *more)
    return part or next((each.part for each in submodels().values() if each.id_short == submodel.get("idShort")), None)


# --- one submodel --------------------------------------------------------------------------------

_SHAPE = ("idShort", "modelType", "value", "valueType", "contentType", "semanticId")
_LIST_SHAPE = ("typeValueListElement", "valueTypeListElement", "orderRelevant", "semanticIdListElement")


def _read(part: str, submodel: Object) -> _Reading:
    reading = _Reading(part, text_at(submodel, "id"), submodel.get("kind") == "Template")
    raw: Object = dict(_named(reading, tree(part), "", _objects(submodel.get("submodelElements"))))
    reading.tree, odd = normalise(part, raw)
    reading.findings.extend(odd)
    head = {key: value for key, value in submodel.items() if key not in ("submodelElements", "modelType", "semanticId", "kind")}
    reading.remainder = {"submodel": head, "elements": reading.elements, "whole": reading.whole}
    return reading


def _named(reading: _Reading, node: Node | None, pointer: str, children: list[Object]) -> Iterator[tuple[str, Tree]]:
    """The values of a collection's children under their names at the newest patch."""
    for child in children:
        said = text_at(child, "idShort")
        name = node.aliases.get(said, said) if node and said not in node.children else said
        value = _value(reading, node.children.get(name) if node else None, f"{pointer}/{name}", child)
        if value is not None:
            yield name, value


def _value(reading: _Reading, node: Node | None, pointer: str, element: Object) -> Tree:
    """The `$value` of an element; None when it has none.  Notes everything else about it."""
    kind = text_at(element, "modelType")
    reading.listed.append(Finding(reading.part + re.sub(r"/\d+(?=/|$)", "/*", pointer), _about(kind, element), "fill it in"))
    if kind not in _VALUES:
        reading.whole[pointer] = element
        reading.findings.append(Finding(reading.part + pointer, f"a {kind[:40] or 'nameless'} has no value here; kept for export only"))
        return None
    _keep(reading, node, pointer, element, kind)
    content = element.get("value")
    if kind == COLLECTION:
        return dict(_named(reading, node, pointer, _objects(content)))
    if kind == LIST:
        numbered = ((number, child) for number, child in enumerate(_objects(content)))
        values = [_value(reading, node.item if node else None, f"{pointer}/{number}", child) for number, child in numbered]
        return [value for value in values if value is not None]
    if kind == "MultiLanguageProperty":
        texts: list[Tree] = [{text_at(each, "language"): text_at(each, "text")} for each in _objects(content)]
        return texts or None
    if type(content) is not str or not content:  # XML writes an empty value where JSON leaves it out
        return None
    if kind == "File":
        return {"contentType": text_at(element, "contentType"), "value": content}
    return _scalar(reading, node, pointer, text_at(element, "valueType"), content)


_VALUES = ("Property", "MultiLanguageProperty", "File", COLLECTION, LIST)


def _scalar(reading: _Reading, node: Node | None, pointer: str, said: str, content: str) -> Tree:
    element = node.element if node else None
    value_type = element.value_type if element and element.value_type else said
    try:
        return typed(value_type, content)
    except Invalid as error:
        reading.findings.append(Finding(reading.part + pointer, error.what, error.next, "error"))
        return content


def _keep(reading: _Reading, node: Node | None, pointer: str, element: Object, kind: str) -> None:
    """Note what is no value: everything of an unknown element, of a known one what the element table does not say."""
    drop = _SHAPE + _LIST_SHAPE if node and node.element else ("idShort", "value", "contentType")
    rest: Object = {key: value for key, value in element.items() if key not in drop}
    if reading.part == "handover" and kind == COLLECTION and pointer.startswith("/Documents/") and pointer.count("/") == 2:
        qualifiers = _objects(rest.get("qualifiers"))
        said = next((text_at(each, "value") for each in qualifiers if each.get("type") == DOCUMENT_KIND), "")
        if said:
            reading.document_kinds[int(pointer.rpartition("/")[2])] = said
            others: list[Tree] = [each for each in qualifiers if each.get("type") != DOCUMENT_KIND]
            rest = {**{key: value for key, value in rest.items() if key != "qualifiers"}, **({"qualifiers": others} if others else {})}
    if rest:
        reading.elements[pointer] = rest


def _about(kind: str, element: Object) -> str:
    """What a template says of an element: kind, type, cardinality."""
    qualifiers = _objects(element.get("qualifiers"))
    often = next((text_at(each, "value") for each in qualifiers if text_at(each, "type").endswith("Cardinality")), "")
    return ", ".join(each for each in (kind, text_at(element, "valueType"), often) if each)


def _keep_concepts(readings: list[_Reading], concepts: list[Object]) -> None:
    """Each concept description goes with the parts that mention its id; one that none mentions with the first."""
    said = {reading.part: write_json(reading.remainder).decode() for reading in readings}
    for concept in concepts:
        name = write_json(text_at(concept, "id")).decode()
        users = [reading for reading in readings if name in said[reading.part]] or readings[:1]
        for reading in users:
            kept = reading.remainder.setdefault("concepts", [])
            if isinstance(kept, list):
                kept.append(concept)


# --- owners --------------------------------------------------------------------------------------


def _model(shells: list[_Shell], findings: list[Finding]) -> str:
    models = {safe_id(shell.model) for shell in shells if shell.model}
    if len(models) > 1:
        raise Invalid("environment", f"holds several models: {', '.join(sorted(models))[:200]}", "send one model at a time")
    if models:
        return models.pop()
    model = safe_id(next((shell.name for shell in sorted(shells, key=lambda shell: not shell.type) if shell.name), "model"))
    findings.append(Finding("environment", f"names no manufacturerPartId; the model is called {model}", "add it as a specificAssetId"))
    return model


def _lone(readings: list[_Reading]) -> _Shell:
    """Submodels without any shell: one battery if the nameplate has a serial number, else a model."""
    item = any(text_at(each.tree, "SerialNumber") for each in readings if each.part == "nameplate")
    return _Shell(not item, "", "", "", frozenset(each.id for each in readings), {})


def _shell(shell: Object) -> _Shell:
    asset = shell.get("assetInformation")
    specific = _objects(asset.get("specificAssetIds")) if isinstance(asset, dict) else []
    named = {text_at(each, "name"): text_at(each, "value") for each in specific}
    return _Shell(
        type=text_at(asset, "assetKind") == "Type",
        model=named.get("manufacturerPartId", ""),
        name=text_at(shell, "idShort") or text_at(asset, "globalAssetId").rpartition("/")[2],
        serial=named.get("partInstanceId", "") or named.get("serialNumber", ""),
        references=frozenset(each for reference in _objects(shell.get("submodels")) for each in _ids(reference)),
        remainder={key: value for key, value in shell.items() if key not in ("submodels", "modelType")},
    )


def _instances(readings: list[_Reading], shells: list[_Shell], findings: list[Finding], files: Mapping[str, bytes]) -> Batch:
    shells = shells or [_lone(readings)]
    model = _model(shells, findings)
    layers: dict[tuple[str, str], LayerIn] = {}
    pool = Files(files)
    for reading in readings:
        shell = _holder(reading, shells)
        owner = _serial(readings, shell)
        if (owner, reading.part) in layers:
            raise Invalid("environment", f"two submodels say {reading.part} of {owner or 'the model'}", "keep one of them")
        if shell and not any(layer.owner == owner for layer in layers.values()):
            reading.remainder["shell"] = shell.remainder
        found = pool.take(owner, reading.part, reading.tree, reading.document_kinds)
        layers[owner, reading.part] = LayerIn(owner=owner, part=reading.part, tree=found, remainder=write_json(reading.remainder).decode())
    findings.extend((*pool.findings, *pool.doubled()))
    return Batch(
        model=model,
        category=_first(layers, "technical", "GeneralInformation", "BatteryCategory"),
        identifiers=_identifiers(layers),
        layers=in_order(layers.values()),
        batteries=tuple(_battery(serial, layers) for serial in sorted({owner for owner, _ in layers} - {""})),
        documents=pool.documents,
        findings=tuple(findings),
    )


def _holder(reading: _Reading, shells: list[_Shell]) -> _Shell | None:
    """The one instance shell that has the submodel to itself; None when it is the model's (a type shell, or shared)."""
    holders = [shell for shell in shells if reading.id in shell.references]
    if not holders and len(shells) == 1:
        holders = shells  # a lone shell without references: the submodels lie beside it
    return holders[0] if len(holders) == 1 and not holders[0].type else None


def _serial(readings: list[_Reading], shell: _Shell | None) -> str:
    """The serial number of a shell's battery, "" for the model."""
    if shell is None:
        return ""
    mine = [each for each in readings if each.part == "nameplate" and (each.id in shell.references or not shell.references)]
    serial = next((text_at(each.tree, "SerialNumber") for each in mine if text_at(each.tree, "SerialNumber")), shell.serial)
    if not serial:
        raise Invalid("environment", f"the instance {shell.name[:60]} has no serial number", "fill in SerialNumber of the nameplate")
    return safe_id(serial)


def _identifiers(layers: Mapping[tuple[str, str], LayerIn]) -> dict[str, str]:
    names = {"manufacturer": "ManufacturerIdentifier", "operator": "OperatorIdentifier", "facility": "UniqueFacilityIdentifier"}
    found = {key: _first(layers, "nameplate", name) for key, name in names.items()}
    return {key: text for key, text in found.items() if text}


def _first(layers: Mapping[tuple[str, str], LayerIn], part: str, *path: str) -> str:
    texts = (text_at(layer.tree, *path) for (_, each), layer in sorted(layers.items()) if each == part)
    return next((text for text in texts if text), "")


def _battery(serial: str, layers: Mapping[tuple[str, str], LayerIn]) -> BatteryIn:
    return BatteryIn(serial=serial, aliases=aliases({part: layer.tree for (owner, part), layer in layers.items() if owner == serial}))


def _draft(readings: list[_Reading], findings: list[Finding], files: Mapping[str, bytes]) -> Batch:
    """A template as a model that cannot be published: its example values, and each of its elements among the findings."""
    parts = [reading.part for reading in readings]
    if len(set(parts)) < len(parts):
        raise Invalid("environment", "says one part twice", "send one template of each part")
    pool = Files(files)
    layers = []
    for reading in readings:
        found = pool.take("", reading.part, reading.tree, reading.document_kinds)
        layers.append(LayerIn(part=reading.part, tree=found, remainder=write_json(reading.remainder).decode()))
        findings.extend(reading.listed)
    documents: tuple[DocumentIn, ...] = pool.documents
    return Batch(
        model="template-" + "-".join(sorted(set(parts))) if len(parts) < 4 else "template-passport",
        category="",
        draft=True,
        layers=in_order(layers),
        documents=documents,
        findings=(Finding("environment", "is a template: a draft that cannot be published", "replace its examples"), *findings),
    )
