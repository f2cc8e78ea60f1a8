"""Our checks against the official schemas: never laxer, and stricter only where `schemas/dsp.json` says so."""

import copy
import json

import pytest

from connector.errors import Malformed
from connector.protocol import schemas

ODD = [None, True, 7, 1.5, "", "odd", [], {}, ["odd"], [7], {"odd": 7}, [{}]]


def _places(node, path=()):
    yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key not in ("@context",) and (*path, key) != ("@type",):
            yield from _places(value, (*path, key))


def _mutants(document):
    for path in list(_places(document))[1:]:
        for value in [..., *ODD]:
            mutant = copy.deepcopy(document)
            node = mutant
            for step in path[:-1]:
                node = node[step]
            if value is ...:
                del node[path[-1]]
            else:
                node[path[-1]] = value
            yield path, value, mutant
    for extra in ("providerPid", "consumerPid", "callbackAddress", "unknown"):
        yield (extra,), "added", {**document, extra: "added"}


def test_every_mutant_of_every_example_is_judged_as_the_official_schema_does_or_stricter(examples, official):
    judged = 0
    for name, body in examples.items():
        document = json.loads(body)
        if f"{document.get('@type')}" not in schemas.TYPES:
            continue
        for path, value, mutant in _mutants(document):
            fault = None
            try:
                schemas.check(document["@type"], mutant)
            except Malformed as error:
                fault = error
            judged += 1
            if official(mutant):
                assert fault, (name, path, value)
            elif fault:
                assert "must not be empty" in fault.what, (name, path, value, str(fault))  # an empty id
    assert judged > 2500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("@id",), 7),  # messages have an @id, which the official schemas do not know
        (("consumerPid",), "x" * 2049),
        (("agreement", "assigner"), ""),
        (("agreement", "timestamp"), "in 2026-11-24T20:53:55Z or so"),
        (("agreement", "permission", 0, "constraint", 0, "operator"), "term-lteq"),  # no context defines it
        (("agreement", "permission", 0, "constraint", 0, "and"), "beside three operands"),
    ],
)
def test_stricter_than_the_official_schema_on_purpose(examples, official, path, value):
    document = json.loads(examples["contract-agreement-message.json"])
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert official(document) == []
    with pytest.raises(Malformed):
        schemas.check(document["@type"], document)


def test_a_fault_in_a_list_is_named_by_its_place():
    rule = {"action": "use", "constraint": [{"leftOperand": "a"}] * 10_000}
    with pytest.raises(Malformed) as caught:
        schemas.check(
            "ContractRequestMessage",
            {"consumerPid": "c", "offer": {"@id": "o", "@type": "Offer", "permission": [rule]}, "providerPid": "p"},
        )
    error = caught.value
    assert error.what == "operator is missing in constraint[0]."
    assert error.why == "DSP 2025-1 demands it of a ContractRequestMessage."
    assert error.where == "/offer/permission/0/constraint/0"


def test_no_value_of_the_peer_is_quoted():
    with pytest.raises(Malformed) as caught:
        schemas.check("ContractNegotiationEventMessage", {"providerPid": "p", "consumerPid": ["\x1b[31m"], "eventType": "\x1b[31m"})
    assert "\x1b" not in str(caught.value)
