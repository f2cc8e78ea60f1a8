"""Our records in the shapes of EDC's management API: plain names under an inline context, policies with `odrl:` prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connector.exchange.whole import EXTENT, WHOLE
from connector.http.doorway import JSON, TEXT
from connector.operate.assets import shown_address
from connector.protocol.contexts import PREFIXES
from connector.protocol.plain import write_json
from connector.protocol.vocabulary import DSP_CONTEXT, EDC_CONTEXT, EDC_NS
from connector.records import Agreement, Asset, ContractDefinition, Json, Negotiation, PolicyDefinition, Secret, Transfer
from connector.text import clean
from policies.odrl import Condition, Duty, Logical, Rule, parse_policy
from policies.operands import NS, wire_name

CONTEXT: Json = {"@vocab": EDC_NS, "edc": EDC_NS, "odrl": PREFIXES["odrl"]}
CATALOG_CONTEXT = [DSP_CONTEXT, EDC_CONTEXT]
PROTOCOL = "dataspace-protocol-http:2025-1"
RETIRED = NS + "retired"

# Our states before the first acknowledgement, as EDC calls them.
_OPENING = {"consumer": "REQUESTING", "provider": "OFFERING"}


# --- answers -------------------------------------------------------------------------------------


def one(shown: Json) -> web.Response:
    """One resource."""
    return _json({**shown, "@context": CONTEXT})


def many(shown: Iterable[Json]) -> web.Response:
    """A list of resources; each has its own context, as in EDC."""
    return _json([{**each, "@context": CONTEXT} for each in shown])


def id_response(id: str, created: datetime) -> web.Response:
    """What creating something answers (200)."""
    return one({"@type": "IdResponse", "@id": id, "createdAt": millis(created)})


def nothing() -> web.Response:
    """What updates, deletions and commands answer (204)."""
    return web.Response(status=204, headers=TEXT)


def dsp(document: Json) -> web.Response:
    """A catalog or dataset as the other side wrote it, under the contexts that EDC answers with."""
    return _json({**{key: value for key, value in document.items() if key != "@context"}, "@context": CATALOG_CONTEXT})


def _json(value: Any) -> web.Response:
    return web.Response(body=write_json(value), content_type=JSON, headers=TEXT)


def millis(at: datetime | None) -> int:
    """EDC's clock: milliseconds since 1970; 0 where nobody knows."""
    return int((at or datetime.fromtimestamp(0, UTC)).timestamp() * 1000)


# --- what we offer -------------------------------------------------------------------------------


def asset(record: Asset) -> Json | None:
    """An asset without any secret; None for a view that is withdrawn."""
    if record.withdrawn:
        return None
    named = {"name": record.title} if record.form == "view" else {}
    properties = {"id": record.id, **named, **record.properties}
    shown: Json = {"@id": record.id, "@type": "Asset", "properties": properties, "createdAt": millis(record.created)}
    if record.private_properties:
        shown["privateProperties"] = record.private_properties
    if record.form == "plain":
        shown[EXTENT] = WHOLE
    return shown | {"dataAddress": {"@type": "DataAddress", **shown_address(record)}}


def asset_facts(record: Asset) -> Json | None:
    """What a filter over assets may ask for: the asset as shown, its properties also by their own names."""
    shown = asset(record)
    return None if shown is None else {**shown["properties"], **shown}


def policy_definition(record: PolicyDefinition) -> Json:
    shown: Json = {
        "@id": record.id,
        "@type": "PolicyDefinition",
        "createdAt": millis(record.created),
        "policy": policy(record.policy, "Set"),
    }
    return shown | ({NS + "warning": list(record.warnings)} if record.warnings else {})


def contract_definition(record: ContractDefinition) -> Json:
    named = [criterion("id", "=" if len(record.assets) == 1 else "in", *record.assets)] if record.assets else []
    return {
        "@id": record.id,
        "@type": "ContractDefinition",
        "createdAt": millis(record.created),
        "accessPolicyId": record.access_policy,
        "contractPolicyId": record.contract_policy,
        "assetsSelector": [*({"@type": "Criterion", **each} for each in record.selector), *named],
    }


def criterion(left: str, operator: str, *right: str) -> Json:
    operand: Any = right[0] if len(right) == 1 else list(right)
    return {"@type": "Criterion", "operandLeft": EDC_NS + left, "operator": operator, "operandRight": operand}


def secret(record: Secret) -> Json:
    """A secret without its value, which is given to sources only."""
    return {"@id": record.id, "@type": "Secret", "createdAt": millis(record.created)}


# --- conversations -------------------------------------------------------------------------------


def negotiation(record: Negotiation) -> Json:
    shown: Json = {
        "@id": record.id,
        "@type": "ContractNegotiation",
        "type": record.side.upper(),
        "protocol": PROTOCOL,
        "state": state(record),
        "counterPartyId": record.peer,
        "counterPartyAddress": record.address,
        "callbackAddresses": [],
        "createdAt": millis(record.opened),
        "stateTimestamp": millis(record.changed),
        "assetId": record.dataset,
    }
    return shown | _if_any(
        correlationId=record.peer_pid, contractAgreementId=str(record.agreement.get("@id", "")), errorDetail=_why(record)
    )  # fmt: skip


def agreement(record: Agreement) -> Json:
    shown: Json = {
        "@id": record.id,
        "@type": "ContractAgreement",
        "agreementId": record.id,
        "assetId": record.dataset,
        "providerId": record.assigner,
        "consumerId": record.assignee,
        "contractSigningDate": int(record.signed.timestamp()),
        "policy": policy(record.policy, "Agreement"),
    }
    marks: Json = {} if record.scope else {EXTENT: WHOLE}
    return shown | marks | ({RETIRED: record.retired.isoformat()} if record.retired else {})


def transfer(record: Transfer, dataset: str) -> Json:
    """`contractAgreementId` beside `contractId`: some clients read and filter by that name."""
    shown: Json = {
        "@id": record.id,
        "@type": "TransferProcess",
        "type": record.side.upper(),
        "protocol": PROTOCOL,
        "state": state(record),
        "stateTimestamp": millis(record.changed),
        "createdAt": millis(record.opened),
        "counterPartyId": record.peer,
        "counterPartyAddress": record.address,
        "callbackAddresses": [],
        "assetId": dataset,
        "contractId": record.agreement,
        "contractAgreementId": record.agreement,
        "transferType": record.format,
    }
    return shown | _if_any(correlationId=record.peer_pid, errorDetail=_why(record))


def edr(record: Transfer, agreed: Agreement) -> Json:
    """An endpoint data reference as the list shows it: no address, no token."""
    return {
        "@id": record.id,
        "@type": "EndpointDataReferenceEntry",
        "transferProcessId": record.id,
        "agreementId": agreed.id,
        "contractNegotiationId": agreed.negotiation,
        "assetId": agreed.dataset,
        "providerId": agreed.assigner,
        "createdAt": millis(record.changed),
    }


def state(record: Negotiation | Transfer) -> str:
    return record.place.state or _OPENING[record.side]


def _why(record: Negotiation | Transfer) -> str:
    """Why it ended or stands still; the other side's text is cleaned."""
    why = [record.place.code, *record.place.reason, *record.why_waiting] if isinstance(record, Negotiation) else [
        record.place.code, *record.place.reason
    ]  # fmt: skip
    return clean("; ".join(text for text in why if text), 2000)


def _if_any(**fields: str) -> Json:
    return {name: value for name, value in fields.items() if value}


# --- policies ------------------------------------------------------------------------------------


def policy(terms: Mapping[str, Any], kind: str) -> Json:
    """Stored terms in expanded spelling, readable without any context but the inline one."""
    parsed = parse_policy({key: terms[key] for key in ("permission", "prohibition", "obligation") if terms.get(key)})
    shown: Json = {"@type": f"odrl:{kind}"} | ({"@id": terms["@id"]} if terms.get("@id") else {})
    for party in ("assigner", "assignee", "target"):
        if terms.get(party):
            shown[f"odrl:{party}"] = {"@id": terms[party]}
    return shown | {
        "odrl:permission": [_rule(each) for each in parsed.permissions],
        "odrl:prohibition": [_rule(each) for each in parsed.prohibitions],
        "odrl:obligation": [_rule(each) for each in parsed.obligations],
    }


def _rule(rule: Rule | Duty) -> Json:
    shown: Json = {"odrl:action": _word(rule.action)}
    if rule.constraints:
        shown["odrl:constraint"] = [_condition(each) for each in rule.constraints]
    if isinstance(rule, Rule) and rule.duties:
        shown["odrl:duty"] = [_rule(each) for each in rule.duties]
    return shown


def _condition(condition: Condition) -> Json:
    if isinstance(condition, Logical):
        return {f"odrl:{condition.connective}": {"@list": [_condition(each) for each in condition.of]}}
    right = condition.right if isinstance(condition.right, str) else list(condition.right)
    return {
        "odrl:leftOperand": {"@id": wire_name(condition.left)},
        "odrl:operator": {"@id": f"odrl:{condition.operator}"},
        "odrl:rightOperand": right,
    }


def _word(name: str) -> Json:
    return {"@id": name if ":" in name else f"odrl:{name}"}
