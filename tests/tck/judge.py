"""Is a body what DSP 2025-1 allows?  First its schema by `@type`, then its meaning: JSON-LD expansion, offline.

The published schemas and contexts where they lie beside the project, else our own.  PyLD merges `@import` wrongly, so that
the published context is used with its imports written out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jsonschema_rs
from pyld import jsonld

from connector.errors import Malformed
from connector.protocol import contexts, schemas
from connector.protocol.vocabulary import DSP_CONTEXT, ODRL_CONTEXT

from .. import official

Json = dict[str, Any]

PUBLISHED = official.FOLDER
DSPACE = "https://w3id.org/dspace/2025/1/"


class Invalid(Exception):
    """The body breaks its schema, or says nothing under its contexts."""


def check(document: Any) -> None:
    """Invalid unless the document is valid under the schema of its own `@type`."""
    type = document.get("@type") if isinstance(document, dict) else None
    if not isinstance(type, str):
        raise Invalid(f"no message: {str(document)[:200]}")
    faults = _judges()(type)(document)
    if faults:
        raise Invalid(f"{type}: {'; '.join(faults)[:400]}")


def expand(document: Json) -> Json:
    """What the document says, in expanded form; Invalid when its contexts do not allow a reading."""
    try:
        nodes = jsonld.expand(document, {"base": None, "documentLoader": _load, "processingMode": "json-ld-1.1"})
    except jsonld.JsonLdError as error:
        raise Invalid(f"{document.get('@type')} cannot be expanded: {error.code or error}") from error
    if not nodes:
        raise Invalid(f"{document.get('@type')} says nothing under its contexts")
    return dict(nodes[0])


def word(expanded: Json, term: str) -> str:
    """The id that a term of the dataspace vocabulary names, e.g. a pid or a state; Invalid when there is none."""
    return _first(expanded, term, "@id")


def text(expanded: Json, term: str) -> str:
    """The plain value of a term; Invalid when there is none."""
    return _first(expanded, term, "@value")


def _first(expanded: Json, term: str, key: str) -> str:
    try:
        return str(expanded[DSPACE + term][0][key])
    except (KeyError, IndexError, TypeError):
        raise Invalid(f"{term} is missing, or has no {key}") from None


# --- schemas -------------------------------------------------------------------------------------


@cache
def _judges() -> Callable[[str], Callable[[Json], list[str]]]:
    return _by_published if PUBLISHED.is_dir() else _by_ours


def _by_published(type: str) -> Callable[[Json], list[str]]:
    return official.faults if type.lower() in official.schemas() else lambda _: [f"unknown type {type}"]


def _told(error: jsonschema_rs.ValidationError) -> str:
    return f"{error.message[:200]} at /{'/'.join(map(str, error.instance_path))}"


_TEXT = {"type": "string"}
_ROOT = {"type": "object", "properties": {"@context": {"type": "array", "items": _TEXT, "contains": {"const": DSP_CONTEXT}}}}
_PIDS: Json = {"properties": {"providerPid": _TEXT, "consumerPid": _TEXT}, "required": ["providerPid", "consumerPid"]}
_WHY = {"properties": {"code": _TEXT, "reason": {"type": "array", "minItems": 1}}}
_NEGOTIATION = ["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED"]
_TRANSFER = ["REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"]
_OFFERS = {
    "type": "array",
    "minItems": 1,
    "items": {"required": ["@id"], "anyOf": [{"required": ["permission"]}, {"required": ["prohibition"]}], "not": {"required": ["target"]}},
}
_DATASET: Json = {
    "properties": {
        "@id": _TEXT,
        "hasPolicy": _OFFERS,
        "distribution": {"type": "array", "minItems": 1, "items": {"required": ["format", "accessService"]}},
    },
    "required": ["@id", "hasPolicy", "distribution"],
}
# What `connector.protocol.schemas` does not know, because a node only writes it: answers.
_ANSWERS: Mapping[str, Json] = {
    "ContractNegotiation": {"allOf": [_PIDS], "properties": {"state": {"enum": _NEGOTIATION}}, "required": ["state"]},
    "TransferProcess": {"allOf": [_PIDS], "properties": {"state": {"enum": _TRANSFER}}, "required": ["state"]},
    "ContractNegotiationError": {"allOf": [_PIDS, _WHY]},
    "TransferError": {"allOf": [_PIDS, _WHY]},
    "CatalogError": {"properties": {"code": _TEXT, "reason": {"type": "array"}}},
    "Dataset": _DATASET,
    "Catalog": {
        "properties": {"@id": _TEXT, "participantId": _TEXT, "dataset": {"type": "array", "minItems": 1, "items": _DATASET}},
        "required": ["@id", "participantId"],
    },
}


def _by_ours(type: str) -> Callable[[Json], list[str]]:
    if type not in _ANSWERS and type not in schemas.TYPES:
        return lambda _: [f"unknown type {type}"]
    return lambda document: _faults_by_ours(type, document)


def _faults_by_ours(type: str, document: Json) -> list[str]:
    faults = [_told(error) for error in _compiled(type).iter_errors(document)]
    if type in schemas.TYPES and not faults:
        try:
            schemas.check(type, document)
        except Malformed as error:
            faults.append(f"{error.what} at {error.where}")
    return faults


@cache
def _compiled(type: str) -> Any:
    own = _ANSWERS.get(type, {})
    return jsonschema_rs.Draft201909Validator({"allOf": [{**_ROOT, "required": ["@context", "@type"]}, own]})


# --- contexts ------------------------------------------------------------------------------------


def _load(url: str, options: Any) -> Json:
    """PyLD's document loader: the two contexts of DSP 2025-1 and nothing else."""
    document = _contexts().get(url)
    if document is None:
        raise jsonld.JsonLdError(f"{url} is not one of DSP's", "jsonld.LoadDocumentError", code="loading document failed")
    # `static` lets PyLD keep the processed context
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": document, "tag": "static"}


@cache
def _contexts() -> Mapping[str, Json]:
    if not PUBLISHED.is_dir():
        return {url: contexts.documents()[url] for url in (DSP_CONTEXT, ODRL_CONTEXT)}
    dsp, odrl = (json.loads((PUBLISHED / "context" / name).read_text("utf-8"))["@context"] for name in ("dspace.jsonld", "odrl.jsonld"))
    return {DSP_CONTEXT: {"@context": {name: _inlined(term, odrl) for name, term in dsp.items()}}, ODRL_CONTEXT: {"@context": odrl}}


def _inlined(term: Any, odrl: Json) -> Any:
    """A term with the ODRL profile written out where its scoped context imports it."""
    if not isinstance(term, dict) or "@import" not in term.get("@context", {}):
        return term
    return {**term, "@context": {**odrl, **{key: value for key, value in term["@context"].items() if key != "@import"}}}
