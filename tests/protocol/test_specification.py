"""Every schema and every example of DSP 2025-1, both ways: what we write is valid, what is valid we read, and it comes back the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pyld import jsonld

from catalog.dcat import catalog_json, dataset_json
from connector.errors import Malformed
from connector.ports import Limits
from connector.protocol import contexts, wire
from connector.protocol import messages as m
from connector.protocol.negotiation import State as NS
from connector.protocol.transfer import State as TS

Json = dict[str, Any]

LIMITS = Limits()
MESSAGES = {cls.type: cls for cls in get_args(m.Message)}

# What stands behind each schema file.
SPOKEN = {
    "catalog/catalog-schema.json": "Catalog",
    "catalog/dataset-schema.json": "Dataset",
    "catalog/catalog-request-message-schema.json": "CatalogRequestMessage",
    "catalog/catalog-error-schema.json": "CatalogError",
    "common/protocol-version-schema.json": "",
    "negotiation/contract-request-message-schema.json": "ContractRequestMessage",
    "negotiation/contract-offer-message-schema.json": "ContractOfferMessage",
    "negotiation/contract-agreement-message-schema.json": "ContractAgreementMessage",
    "negotiation/contract-agreement-verification-message-schema.json": "ContractAgreementVerificationMessage",
    "negotiation/contract-negotiation-event-message-schema.json": "ContractNegotiationEventMessage",
    "negotiation/contract-negotiation-termination-message-schema.json": "ContractNegotiationTerminationMessage",
    "negotiation/contract-negotiation-schema.json": "ContractNegotiation",
    "negotiation/contract-negotiation-error-schema.json": "ContractNegotiationError",
    "transfer/transfer-request-message-schema.json": "TransferRequestMessage",
    "transfer/transfer-start-message-schema.json": "TransferStartMessage",
    "transfer/transfer-completion-message-schema.json": "TransferCompletionMessage",
    "transfer/transfer-suspension-message-schema.json": "TransferSuspensionMessage",
    "transfer/transfer-termination-message-schema.json": "TransferTerminationMessage",
    "transfer/transfer-process-schema.json": "TransferProcess",
    "transfer/transfer-error-schema.json": "TransferError",
}
PARTS = {  # only ever a part of those
    "common/context-schema.json",
    "negotiation/contract-schema.json",
    "transfer/data-address-schema.json",
    "transfer/transfer-schema.json",
}
NOT_SPOKEN = {
    "catalog/dataset-request-message-schema.json": "implied by GET /catalog/datasets/{id}, never sent",
    "common/did-service-schema.json": "optional discovery; its own example of a DataService is invalid under it",
}
REASON = "https://w3id.org/dspace/2025/1/reason"  # free-form: we keep the words only
EXAMPLES_NOT_SPOKEN = {"dataset-request-message.json", "catalogservice-did-service.json", "dataservice-did-service.json"}


def test_every_schema_has_its_place(dsp: Path) -> None:
    there = {file.relative_to(dsp).as_posix() for file in dsp.glob("*/*-schema.json")}
    assert there == {*SPOKEN, *PARTS, *NOT_SPOKEN}
    texts = {name: (dsp / name).read_text("utf-8") for name in SPOKEN}
    for part in PARTS:
        assert any(part in text for text in texts.values()) or part == "transfer/transfer-schema.json", part
    assert set(SPOKEN.values()) - set(MESSAGES) == {
        "", "Catalog", "Dataset", "CatalogError", "ContractNegotiation", "ContractNegotiationError", "TransferProcess", "TransferError"
    }  # fmt: skip
    assert set(MESSAGES) <= set(SPOKEN.values())


# --- what we write -------------------------------------------------------------------------------


def _written() -> Iterator[bytes]:
    """Something of every kind but messages, which `test_wire` writes in all shapes."""
    offer = {"@id": "o", "@type": "Offer", "permission": [{"action": "use"}]}
    dataset = dataset_json("bp-1", [offer], "A title", "HttpData-PULL", "urn:uuid:1", "https://maker.example/dsp/2025-1")
    service = ("urn:uuid:1", "https://maker.example/dsp/2025-1")
    yield wire.write_document(dataset)
    for datasets in ([], [dataset], [dataset, {**dataset, "@id": "bp-2"}]):
        yield wire.write_document(catalog_json("did:web:maker.example", "urn:uuid:2", *service, datasets))
    for state in NS:
        yield wire.write(m.NegotiationAck(consumer_pid="c", provider_pid="p", state=state))
    for where in TS:
        yield wire.write(m.TransferAck(consumer_pid="c", provider_pid="p", state=where))
    for family in ("catalog", "negotiation", "transfer"):
        for reasons in ((), ("what", "why")):
            yield wire.error_body(family, "code", reasons, "c", "p")
    yield wire.write_version(m.Version(version="2025-1", path="/dsp/2025-1", binding="HTTPS"))


def test_what_we_write_is_valid_and_every_kind_is_written(official: Callable[[Any], list[str]]) -> None:
    kinds = set()
    for body in _written():
        document = json.loads(body)
        assert official(document) == [], document
        kinds.add(document.get("@type", ""))
    assert kinds | set(MESSAGES) == set(SPOKEN.values())


def test_the_schemas_do_judge_and_an_acknowledgement_that_they_refuse_is_not_believed(official: Callable[[Any], list[str]]) -> None:
    """Catalogs of peers are read although they lack what nobody needs; an acknowledgement moves a process."""
    demanded = 0
    for body in _written():
        document = json.loads(body)
        for key in set(document) - {"@type"} if "@type" in document else ():
            cut = {name: value for name, value in document.items() if name != key}
            if not official(cut):
                continue
            demanded += 1
            if document["@type"] in ("ContractNegotiation", "TransferProcess") and key != "@context":
                family = "transfer" if document["@type"] == "TransferProcess" else "negotiation"
                assert wire.read_ack(json.dumps(cut).encode(), family) is None
    assert demanded > 50


# --- what others write ---------------------------------------------------------------------------


def test_every_example_is_read_and_comes_back_valid_and_with_the_same_meaning(
    examples: dict[str, bytes], official: Callable[[Any], list[str]]
) -> None:
    for name, body in examples.items():
        if name in EXAMPLES_NOT_SPOKEN:
            continue
        document = json.loads(body)
        assert official(document) == [], name
        again = json.loads(_again(body, document.get("@type", "")))
        assert official(again) == [], (name, again)
        assert _meaning(again) == _meaning(document), name


def test_every_example_has_its_place(dsp: Path, examples: dict[str, bytes]) -> None:
    assert {file.name for file in dsp.glob("*/example/*.json")} >= EXAMPLES_NOT_SPOKEN
    types = {json.loads(body).get("@type", "") for name, body in examples.items() if name not in EXAMPLES_NOT_SPOKEN}
    assert types == set(SPOKEN.values())


def _again(body: bytes, type: str) -> bytes:
    """Read as ours, written as ours."""
    if type in MESSAGES:
        return wire.write(wire.read(body, MESSAGES[type], LIMITS))
    match type:
        case "":
            return wire.write_version(*wire.read_version(body))
        case "Catalog":
            return wire.write_document(_without_empty(wire.read_catalog(body)))
        case "Dataset":
            return wire.write_document(_without_empty(wire.read_dataset(body)))
        case "ContractNegotiation" | "TransferProcess":
            ack = wire.read_ack(body, "transfer" if type == "TransferProcess" else "negotiation")
            assert ack is not None
            return wire.write(ack)
        case _:
            said = json.loads(body)
            family = {"CatalogError": "catalog", "ContractNegotiationError": "negotiation", "TransferError": "transfer"}[type]
            return wire.error_body(family, *wire.read_error(body), said.get("consumerPid", ""), said.get("providerPid", ""))


def _without_empty(node: Any) -> Any:
    """A catalog as read has every list; as written it has none that is empty."""
    if isinstance(node, dict):
        return {key: _without_empty(value) for key, value in node.items() if value != []}
    return [_without_empty(item) for item in node] if isinstance(node, list) else node


def _meaning(document: Json) -> Any:
    """The expanded form, without what is empty and with reasons counted; of the version metadata, which has no context, itself."""
    if "@context" not in document:
        return document
    expanded = jsonld.expand(document, {"base": None, "documentLoader": _bundled})
    assert expanded, document
    return [_without_empty({key: len(value) if key == REASON else value for key, value in node.items()}) for node in expanded]


def _bundled(url: str, options: Any) -> Json:
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": contexts.documents()[url]}


@pytest.mark.parametrize("name", sorted(NOT_SPOKEN))
def test_what_is_not_spoken_is_refused_as_a_message(name: str, dsp: Path) -> None:
    type = json.loads((dsp / name).read_text("utf-8"))["title"].removesuffix("Schema")
    body = json.dumps({"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": type, "dataset": "x"}).encode()
    with pytest.raises(Malformed):
        wire.read(body, tuple(MESSAGES.values()), LIMITS)
