"""The pinned JSON-LD contexts in our own form: facts of the published files, built from tables, never fetched.

The ODRL profile is merged into the types that import it (PyLD merges `@import` wrongly: terms leak between types).  Tests
expand the specification's examples under these and under the published files and want the same.  The DID service type of
the DSP context is left out: it is no message.

A table's line is `type: terms`; a term is `name`, `name=prefix:iri` where the IRI is not the default one, and a suffix:
`!` its value is an id, `~` a word of the vocabulary, `*` it is always an array.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..vocabulary import CATENAX_CONTEXT, CATENAX_ODRL_CONTEXT, DSP_CONTEXT, EDC_CONTEXT, EDC_NS, ODRL_CONTEXT, W3C_ODRL_CONTEXT

Json = dict[str, Any]

PLAIN_FORM = "urn:saltbridge:plain-form"  # the context to compact with, by a name that only the bundle knows
GUARD = "urn:saltbridge:guard"  # appended to what a message names: words that no context defines survive, and stay unknown
AS_WRITTEN = "urn:saltbridge:as-written:"  # the guard's @vocab

PREFIXES = {
    "dspace": "https://w3id.org/dspace/2025/1/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "edc": EDC_NS,
    "cx-policy": "https://w3id.org/catenax/2025/9/policy/",
}

_ODRL = (
    "profile! prohibit target! assignee! assigner! action~ permission!* prohibition!* obligation!* duty!* constraint!* "
    "operator~ rightOperand leftOperand~ hasPolicy! "
    "Policy Rule Agreement Assertion Offer Set Asset Action Permission Prohibition Duty Constraint Operator RightOperand "
    "LeftOperand use eq gt gteq lt lteq neq isA hasPart isPartOf isAllOf isAnyOf isNoneOf or xone and andSequence"
)
# What the W3C's context says beyond that: a slip in a policy must become a term that is refused, never one that is lost.
_W3C = (
    "inheritFrom! conflict~ refinement! consequence! remedy! failure! relation! function! scope! source! partOf! output! "
    "rightOperandReference! dataType! unit! status! uid=odrl:uid "
    "dateTime purpose recipient spatial event count version language elapsedTime delayPeriod timeInterval industry product "
    "read transfer distribute display modify delete derive index inform anonymize aggregate archive reproduce"
)
_CONNECTIVES = ("and", "or", "xone", "andSequence")
_PIDS = "providerPid! consumerPid!"
_WHY = "code reason*"

_DSPACE_TYPES = {
    "DatasetRequestMessage": "dataset",
    "CatalogRequestMessage": "filter*",
    "CatalogError": _WHY,
    "VersionsError": _WHY,
    "ContractRequestMessage": f"{_PIDS} callbackAddress offer!",
    "ContractOfferMessage": f"{_PIDS} callbackAddress offer!",
    "ContractAgreementMessage": f"{_PIDS} agreement! timestamp",
    "ContractAgreementVerificationMessage": _PIDS,
    "ContractNegotiationEventMessage": f"{_PIDS} eventType~",
    "ContractNegotiationTerminationMessage": f"{_PIDS} {_WHY}",
    "ContractNegotiation": f"{_PIDS} state~",
    "ContractNegotiationError": f"{_PIDS} {_WHY}",
    "TransferRequestMessage": "consumerPid! agreementId! callbackAddress dataAddress format=dct:format~",
    "TransferStartMessage": f"{_PIDS} dataAddress",
    "TransferCompletionMessage": _PIDS,
    "TransferTerminationMessage": f"{_PIDS} {_WHY}",
    "TransferSuspensionMessage": f"{_PIDS} {_WHY}",
    "TransferProcess": f"{_PIDS} state~",
    "TransferError": f"providerPid consumerPid {_WHY}",
    "DataAddress": "endpointType~ endpointProperties* endpoint",
    "EndpointProperty": "name value",
}
_DCAT_TYPES = {
    "Catalog": "service* participantId=dspace:participantId! catalog* dataset* distribution*",
    "Dataset": "distribution* hasPolicy=odrl:hasPolicy*",
    "DataService": "endpointDescription endpointURL",
    "Distribution": "format=dct:format~ accessService",
}
_WITH_ODRL = ("ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage", "Dataset")
_WORDS = "ACCEPTED FINALIZED REQUESTED STARTED COMPLETED SUSPENDED TERMINATED OFFERED AGREED VERIFIED"

_EDC_TYPES = {
    "QuerySpec": "sortOrder sortField offset limit filterExpression*",
    "Criterion": "operandLeft operator operandRight",
}
_EDC_TERMS = "inForceDate id description isCatalog conformsTo=dct:conformsTo! endpointURL=dcat:endpointURL! format=dct:format!"

_CATENAX_OPERANDS = (
    "access AffiliatesBpnl AffiliatesRegion BusinessPartnerGroup BusinessPartnerNumber ConfidentialInformationMeasures "
    "ConfidentialInformationSharing ContractReference ContractTermination DataFrequency DataProvisioningEndDate "
    "DataProvisioningEndDurationDays DataUsageEndDate DataUsageEndDurationDays DataUsageEndDefinition ExclusiveUsage "
    "FrameworkAgreement JurisdictionLocation JurisdictionLocationReference Liability ManagedLegalEntityBpnl "
    "ManagedLegalEntityRegion Membership Precedence UsagePurpose UsageRestriction VersionChanges Warranty WarrantyDuration"
)


@cache
def documents() -> Mapping[str, Json]:
    """The bundled copies by their URL, as a document loader hands them out."""
    contexts = {
        DSP_CONTEXT: _dsp(protected=True, always_arrays=""),
        ODRL_CONTEXT: _prefixes("odrl") | _terms(_ODRL, "odrl"),
        EDC_CONTEXT: _prefixes("edc dct dcat") | _scoped(_EDC_TYPES, "edc") | _terms(_EDC_TERMS, "edc"),
        W3C_ODRL_CONTEXT: _w3c_odrl(),
        CATENAX_ODRL_CONTEXT: _prefixes("odrl") | _terms(_ODRL, "odrl"),
        CATENAX_CONTEXT: _prefixes("cx-policy") | _terms(_CATENAX_OPERANDS, "cx-policy"),
        PLAIN_FORM: _plain_form(),
        GUARD: {"@vocab": AS_WRITTEN},
    }
    return {url: {"@context": {"@version": 1.1, **context}} for url, context in contexts.items()}


def _w3c_odrl() -> Json:
    """ODRL's own context, which management clients name inside a policy; it makes lists of the connectives."""
    lists = {name: {"@id": PREFIXES["odrl"] + name, "@type": "@id", "@container": "@list"} for name in _CONNECTIVES}
    return _prefixes("odrl") | _terms(f"{_ODRL} {_W3C}", "odrl") | lists | {"type": "@type", "uid": "@id"}


def _plain_form() -> Json:
    """DSP's terms and EDC's query terms, no prefixes: what is foreign stays a full IRI."""
    terms = _dsp(protected=False, always_arrays="and or xone andSequence") | _scoped(_EDC_TYPES, "edc")
    return {"@vocab": AS_WRITTEN, **terms}


def _dsp(*, protected: bool, always_arrays: str) -> Json:
    odrl = _terms(_ODRL, "odrl") | _terms("".join(f"{name}* " for name in always_arrays.split()), "odrl")
    types = _scoped(_DSPACE_TYPES, "dspace") | _scoped(_DCAT_TYPES, "dcat")
    for name in _WITH_ODRL:
        types[name]["@context"] = {"@propagate": True, **odrl, **types[name]["@context"]}
    if not protected:
        return types | _terms(_WORDS, "dspace")
    for type in types.values():
        type["@context"]["@protected"] = True
    return {"@protected": True, **_prefixes("xsd dct dcat odrl dspace"), **types, **_terms(_WORDS, "dspace")}


def _prefixes(names: str) -> Json:
    return {name: PREFIXES[name] for name in names.split()}


def _scoped(types: Mapping[str, str], prefix: str) -> Json:
    return {name: {"@id": PREFIXES[prefix] + name, "@context": {"@version": 1.1, **_terms(text, prefix)}} for name, text in types.items()}


def _terms(text: str, prefix: str) -> Json:
    return dict(_term(word, prefix) for word in text.split())


def _term(word: str, prefix: str) -> tuple[str, Any]:
    bare = word.rstrip("!~*")
    marks = word[len(bare) :]
    name, _, iri = bare.partition("=")
    own_prefix, _, local = (iri or f"{prefix}:{name}").partition(":")
    term: Json = {"@id": PREFIXES[own_prefix] + local}
    if "!" in marks or "~" in marks:
        term["@type"] = "@id" if "!" in marks else "@vocab"
    if "*" in marks:
        term["@container"] = "@set"
    return name, term
