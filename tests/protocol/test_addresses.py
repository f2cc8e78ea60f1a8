"""Where a peer is called back, and where data lies."""

import pytest

from connector.errors import Malformed
from connector.protocol.addresses import callback_address, data_address, read_data_address
from connector.protocol.vocabulary import EDC_NS


@pytest.mark.parametrize("text", ["https://peer.example", "http://127.0.0.1:7401/dsp/2025-1", "https://[::1]:7401/a"])
@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_callback_address_is_a_base_url_without_its_slash(text, slash):
    assert callback_address(text + slash) == text


@pytest.mark.parametrize(
    "text",
    [
        "peer.example", "/dsp", "ftp://peer.example", "https://", "https:///dsp", "https://user@peer.example", "https://u:p@peer.example",
        "https://peer.example/a?b", "https://peer.example/a#b", "https://peer.example/a/../b", "https://peer.example/%2E%2e/b",
        "https://peer.example:port", "https://peer.example:99999", "https://[::1", "https://peer.example/a b", "https://peer.example\\a",
        "https://peer.example/\r\nHost: x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(Malformed) as caught:
        callback_address(text)
    assert caught.value.where == "/callbackAddress"


def test_our_data_address_is_read_by_both_readings():
    address = data_address("https://h.example/data", "token")
    assert read_data_address(address) == ("https://h.example/data", "token", "bearer")
    said = {entry["name"]: entry["value"] for entry in address["endpointProperties"]}
    for prefix in ("", EDC_NS):  # EDC reads its own names only and no top-level endpoint
        assert [said[prefix + name] for name in ("endpoint", "authorization", "authType")] == ["https://h.example/data", "token", "bearer"]


def test_the_address_of_a_real_edc_is_read(edc_wire):
    starts = [exchange["requestBody"]["dataAddress"] for exchange in edc_wire if "dataAddress" in (exchange["requestBody"] or {})]
    assert starts
    for address in starts:
        endpoint, authorization, auth_type = read_data_address(address)
        assert (endpoint, auth_type, len(authorization)) == ("http://localhost:9000/public", "bearer", 32)


@pytest.mark.parametrize("address", [None, {}, {"@type": "DataAddress", "endpointType": "x"}])
def test_an_address_may_say_nothing(address):
    assert read_data_address(address) == ("", "", "")
