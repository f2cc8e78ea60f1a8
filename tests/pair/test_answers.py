"""How the answers of a peer that is not ours are read: again, settled, or over - and what the operator sees meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from connector.operate import contracts
from connector.records import Letter, Negotiation, Peer

from .nodes import PATIENCE, End, Stage
from .scripted import DROP, Reply, Scripted, asks, scripted

REQUEST, VERIFICATION, TERMINATION = (
    "ContractRequestMessage", "ContractAgreementVerificationMessage", "ContractNegotiationTerminationMessage"
)  # fmt: skip


@dataclass
class Scene:
    """Our node as consumer, and the peer it talks to."""

    end: End
    peer: Scripted
    known: Peer
    stage: Stage

    async def asks(self) -> str:
        return (await asks(self.end, self.known)).id

    async def attempted(self, pid: str, times: int) -> Letter:
        """The letter of a conversation once it was tried so often and waits."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            letters = [each for each in await self.end.letters(pid) if each.purpose != "turn"]
            if letters and letters[0].attempts >= times:
                return letters[0]
            assert loop.time() < deadline, (letters, await self.end.negotiation(pid), self.peer.heard())
            await self.end.world.changes.wait(pid, 0.02)

    async def waits(self, letter: Letter) -> float:
        """Seconds until a letter is tried again; that time passes now."""
        left = (letter.due - self.stage.clock.now()).total_seconds()
        await self.stage.passes(seconds=max(0.0, left))
        return left

    async def ended(self, pid: str) -> Negotiation:
        return await self.end.negotiation_is(pid, "TERMINATED")

    async def agreed(self) -> str:
        """A negotiation whose agreement the peer has just sent: our verification comes next."""
        pid = await self.asks()
        await self.end.negotiation_is(pid, "REQUESTED")
        await self.peer.agrees(self.end, pid)
        return pid


@pytest.fixture
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    end = await stage.start("solo", timeout=0.5)
    async with scripted() as peer:
        yield Scene(end, peer, await peer.known_to(end), stage)


# --- delivered -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [Reply(201), Reply(200), Reply(200, b""), Reply(204, b""), Reply(200, b"<html>thanks</html>"), Reply(200, [1])]
)
async def test_any_2xx_is_delivered_and_the_pid_is_learnt_at_the_latest_from_the_next_message(scene: Scene, reply: Reply) -> None:
    scene.peer.will(reply)
    pid = await scene.agreed()
    verified = await scene.end.negotiation_is(pid, "VERIFIED")
    assert verified.peer_pid == f"their:{pid}"
    await scene.peer.finalizes(scene.end, pid)
    await scene.end.negotiation_is(pid, "FINALIZED")
    assert scene.peer.heard() == [REQUEST, VERIFICATION]


async def test_a_peer_that_replies_before_it_answers_has_got_our_message(scene: Scene) -> None:
    slow = Reply(201, held=asyncio.Event())
    scene.peer.will(slow)
    pid = await scene.asks()
    await slow.arrived.wait()
    await scene.peer.agrees(scene.end, pid)
    assert (await scene.end.negotiation(pid)).place.state == "AGREED"
    assert slow.held is not None
    slow.held.set()
    await scene.end.negotiation_is(pid, "VERIFIED")
    assert scene.peer.heard() == [REQUEST, VERIFICATION]


async def test_a_message_that_a_reply_has_proved_is_not_sent_again_when_its_answer_is_lost(scene: Scene) -> None:
    lost = Reply(drop=True, held=asyncio.Event())
    scene.peer.will(lost)
    pid = await scene.asks()
    await lost.arrived.wait()
    await scene.peer.agrees(scene.end, pid)
    assert lost.held is not None
    lost.held.set()
    await scene.end.negotiation_is(pid, "VERIFIED")
    assert scene.peer.heard() == [REQUEST, VERIFICATION]


# --- again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(503), Reply(500, b"<html>broken</html>"), Reply(502), Reply(429), Reply(425), Reply(409), DROP,
        Reply(503, b"\xff\xfe garbage"), Reply(500, {"@type": "Odd", "reason": [{"@value": "not now"}, None, 7]}),
    ],
)  # fmt: skip
async def test_passing_trouble_is_tried_again_with_the_same_message(scene: Scene, trouble: Reply) -> None:
    scene.peer.will(trouble, trouble, Reply(201))
    pid = await scene.asks()
    done = await scene.end.negotiation_is(pid, "REQUESTED")
    assert done.place.code == ""
    first, second, third = [call for call in scene.peer.calls if call.type == REQUEST]
    assert first.body == second.body == third.body
    assert len({call.token for call in scene.peer.calls}) == 3, "each call has a token of its own"


async def test_a_peer_that_does_not_answer_in_time_is_tried_again(scene: Scene) -> None:
    scene.peer.will(Reply(201, held=asyncio.Event()), Reply(201))
    pid = await scene.asks()
    letter = await scene.attempted(pid, 1)
    assert "in time" in letter.last_error
    await scene.end.negotiation_is(pid, "REQUESTED")


async def test_the_pause_doubles_from_a_fifth_of_a_second_to_five_minutes(scene: Scene) -> None:
    scene.peer.always = Reply(503)
    pid = await scene.asks()
    pauses = []
    for attempt in range(1, 15):
        letter = await scene.attempted(pid, attempt)
        pauses.append(await scene.waits(letter))
    for attempt, pause in enumerate(pauses):
        expected = min(300.0, 0.2 * 2**attempt)
        assert expected - 0.2 - expected * 0.05 <= pause <= expected, pauses


@pytest.mark.parametrize(
    ("asked", "low", "high"), [("7", 6, 7), ("0", 0, 0.2), ("9999999", 299, 300), ("Wed, 25 Nov 2026 10:00:00 GMT", 0, 0.2), ("²", 0, 0.2)]
)
async def test_retry_after_is_followed_within_reason(scene: Scene, asked: str, low: float, high: float) -> None:
    scene.peer.will(Reply(503, headers={"Retry-After": asked.encode().decode("latin-1")}))
    pid = await scene.asks()
    if high > 1:
        letter = await scene.attempted(pid, 1)
        assert low < (letter.due - scene.stage.clock.now()).total_seconds() <= high
        await scene.waits(letter)
    await scene.end.negotiation_is(pid, "REQUESTED")
    first, second = scene.peer.calls
    assert high > 1 or second.at - first.at > 0.15, "never at once, whatever they ask"


async def test_the_operator_sees_attempts_and_the_last_error(scene: Scene) -> None:
    scene.peer.always = Reply(503, {"@type": "ContractNegotiationError", "code": "busy", "reason": ["Stocktaking."]})
    pid = await scene.asks()
    await scene.attempted(pid, 2)
    for shown in ((await contracts.show(scene.end.world, pid))["letters"], (await contracts.timeline(scene.end.world, pid))["waiting"]):
        [waiting] = shown
        assert waiting["message"] == REQUEST
        assert waiting["attempts"] >= 2
        assert waiting["error"] == "503 busy Stocktaking."


async def test_a_conversation_that_was_never_answered_is_given_up_after_a_day(scene: Scene) -> None:
    scene.peer.always = DROP
    pid = await scene.asks()
    await scene.attempted(pid, 1)
    await scene.stage.passes(hours=23)
    await scene.attempted(pid, 2)
    assert (await scene.end.negotiation(pid)).place.state == ""
    await scene.stage.passes(hours=2)
    ended = await scene.ended(pid)
    assert (ended.place.code, ended.place.by) == ("peer.unreachable", "us")
    assert "1 day" in ended.place.reason[0]
    assert TERMINATION not in scene.peer.heard(), "a peer that never gave a pid cannot be told"
    assert await scene.end.letters(pid) == []


# --- who we are, and what they know --------------------------------------------------------------


async def test_a_401_is_tried_once_more_with_a_fresh_token(scene: Scene) -> None:
    scene.peer.will(401, 201)
    pid = await scene.asks()
    await scene.end.negotiation_is(pid, "REQUESTED")
    first, second = scene.peer.calls
    assert first.body == second.body
    assert first.token != second.token


async def test_a_second_401_ends_it(scene: Scene) -> None:
    scene.peer.always = Reply(401, {"@type": "ContractNegotiationError", "code": "identity.unknown", "reason": ["Not authenticated."]})
    pid = await scene.asks()
    ended = await scene.ended(pid)
    assert (ended.place.code, ended.place.reason) == ("identity.unknown", ("Not authenticated.",))
    assert scene.peer.heard() == [REQUEST, REQUEST]


@pytest.mark.parametrize(("misses", "state"), [(3, "REQUESTED"), (4, "TERMINATED")])
async def test_a_404_is_tried_three_more_times(scene: Scene, misses: int, state: str) -> None:
    scene.peer.will(*[404] * misses, 201)
    pid = await scene.asks()
    for attempt in (1, 2, 3):
        letter = await scene.attempted(pid, attempt)
        assert 0 < await scene.waits(letter) <= 1.0
    ended = await scene.end.negotiation_is(pid, state)
    assert scene.peer.heard() == [REQUEST] * 4
    assert ended.place.code == ("" if state == "REQUESTED" else "peer.refused")


async def test_from_the_fifth_409_in_a_row_on_it_is_read_as_404(scene: Scene) -> None:
    scene.peer.always = Reply(409)
    pid = await scene.asks()
    for attempt in range(1, 8):
        letter = await scene.attempted(pid, attempt)
        pause = await scene.waits(letter)
        assert pause <= (0.2 * 2 ** (attempt - 1) if attempt < 5 else 1.0)
    await scene.ended(pid)
    assert scene.peer.heard() == [REQUEST] * 8


async def test_409s_with_other_trouble_between_are_not_in_a_row(scene: Scene) -> None:
    scene.peer.will(*[409] * 4, 503, *[409] * 4, 201)
    pid = await scene.asks()
    for attempt in range(1, 10):
        await scene.waits(await scene.attempted(pid, attempt))
    await scene.end.negotiation_is(pid, "REQUESTED")


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "reason"),
    [
        (Reply(400, {"code": "terms", "reason": ["No."]}), "terms", "No."),
        (Reply(403, {"code": "no", "reason": [{"@value": "Not you."}]}), "no", "Not you."),
        (Reply(400, [{"message": "EDC says no", "type": "ObjectConflict"}]), "ObjectConflict", "EDC says no"),
        (Reply(400, b"<html>proxy</html>"), "peer.refused", "The peer answered 400, no reason given."),
        (Reply(400, b""), "peer.refused", "The peer answered 400, no reason given."),
        (Reply(418, b"short and stout"), "peer.refused", "short and stout"),
        (Reply(302, b"", {"Location": "http://localhost:1/"}), "peer.refused", "The peer answered 302, no reason given."),
    ],
)
async def test_any_other_answer_ends_it_in_the_peers_words(scene: Scene, reply: Reply, code: str, reason: str) -> None:
    scene.peer.will(reply)
    pid = await scene.asks()
    ended = await scene.ended(pid)
    assert (ended.place.code, ended.place.reason) == (code, (reason,))
    assert (await scene.end.said(pid))[-1] == ("here", f"ended: {REQUEST} was not delivered", "TERMINATED")
    assert scene.peer.heard() == [REQUEST]


async def _verification_gets(scene: Scene, *replies: Reply | int, state: str) -> str:
    """A negotiation whose verification is answered so, while the peer tells this state of it."""
    pid = await scene.asks()
    await scene.end.negotiation_is(pid, "REQUESTED")
    scene.peer.will(*replies)
    scene.peer.state = state
    await scene.peer.agrees(scene.end, pid)
    return pid


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_refused_message_that_took_effect_there_is_settled(scene: Scene, status: int) -> None:
    times = {404: 4, 409: 8}.get(status, 1)
    pid = await _verification_gets(scene, *[status] * times, state="VERIFIED")
    for attempt in range(1, times):
        await scene.waits(await scene.attempted(pid, attempt))
    await scene.end.negotiation_is(pid, "VERIFIED")
    assert "GET" in scene.peer.heard()
    await scene.peer.finalizes(scene.end, pid)
    await scene.end.negotiation_is(pid, "FINALIZED")


async def test_one_look_at_the_peers_state_may_fail(scene: Scene) -> None:
    scene.peer.troubles.extend([DROP, Reply(503)])
    pid = await _verification_gets(scene, 400, state="VERIFIED")
    await scene.end.negotiation_is(pid, "VERIFIED")
    assert scene.peer.heard().count("GET") == 3


@pytest.mark.parametrize("state", ["AGREED", "", "TERMINATED"])
async def test_a_refused_message_that_took_no_effect_ends_it_and_the_peer_is_told(scene: Scene, state: str) -> None:
    pid = await _verification_gets(scene, Reply(400, {"code": "odd", "reason": ["Cannot read it."]}), state=state)
    ended = await scene.ended(pid)
    assert (ended.place.code, ended.place.reason) == ("odd", ("Cannot read it.",))
    await _heard(scene, TERMINATION)
    told = scene.peer.calls[-1].body
    assert told["code"] == "message.refused"
    assert VERIFICATION in told["reason"][0]


@pytest.mark.parametrize("trouble", [Reply(503), Reply(429), DROP])
async def test_the_last_word_to_a_peer_is_a_letter_like_others_and_passing_trouble_does_not_lose_it(scene: Scene, trouble: Reply) -> None:
    pid = await _verification_gets(scene, Reply(400, {"code": "odd"}), trouble, trouble, state="AGREED")
    await scene.ended(pid)
    for attempt in (1, 2):
        letter = await scene.attempted(pid, attempt)
        assert (letter.purpose, letter.message) == ("farewell", TERMINATION)
        await scene.waits(letter)
    async with asyncio.timeout(PATIENCE):
        while await scene.end.letters(pid):
            await scene.end.world.changes.wait("nothing", 0.02)
    assert scene.peer.heard().count(TERMINATION) == 3
    first, second, third = (call.body for call in scene.peer.calls if call.type == TERMINATION)
    assert first == second == third


@pytest.mark.parametrize("answer", [200, 400, 404])
async def test_the_last_word_is_said_once_when_it_is_answered(scene: Scene, answer: int) -> None:
    pid = await _verification_gets(scene, Reply(400, {"code": "odd"}), answer, state="AGREED")
    await scene.ended(pid)
    await _heard(scene, TERMINATION)
    async with asyncio.timeout(PATIENCE):
        while await scene.end.letters(pid):
            await scene.end.world.changes.wait("nothing", 0.02)
    assert scene.peer.heard().count(TERMINATION) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("state", ["AGREED", ""])
async def test_a_peer_that_is_said_to_know_nothing_of_it_is_told_where_it_shows_its_state(scene: Scene, status: int, state: str) -> None:
    """A gateway's 404 says nothing of the peer behind it; one that still shows the conversation would wait for us for ever."""
    times = {401: 2, 403: 1, 404: 4}[status]
    pid = await _verification_gets(scene, *[status] * times, state=state)
    for attempt in range(1, times):
        await scene.waits(await scene.attempted(pid, attempt))
    ended = await scene.ended(pid)
    assert ended.place.code == "peer.refused"
    if state:
        await _heard(scene, TERMINATION)
    assert scene.peer.heard().count(TERMINATION) == bool(state)


async def test_giving_up_after_a_day_tells_the_peer_once(scene: Scene) -> None:
    pid = await _verification_gets(scene, *[503] * 2, state="AGREED")
    await scene.attempted(pid, 1)
    scene.peer.says.clear()
    scene.peer.always = Reply(503)
    await scene.stage.passes(hours=25)
    ended = await scene.ended(pid)
    assert ended.place.code == "peer.unreachable"
    await _heard(scene, TERMINATION)
    assert scene.peer.heard().count(TERMINATION) == 1
    assert scene.peer.calls[-1].body["code"] == "peer.unreachable"


async def _heard(scene: Scene, type: str) -> Any:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while type not in scene.peer.heard():
        assert loop.time() < deadline, scene.peer.heard()
        await scene.end.world.changes.wait("nothing", 0.02)


async def test_trouble_with_one_peer_does_not_keep_another_waiting(scene: Scene) -> None:
    scene.peer.always = Reply(503)
    stuck = [await scene.asks() for _ in range(5)]
    async with scripted() as other:
        pid = (await asks(scene.end, await other.known_to(scene.end, "other"))).id
        await scene.end.negotiation_is(pid, "REQUESTED")
    assert {(await scene.end.negotiation(each)).place.state for each in stuck} == {""}
