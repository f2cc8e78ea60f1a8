"""Peers answer in many shapes; what can be understood is, and nothing else is believed."""

import json

import pytest

from connector.errors import Malformed
from connector.protocol import wire
from connector.protocol.messages import NegotiationAck, TransferAck
from connector.protocol.vocabulary import DSP_CONTEXT, EDC_CONTEXT

ACK = {"consumerPid": "c", "providerPid": "p", "state": "STARTED"}


def _bytes(tree):
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    "extra", [{}, {"@context": DSP_CONTEXT}, {"@context": [DSP_CONTEXT, "https://x.example"], "@type": "TransferProcess", "@id": "p"}]
)
def test_an_acknowledgement_is_read_whatever_its_context(extra):
    assert wire.read_ack(_bytes({**ACK, **extra}), "transfer") == TransferAck(consumer_pid="c", provider_pid="p", state="STARTED")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"OK",
        _bytes({"consumerPid": "c", "providerPid": "p"}),  # the data plane kit answers without a state
        _bytes({**ACK, "state": "dspace:STARTED"}),
        _bytes({**ACK, "state": "SOMETHING"}),
        _bytes({**ACK, "state": ["STARTED"]}),
        _bytes({**ACK, "providerPid": 7}),
        _bytes({**ACK, "providerPid": ""}),
        _bytes({**ACK, "providerPid": "x" * 2049}),
        _bytes({**ACK, "@type": "TransferError"}),
    ],
)
def test_what_is_no_acknowledgement_is_none(body):
    assert wire.read_ack(body, "transfer") is None


def test_families_are_not_mixed_up():
    assert wire.read_ack(_bytes(ACK), "negotiation") is None
    both = _bytes({**ACK, "state": "REQUESTED"})
    assert isinstance(wire.read_ack(both, "negotiation"), NegotiationAck)
    assert isinstance(wire.read_ack(both, "transfer"), TransferAck)


@pytest.mark.parametrize(
    ("body", "code", "reasons"),
    [
        (
            _bytes({"@type": "TransferError", "code": "404", "reason": ["gone", {"@value": "fort", "@language": "de"}]}),
            "404",
            ("gone", "fort"),
        ),
        (_bytes({"code": 404, "reason": "gone"}), "404", ("gone",)),
        (_bytes({"reason": [{"a": 1}, None, "", []]}), "", ('{"a": 1}',)),
        (_bytes([{"message": "bad context", "type": "ValidationFailure", "path": None}]), "ValidationFailure", ("bad context",)),
        (_bytes({"message": "no such route"}), "", ("no such route",)),
        (b"Service Unavailable\n", "", ("Service Unavailable",)),
        (b"<html>nginx</html>", "", ()),
        (b"", "", ()),
        (b"\xff\xfe", "", ("\ufffd\ufffd",)),
        (b"null", "", ()),
        (b"[]", "", ()),
    ],
)
def test_errors_of_many_shapes_say_code_and_reasons(body, code, reasons):
    assert wire.read_error(body) == (code, reasons)


def test_an_error_is_cut_to_two_kilobytes():
    _, reasons = wire.read_error(_bytes({"code": "x" * 9999, "reason": ["ä" * 1500, "b" * 9999, "c"]}))
    assert sum(len(text.encode()) for text in reasons) <= 2048
    assert reasons[-1].endswith("…")


CATALOG = {"@context": [DSP_CONTEXT], "@type": "Catalog", "@id": "c", "participantId": "p"}


def test_a_catalog_may_leave_out_arrays_and_brackets():
    assert wire.read_catalog(_bytes(CATALOG)) == {
        "@type": "Catalog", "@id": "c", "participantId": "p", "dataset": [], "catalog": [], "service": [], "distribution": [],
    }  # fmt: skip
    offer = {"@id": "o", "@type": "Offer", "permission": [{"action": "use"}]}
    dataset = {
        "@id": "d",
        "@type": "Dataset",
        "hasPolicy": offer,
        "distribution": {"format": "HttpData-PULL", "accessService": "s", "hasPolicy": offer},
    }
    nested = {"@id": "n", "@type": "Catalog", "dataset": dataset}
    read = wire.read_catalog(_bytes({**CATALOG, "dataset": dataset, "catalog": nested, "service": {"@id": "s"}}))
    assert read["dataset"] == read["catalog"][0]["dataset"]
    assert read["dataset"][0]["hasPolicy"] == [offer]
    assert read["dataset"][0]["distribution"][0]["hasPolicy"] == [offer]
    assert read["service"] == [{"@id": "s"}]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"@id": 7}, ""),
        ({"dataset": [{"@type": "Dataset"}]}, "/dataset/0"),
        ({"dataset": "d"}, "/dataset/0"),
        ({"dataset": [{"@id": "d", "hasPolicy": [{}]}]}, "/dataset/0/hasPolicy/0"),
        ({"dataset": [{"@id": "d", "distribution": ["x"]}]}, "/dataset/0/distribution/0"),
        ({"@type": "Dataset"}, "/@type"),
        ({"@context": [DSP_CONTEXT, "https://x.example"]}, "/@context/1"),
    ],
)
def test_a_catalog_nobody_could_refer_to_is_refused(change, where):
    with pytest.raises(Malformed) as caught:
        wire.read_catalog(_bytes({**CATALOG, **change}))
    assert caught.value.where == where


def test_a_dataset_under_the_context_of_an_edc():
    dataset = {
        "@context": [DSP_CONTEXT, EDC_CONTEXT],
        "@type": "Dataset",
        "@id": "d",
        "id": "d",
        "hasPolicy": {"@id": "o", "@type": "Offer"},
    }
    assert wire.read_dataset(_bytes(dataset)) == {
        "@type": "Dataset",
        "@id": "d",
        "https://w3id.org/edc/v0.0.1/ns/id": "d",
        "hasPolicy": [{"@id": "o", "@type": "Offer"}],
        "distribution": [],
    }


def test_version_metadata_of_older_peers_is_read():
    (version,) = wire.read_version(_bytes([{"version": "v0.8", "path": "/"}]))
    assert (version.version, version.path, version.binding, version.auth) == ("v0.8", "/", "", None)


@pytest.mark.parametrize("body", [b"{}", b'"x"', b'{"protocolVersions": [{"version": 1, "path": "/"}]}', b'{"protocolVersions": ["x"]}'])
def test_what_is_no_version_metadata_is_refused(body):
    with pytest.raises(Malformed):
        wire.read_version(body)
