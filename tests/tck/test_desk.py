"""The kit's server is as unforgiving as the official kit's: what it takes, drops, refuses and leaves without an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from . import wording
from .desk import Desk
from .scenarios import ROWS
from .wording import Process

Post = Callable[..., Awaitable[int]]


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """The desk of a row, with a process of which it is the consumer and that was acknowledged."""
    [row] = [row for row in ROWS if row.id == request.param]
    desk = Desk(row)
    await desk.start()
    desk.process = Process(row.subject, row.is_transfer, consumer=True, offer_id="offer", peer_pid="theirs", state="REQUESTED")
    yield desk
    desk.close()
    await desk.stop()


@pytest.fixture
async def post(desk: Desk) -> AsyncIterator[Post]:
    """Says a message to the desk; the status it answers."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as client:

        async def post(name: str, slash: str = "", **changes: Any) -> int:
            kind = desk.kinds[name]
            assert desk.process is not None
            mine = wording.compose(name, desk.process, desk.address, "node")
            body = {key: value for key, value in {**mine, **changes}.items() if value is not None}
            async with client.post(f"{desk.address}{kind.path.format('any')}{slash}", json=body) as answer:
                assert "Content-Type" not in answer.headers
                return answer.status

        yield post


negotiation = pytest.mark.parametrize("desk", ["CN:01-01"], indirect=True)
transfer = pytest.mark.parametrize("desk", ["TP:01-01"], indirect=True)


@negotiation
async def test_what_is_not_expected_is_answered_with_404_and_changes_nothing(desk: Desk, post: Post) -> None:
    assert await post("offer") == 404
    assert desk.process is not None and desk.process.state == "REQUESTED"
    assert desk.tally.unheard == ["POST /negotiations/any/offers ContractOfferMessage"]
    assert desk.out_of_turn() == []  # this row expects an offer, if not now
    assert await post("agreement") == 404
    assert len(desk.out_of_turn()) == 1


@negotiation
async def test_a_message_is_taken_once_with_or_without_a_slash(desk: Desk, post: Post) -> None:
    came = desk.expect("offer", silently=False)
    assert await post("offer", "/") == 200
    assert came.is_set() and desk.process is not None and desk.process.state == "OFFERED"
    assert await post("offer") == 404


@negotiation
async def test_an_invalid_message_gets_no_answer_at_all(desk: Desk, post: Post) -> None:
    desk.expect("offer", silently=False)
    with pytest.raises(TimeoutError):
        await post("offer", callbackAddress="http://node.example")
    assert desk.tally.unanswered == 1 and "offer is invalid" in desk.broken[0]


@negotiation
async def test_a_negotiation_that_is_overtaken_drops_the_connection_and_still_expects(desk: Desk, post: Post) -> None:
    assert desk.process is not None
    desk.process.state = desk.process.peer_pid = ""
    came = desk.expect("agreement", silently=True)
    with pytest.raises(aiohttp.ClientError):
        await post("agreement", providerPid="theirs")
    assert desk.tally.dropped == 1 and not came.is_set() and not desk.broken
    desk.process.state, desk.process.peer_pid = "REQUESTED", "theirs"
    assert await post("agreement") == 200


@transfer
async def test_a_transfer_that_is_overtaken_answers_409_and_expects_no_more(desk: Desk, post: Post) -> None:
    assert desk.process is not None
    desk.process.state = desk.process.peer_pid = ""
    came = desk.expect("start", silently=False)
    assert await post("start", providerPid="theirs") == 409
    assert desk.tally.conflicts == 1 and came.is_set()
    assert await post("start", providerPid="theirs") == 404


@transfer
@pytest.mark.parametrize("changes", [{"consumerPid": "another"}, {"providerPid": "another"}])
async def test_a_wrong_pid_loses_the_scenario(desk: Desk, post: Post, changes: dict[str, str]) -> None:
    desk.expect("start", silently=False)
    assert await post("start", **changes) == 500
    assert "names no process of ours" in desk.broken[0]


@transfer
async def test_it_serves_no_get_until_it_forgives(desk: Desk) -> None:
    assert desk.process is not None
    url = f"{desk.address}/transfers/{desk.process.pid}"
    async with aiohttp.ClientSession() as client:
        async with client.get(url) as answer:
            assert answer.status == 404
        desk.forgiving = True
        async with client.get(url) as answer:
            assert (answer.status, (await answer.json(content_type=None))["state"]) == (200, "REQUESTED")


@transfer
async def test_a_forgiving_desk_takes_what_is_legal_repeats_and_refuses(desk: Desk, post: Post) -> None:
    desk.forgiving = True
    assert await post("start", **{"@id": "urn:uuid:1"}) == 200
    assert await post("start", **{"@id": "urn:uuid:1"}) == 200
    assert await post("start", **{"@id": "urn:uuid:2"}) == 400
    assert desk.process is not None and desk.process.state == "STARTED"
