"""The operations below `/management/v3`, a row each, and the shapes they carry.

Bodies are described in their plain spelling, under an inline context; any other JSON-LD spelling of the same is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.http.manage.row import Row
from connector.protocol.vocabulary import HTTP_PULL

from . import agreements, assets, catalog, definitions, edrs, negotiations, policies, secrets, transfers
from .shapes import PROTOCOL

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
OPEN: Schema = {"type": "object"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _shape(needed: str, **fields: Schema) -> Schema:
    """An object with these fields and any others; `needed` names those that are always there."""
    known = {name.replace("_at_", "@"): held for name, held in fields.items()}
    return {"type": "object", "required": needed.split(), "properties": {"@context": {}, **known}}


def _texts(names: str) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), TEXT)


_PARTY = {**_texts("counterPartyAddress counterPartyId"), "protocol": {"const": PROTOCOL}}
_PROCESS = _texts("type protocol state counterPartyId counterPartyAddress correlationId assetId errorDetail") | {
    "createdAt": NUMBER, "stateTimestamp": NUMBER, "callbackAddresses": {"type": "array"},
}  # fmt: skip

SCHEMAS: Mapping[str, Schema] = {
    "ApiErrorDetail": {
        "type": "object",
        "required": ["message", "type", "path", "invalidValue"],
        "additionalProperties": False,
        "properties": {"message": TEXT, "type": TEXT, "path": {"type": ["string", "null"]}, "invalidValue": {"type": ["string", "null"]}},
    },
    "IdResponse": _shape("@id @type createdAt @context", _at_id=TEXT, _at_type={"const": "IdResponse"}, createdAt=NUMBER),
    "Criterion": _shape(
        "operandLeft operator operandRight",
        operandLeft=TEXT, operandRight={},
        operator={"enum": ["=", "!=", "in", "not in", "contains", "like", "ilike", "<", "<=", ">", ">="]},
    ),
    "QuerySpec": _shape(
        "",
        offset={"type": "integer", "minimum": 0, "default": 0}, limit={"type": "integer", "minimum": 1, "maximum": 10_000, "default": 50},
        sortOrder={"enum": ["ASC", "DESC"]}, sortField=TEXT, filterExpression=_list("Criterion"),
    ),
    "HttpDataAddress": _shape(
        "type baseUrl",
        type={"const": "HttpData"},
        **_texts("baseUrl path queryParams contentType authKey authCode secretName"),
        method={"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
        **{flag: {"enum": ["true", "false"]} for flag in ("proxyPath", "proxyQueryParams", "proxyBody", "proxyMethod")},
    ),
    "AssetInput": _shape(
        "properties dataAddress", _at_id=TEXT, properties=OPEN, privateProperties=OPEN, dataAddress=_ref("HttpDataAddress")
    ),
    "Asset": _shape(
        "@id @type properties dataAddress createdAt",
        _at_id=TEXT, _at_type={"const": "Asset"}, properties=OPEN, privateProperties=OPEN, createdAt=NUMBER,
        dataAddress=_shape("@type type", type={"enum": ["HttpData", "SaltbridgeView"]}),
    ),
    "PolicyDefinitionInput": _shape("policy", _at_id=TEXT, policy=OPEN),
    "PolicyDefinition": _shape(
        "@id @type policy createdAt", _at_id=TEXT, _at_type={"const": "PolicyDefinition"}, policy=_ref("Policy"), createdAt=NUMBER
    ),
    "Policy": _shape(
        "@type odrl:permission odrl:prohibition odrl:obligation",
        _at_type=TEXT,
        **{f"odrl:{name}": {"type": "array", "items": OPEN} for name in ("permission", "prohibition", "obligation")},
    ),
    "PolicyValidationResult": _shape("isValid errors", isValid={"type": "boolean"}, errors={"type": "array", "items": TEXT}),
    "ContractDefinitionInput": _shape(
        "accessPolicyId contractPolicyId", _at_id=TEXT, **_texts("accessPolicyId contractPolicyId"), assetsSelector=_list("Criterion")
    ),
    "ContractDefinition": _shape(
        "@id @type accessPolicyId contractPolicyId assetsSelector createdAt",
        _at_id=TEXT, _at_type={"const": "ContractDefinition"}, **_texts("accessPolicyId contractPolicyId"),
        assetsSelector=_list("Criterion"), createdAt=NUMBER,
    ),
    "CatalogRequest": _shape("counterPartyAddress", **_PARTY, querySpec=_ref("QuerySpec")),
    "DatasetRequest": _shape("@id counterPartyAddress", _at_id=TEXT, **_PARTY),
    "Catalog": _shape("@id @type @context dataset", _at_id=TEXT, _at_type={"const": "Catalog"}, dataset=_list("Dataset")),
    "Dataset": _shape("@id @type hasPolicy distribution", _at_id=TEXT, _at_type={"const": "Dataset"}, hasPolicy={"type": "array"}),
    "ContractRequest": _shape("counterPartyAddress policy", **_PARTY, policy=_shape("@id target", _at_id=TEXT, target={}, assigner={})),
    "ContractNegotiation": _shape(
        "@id @type type state counterPartyId createdAt",
        _at_id=TEXT, _at_type={"const": "ContractNegotiation"}, contractAgreementId=TEXT, **_PROCESS,
    ),
    "NegotiationState": _shape("state", state=TEXT),
    "TransferState": _shape("state", state=TEXT),
    "Reason": _shape("", reason=TEXT),
    "ContractAgreement": _shape(
        "@id @type assetId providerId consumerId contractSigningDate policy",
        _at_id=TEXT, _at_type={"const": "ContractAgreement"}, **_texts("agreementId assetId providerId consumerId"),
        contractSigningDate=NUMBER, policy=_ref("Policy"),
    ),
    "TransferRequest": _shape("contractId", **_PARTY, contractId=TEXT, transferType={"const": HTTP_PULL}),
    "TransferProcess": _shape(
        "@id @type type state assetId contractId transferType createdAt",
        _at_id=TEXT, _at_type={"const": "TransferProcess"}, **_texts("contractId contractAgreementId transferType"), **_PROCESS,
    ),
    "EndpointDataReferenceEntry": _shape(
        "@id @type transferProcessId agreementId contractNegotiationId assetId providerId createdAt",
        _at_id=TEXT, **_texts("transferProcessId agreementId contractNegotiationId assetId providerId"), createdAt=NUMBER,
    ),
    "EndpointDataReference": _shape(
        "@type type endpoint endpointType authType authorization", **_texts("type endpoint endpointType authType authorization")
    ),
    "SecretInput": _shape("@id value", _at_id=TEXT, value=TEXT),
    "Secret": _shape("@id @type createdAt", _at_id=TEXT, _at_type={"const": "Secret"}, createdAt=NUMBER) | {"not": {"required": ["value"]}},
}  # fmt: skip

ERRORS = _list("ApiErrorDetail")


def _made(base: str, noun: str, input: str) -> Row:
    return Row("POST", base, f"Create {noun}", {200: _ref("IdResponse")}, _ref(input))


def _found(base: str, noun: str, shape: str) -> Row:
    return Row("POST", f"{base}/request", f"Query {noun}", {200: _list(shape)}, _ref("QuerySpec"), body_needed=False)


def _get(path: str, summary: str, shape: str, *query: str) -> Row:
    return Row("GET", path, summary, {200: _ref(shape)}, query=query)


def _done(method: str, path: str, summary: str, body: Schema | None = None, *, needed: bool = True, **more: Any) -> Row:
    return Row(method, path, summary, {204: None}, body, body_needed=needed, **more)


_A, _P, _D, _N, _T, _E, _S = (each.BASE for each in (assets, policies, definitions, negotiations, transfers, edrs, secrets))

ROWS = (
    _made(_A, "an asset", "AssetInput"),
    _done("PUT", _A, "Replace an asset", _ref("AssetInput")),
    _found(_A, "assets", "Asset"),
    _get(f"{_A}/{{id}}", "One asset", "Asset"),
    _done("DELETE", f"{_A}/{{id}}", "Delete an asset, or withdraw a view"),
    _made(_P, "a policy definition", "PolicyDefinitionInput"),
    _found(_P, "policy definitions", "PolicyDefinition"),
    _done("PUT", f"{_P}/{{id}}", "Replace a policy definition", _ref("PolicyDefinitionInput")),
    _get(f"{_P}/{{id}}", "One policy definition", "PolicyDefinition"),
    _done("DELETE", f"{_P}/{{id}}", "Delete a policy definition"),
    Row("POST", f"{_P}/{{id}}/validate", "What would never match in a policy", {200: _ref("PolicyValidationResult")}),
    _made(_D, "a contract definition", "ContractDefinitionInput"),
    _done("PUT", _D, "Replace a contract definition", _ref("ContractDefinitionInput")),
    _found(_D, "contract definitions", "ContractDefinition"),
    _get(f"{_D}/{{id}}", "One contract definition", "ContractDefinition"),
    _done("DELETE", f"{_D}/{{id}}", "Delete a contract definition"),
    Row("POST", f"{catalog.BASE}/request", "A peer's catalog", {200: _ref("Catalog")}, _ref("CatalogRequest")),
    Row("POST", f"{catalog.BASE}/dataset/request", "One dataset of a peer", {200: _ref("Dataset")}, _ref("DatasetRequest")),
    _made(_N, "a contract negotiation", "ContractRequest"),
    _found(_N, "contract negotiations", "ContractNegotiation"),
    _get(f"{_N}/{{id}}", "One negotiation", "ContractNegotiation"),
    _get(f"{_N}/{{id}}/state", "Where a negotiation stands", "NegotiationState"),
    _get(f"{_N}/{{id}}/agreement", "What a negotiation came to", "ContractAgreement"),
    _done("POST", f"{_N}/{{id}}/terminate", "End a negotiation", _ref("Reason"), needed=False),
    *(
        row
        for base in (agreements.BASE, agreements.ALIAS)
        for row in (
            _found(base, "contract agreements", "ContractAgreement"),
            _get(f"{base}/{{id}}", "One agreement", "ContractAgreement"),
            _get(f"{base}/{{id}}/negotiation", "The negotiation of an agreement", "ContractNegotiation"),
        )
    ),
    _made(_T, "a transfer process", "TransferRequest"),
    _found(_T, "transfer processes", "TransferProcess"),
    _get(f"{_T}/{{id}}", "One transfer", "TransferProcess"),
    _get(f"{_T}/{{id}}/state", "Where a transfer stands", "TransferState"),
    _done(
        "POST", f"{_T}/{{id}}/{{verb}}", "Move a transfer along", _ref("Reason"), needed=False,
        path_schemas={"verb": {"enum": ["terminate", "suspend", "resume"]}},
    ),
    _done("POST", f"{_T}/{{id}}/deprovision", "Forget what is left of a transfer that is over"),
    _found(_E, "endpoint data references", "EndpointDataReferenceEntry"),
    _get(f"{_E}/{{id}}/dataaddress", "Where a transfer is pulled, with its token", "EndpointDataReference", "auto_refresh"),
    _done("DELETE", f"{_E}/{{id}}", "Forget an endpoint data reference"),
    _made(_S, "a secret", "SecretInput"),
    _done("PUT", _S, "Replace a secret", _ref("SecretInput")),
    _get(f"{_S}/{{id}}", "A secret without its value", "Secret"),
    _done("DELETE", f"{_S}/{{id}}", "Forget a secret"),
)  # fmt: skip
