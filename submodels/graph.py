"""A passport as RDF: triples of what was redacted, written as N-Triples (RDF 1.1); other forms are made of that.

A battery has its parts (`sb:condition`), a part its elements by name in the part's own namespace (`condition:StateOfCharge`).  Entries
of a list are nodes or values of one property; entries that are nodes say their `sb:position`.  Numbers keep their token and have the
datatype of the element table, texts in several languages their tag.  Each property says its semantic id and unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from submodels.batch import text_at
from submodels.table import LIST, PARTS, Element, Node, submodel, tree
from submodels.value import Number, Tree
from submodels.view import Redacted

NS = "https://w3id.org/saltbridge/v1/"
PREFIXES: Mapping[str, str] = {
    "sb": NS,
    **{part: f"{NS}{part}#" for part in PARTS},
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_XSD = PREFIXES["xsd"]
_NOT_IN_IRIS = re.compile(r'[\x00-\x20<>"{}|^`\\]')
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\]+")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Iri(NamedTuple):
    text: str


class Text(NamedTuple):
    text: str
    datatype: str = ""  # an IRI
    language: str = ""


Triple = tuple[Iri, Iri, "Iri | Text"]


def ntriples(triples: Iterator[Triple]) -> str:
    """The triples as lines, each once."""
    return "".join(dict.fromkeys(f"{_iri(s)} {_iri(p)} {_iri(o) if isinstance(o, Iri) else _literal(o)} .\n" for s, p, o in triples))


def of_passport(seen: Redacted) -> Iterator[Triple]:
    """Everything that a redacted passport says."""
    base = subject(seen)
    yield base, Iri(_TYPE), Iri(f"{NS}Battery")
    for name, said in (("battery", seen.battery), ("model", seen.model), ("revision", seen.revision)):
        yield base, Iri(NS + name), Text(said)
    for part, whole in seen.parts.items():
        if isinstance(whole, dict):
            node = Iri(f"{base.text}#{part}")
            yield base, Iri(NS + part), node
            yield node, Iri(_TYPE), Iri(f"{PREFIXES[part]}{submodel(part).id_short}")
            yield from _below(part, tree(part), node, whole)
    for document in seen.documents:
        node = Iri(f"{base.text}#document/{document.id}")
        yield base, Iri(f"{NS}document"), node
        for name, said in (
            ("kind", document.kind),
            ("title", document.title),
            ("mediaType", document.media_type),
            ("sha256", document.sha256),
        ):
            if said:
                yield node, Iri(NS + name), Text(said)


def subject(seen: Redacted) -> Iri:
    """What a battery is called: its product identifier where this view shows one, else an IRI of our own."""
    told = text_at(seen.parts.get("metadata"), "uniqueProductIdentifier") or text_at(seen.parts.get("nameplate"), "URIOfTheProduct")
    return Iri(told) if _ABSOLUTE.fullmatch(told) else Iri(f"urn:saltbridge:{seen.battery}")


def of_catalog(catalog: Mapping[str, object]) -> Iterator[Triple]:
    """A fetched catalog, as `operate.catalogs.catalog` tells it: datasets, their offers, what they mean for us."""
    peer = Iri(_plain(str(catalog.get("peer_id", ""))))
    top = Iri(f"{peer.text}#catalog")
    yield top, Iri(_TYPE), Iri(f"{PREFIXES['dcat']}Catalog")
    yield top, Iri(f"{PREFIXES['dct']}publisher"), peer
    for dataset in _objects(catalog.get("datasets")):
        node = Iri(f"{peer.text}#dataset/{_plain(str(dataset.get('dataset', '')))}")
        yield top, Iri(f"{PREFIXES['dcat']}dataset"), node
        yield node, Iri(_TYPE), Iri(f"{PREFIXES['dcat']}Dataset")
        yield node, Iri(f"{PREFIXES['dct']}identifier"), Text(str(dataset.get("dataset", "")))
        yield node, Iri(f"{PREFIXES['dct']}title"), Text(str(dataset.get("title", "")))
        for name in ("view", "scope", "grant", "content", "problem"):
            if said := dataset.get(name):
                yield node, Iri(NS + name), Text(str(said))
        for number, offer in enumerate(_objects(dataset.get("offers"))):
            about = Iri(f"{node.text}/offer/{number}")
            yield node, Iri(f"{PREFIXES['odrl']}hasPolicy"), about
            yield about, Iri(_TYPE), Iri(f"{PREFIXES['odrl']}Offer")
            yield about, Iri(f"{PREFIXES['dct']}identifier"), Text(str(offer.get("offer", "")))
            yield about, Iri(f"{NS}terms"), Text(str(offer.get("terms", "")))
            fit = offer.get("for_you")
            if isinstance(fit, dict):
                yield about, Iri(f"{NS}forYou"), Text(str(fit.get("outcome", "")))


# --- values --------------------------------------------------------------------------------------


def _below(part: str, node: Node | None, at: Iri, values: Mapping[str, Tree]) -> Iterator[Triple]:
    for name, value in values.items():
        if value is None:
            continue
        below = node.children.get(name) if node else None
        property = Iri(PREFIXES[part] + _plain(name))
        about = below.element if below else None
        if about is not None:
            yield from _about(property, about)
        yield from _said(part, below, at, property, value, Iri(f"{at.text}/{_plain(name)}"))


def _said(part: str, node: Node | None, at: Iri, property: Iri, value: Tree, place: Iri) -> Iterator[Triple]:
    """What one element says: a node for a collection, each entry of a list, a value."""
    about = node.element if node else None
    kind = about.kind if about else ""
    if kind == "MultiLanguageProperty" and isinstance(value, list):
        for each in value:
            for language, text in each.items() if isinstance(each, dict) else ():
                yield at, property, Text(str(text), language=language if re.fullmatch(r"[A-Za-z]+(-[A-Za-z0-9]+)*", language) else "")
    elif isinstance(value, dict):
        yield at, property, place
        if kind == "File":
            for name, said in value.items():
                yield place, Iri(NS + _plain(name)), Text(str(said))
        else:
            yield from _below(part, node, place, value)
    elif isinstance(value, list):
        inner = node.item if node and kind == LIST else None
        for number, each in enumerate(value):
            entry = Iri(f"{place.text}/{number}")
            yield from _said(part, inner, at, property, each, entry)
            if isinstance(each, dict):
                yield entry, Iri(f"{NS}position"), Text(str(number), f"{_XSD}integer")
    elif value is not None:
        yield at, property, _value(about, value)


def _value(about: Element | None, value: Tree) -> Text:
    if isinstance(value, bool):
        return Text("true" if value else "false", f"{_XSD}boolean")
    declared = about.value_type.removeprefix("xs:") if about else ""
    if isinstance(value, Number):
        return Text(str(value), _XSD + (declared or "decimal"))
    return Text(str(value), "" if declared in ("", "string") else _XSD + declared)


def _about(property: Iri, about: Element) -> Iterator[Triple]:
    leaf = about
    if leaf.semantic_id:
        yield property, Iri(f"{NS}semanticId"), Text(leaf.semantic_id)
    if leaf.unit:
        yield property, Iri(f"{NS}unit"), Text(leaf.unit)


# --- text ----------------------------------------------------------------------------------------


def _iri(iri: Iri) -> str:
    return f"<{iri.text}>"


def _literal(text: Text) -> str:
    said = f'"{text.text.translate(_ESCAPES)}"'
    return f"{said}@{text.language}" if text.language else f"{said}^^<{text.datatype}>" if text.datatype else said


def _plain(text: str) -> str:
    """Foreign text fit for a part of an IRI."""
    return _NOT_IN_IRIS.sub(lambda mark: "".join(f"%{byte:02X}" for byte in mark[0].encode()), text)


def _objects(found: object) -> Sequence[Mapping[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
