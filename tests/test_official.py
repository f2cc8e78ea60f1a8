"""The watch over what nodes write sees what it must, in every test."""

from __future__ import annotations

import pytest

from connector.exchange import compose
from connector.protocol import wire

from . import official


@pytest.mark.skipif(not official.schemas(), reason=f"third-party data not here: {official.FOLDER}")
def test_an_invalid_document_does_not_go_unseen(faults_of_what_nodes_write: list[str]) -> None:
    good = {"@type": "TransferStartMessage", "providerPid": "p", "consumerPid": "c"}
    body = wire.write_document(good)
    compose.with_address(body.decode(), wire.data_address("https://maker.example/data", "token"))
    assert faults_of_what_nodes_write == []
    wire.write_document({**good, "consumerPid": 7})
    wire.write_document({**good, "dataAddress": {}})
    wire.error_body("transfer", "code", [], "c", 7)  # type: ignore[arg-type]
    assert len(faults_of_what_nodes_write) >= 3
    faults_of_what_nodes_write.clear()


def test_a_document_of_another_kind_is_none_of_its_business() -> None:
    assert official.faults({"@type": "Something"}) == official.faults([]) == official.faults({"@type": ["Offer"]}) == []
