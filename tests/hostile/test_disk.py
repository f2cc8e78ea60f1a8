"""A disk that takes no more while the node runs: said to the operator, passing for a peer, nothing half-written, and it goes on after."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from .messages import an_offer, new_id, opened
from .node import BASE, Node, message, running
from .shapes import is_in_shape


@contextlib.contextmanager
def no_file_may_grow(node: Node) -> Iterator[None]:
    """The system refuses every write beyond one page of any file, as a full disk or a quota does."""
    before = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process (prlimit is Linux's)")
def test_a_disk_that_takes_no_more_loses_nothing_and_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        recycler = node.peers["recycler"]
        offer, before = an_offer(node, recycler), node.at_rest()
        wish = {"view": "condition", "model": "EV-72", "policy": "second-life", "until": "2099-12-31"}
        fields = {"@id": new_id(), "consumerPid": new_id(), "callbackAddress": recycler.callback, "offer": offer}
        with no_file_may_grow(node):
            answer = node.sends(recycler, "/negotiations/request", "ContractRequestMessage", **fields)
            assert answer.status == 503 and answer.json["code"] in ("store.unavailable", "unavailable"), answer.body
            is_in_shape(f"{BASE}/negotiations/request", answer)
            assert str(tmp_path) not in answer.body.decode()
            assert node.says(recycler, "POST", f"{BASE}/catalog/request", message("CatalogRequestMessage")).status == 200, "it still reads"
            told = node.operate("POST", "/saltbridge/offers", wish)
            assert told.status == 503 and told.json["what"] and told.json["why"] and told.json["next"], told.body
        assert node.stored() == before
        again = node.sends(recycler, "/negotiations/request", "ContractRequestMessage", **fields)
        assert again.status == 201, "the same message, sent again"
        assert node.operate("POST", "/saltbridge/offers", wish).status in (200, 201)
        opened(node, recycler, offer)
        node.sound()
