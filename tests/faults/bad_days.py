"""The faults: what may happen to one arrival of a message between two nodes.  A table; `gate` does what it says.

`lasting` faults never let the message through: the conversation ends, on both sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .gate import Fault, Visit

LATE = 0.4  # seconds that something late comes after what it is late for
DELAY = 0.5  # seconds, well within a sender's patience
NEXT = 2.0  # seconds to wait for the next message, where there is one


# --- the network ---------------------------------------------------------------------------------


async def lost(visit: Visit) -> None:
    """The request never arrives, and nobody says so."""
    await visit.caller_gone()


async def answer_lost(visit: Visit) -> None:
    """It arrives and takes effect; the answer does not come back."""
    await visit.forward()
    await visit.caller_gone()


async def delayed(visit: Visit) -> None:
    await asyncio.sleep(DELAY)
    await visit.give((await visit.forward()).raw)


async def answer_delayed(visit: Visit) -> None:
    """The other side may well be two messages further when its answer comes."""
    answer = await visit.forward()
    await asyncio.sleep(DELAY)
    await visit.give(answer.raw)


async def late(visit: Visit) -> None:
    """The sender has given up and said it again before the first one arrives."""
    await visit.caller_gone()

    async def arrive() -> None:
        await asyncio.sleep(LATE)
        answer = await visit.forward()
        visit.wire.counts["a message came late, after it was said again" if answer.ok else "a late message was refused"] += 1

    visit.later(arrive())


async def slow_request(visit: Visit) -> None:
    await visit.give((await visit.forward(pieces=20)).raw)


async def slow_answer(visit: Visit) -> None:
    await visit.give((await visit.forward()).raw, pieces=20)


async def cut_request(visit: Visit) -> None:
    """The connection ends in the middle of the message."""
    await visit.forward(stop_at=0.5)
    visit.writer.close()


async def cut_answer(visit: Visit) -> None:
    """It took effect; the connection ends in the middle of the answer."""
    await visit.give((await visit.forward()).raw, stop_at=0.5)
    visit.writer.close()


async def reset_before(visit: Visit) -> None:
    visit.reset()


async def reset_after(visit: Visit) -> None:
    await visit.forward()
    visit.reset()


# --- said again ----------------------------------------------------------------------------------


async def repeated(visit: Visit) -> None:
    """Its sender says it twice in a row; it hears the second answer."""
    first = await visit.forward()
    again = await visit.forward(fresh=True)
    _recognised(visit, first.ok, again.ok)
    await visit.give(again.raw)


async def repeated_at_once(visit: Visit) -> None:
    """Twice at the same moment."""
    first, again = await asyncio.gather(visit.forward(), visit.forward(fresh=True))
    _recognised(visit, first.ok, again.ok)
    await visit.give(first.raw)


async def repeated_late(visit: Visit) -> None:
    """Once more when the conversation is a message further."""
    first = await visit.forward()
    await visit.give(first.raw)
    watch = visit.watch
    assert watch is not None
    before = len(watch.seen)

    async def again() -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + NEXT
        while len(watch.seen) < before + 2 and loop.time() < until:
            await asyncio.sleep(0.05)
        answer = await visit.forward(fresh=True)
        _recognised(visit, first.ok, answer.ok)

    visit.later(again())


async def replayed(visit: Visit) -> None:
    """The very bytes once more: somebody else recorded them.  Its token was used, so it must be refused and change nothing."""
    first = await visit.forward()
    again = await visit.forward()
    assert not (first.ok and again.ok), f"a replayed token was taken: {again.status}"
    visit.wire.counts["a replayed token was refused"] += 1
    await visit.give(first.raw)


def _recognised(visit: Visit, first: bool, again: bool) -> None:
    if first and again:
        visit.wire.counts["a repeated message was recognised"] += 1


# --- gateways and tired servers ------------------------------------------------------------------


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Visit], Awaitable[None]]:
    async def does(visit: Visit) -> None:
        await visit.say(status, body, **headers)

    return does


def says_after(status: int, body: bytes = b"") -> Callable[[Visit], Awaitable[None]]:
    """It took effect, and something on the way says otherwise."""

    async def does(visit: Visit) -> None:
        await visit.forward()
        await visit.say(status, body)

    return does


async def empty(visit: Visit) -> None:
    """200 and no body, as foreign peers do."""
    answer = await visit.forward()
    await (visit.say(200) if answer.ok else visit.give(answer.raw))


PAGE = b"<html><body><h1>Bad Gateway</h1></body></html>"

FAULTS: dict[str, Callable[[Visit], Awaitable[None]]] = {
    "lost": lost,
    "answer-lost": answer_lost,
    "delayed": delayed,
    "answer-delayed": answer_delayed,
    "late": late,
    "slow-request": slow_request,
    "slow-answer": slow_answer,
    "cut-request": cut_request,
    "cut-answer": cut_answer,
    "reset": reset_before,
    "reset-after": reset_after,
    "repeated": repeated,
    "repeated-at-once": repeated_at_once,
    "repeated-late": repeated_late,
    "replayed": replayed,
    "500": says(500),
    "502": says(502, PAGE, Content_Type="text/html"),
    "503": says(503),
    "503-retry-after": says(503, Retry_After="1"),
    "409": says(409),
    "425": says(425),
    "429": says(429, Retry_After="1"),
    "404": says(404),
    "401": says(401),
    "500-after": says_after(500),
    "502-after": says_after(502, PAGE),
    "409-after": says_after(409),
    "404-after": says_after(404),
    "empty-answer": empty,
    "html-answer": says_after(200, PAGE),
}

# One after the other for the arrivals of one message: what a single fault does not reach.
CHAINS: dict[str, tuple[str, ...]] = {
    "answer-lost-twice": ("answer-lost", "answer-lost"),
    "404-three-times": ("404",) * 3,
    "404-after-four-times": ("404-after",) * 4,
    "409-four-times": ("409",) * 4,
    "409-after-eight-times": ("409-after",) * 8,
    "500-then-repeated": ("500", "repeated"),
    "answer-lost-then-503": ("answer-lost", "503"),
    "answer-lost-then-404": ("answer-lost", "404"),
    "late-then-cut-answer": ("late", "cut-answer"),
    "reset-then-repeated-late": ("reset", "repeated-late"),
}
REFUSED = b'{"@type": "ContractNegotiationError", "code": "no", "reason": ["We do not take this."]}'
LASTING: dict[str, tuple[str, ...]] = {
    "refused": ("refuse",),
    "403": ("forbid",),
    "401-twice": ("401", "401"),
    "404-for-good": ("404",) * 4,
    "409-for-good": ("409",) * 8,
}
# The same, and then the sender's last word meets these.
LAST_WORDS: dict[str, tuple[str, ...]] = {
    "refused-and-the-last-word-lost": ("lost", "503"),
    "refused-and-the-last-word-unheard": ("cut-answer", "reset"),
}
_OFTEN = {"refuse": says(400, REFUSED), "forbid": says(403)}
LASTING |= dict.fromkeys(LAST_WORDS, ("refuse",))
PATHS: dict[str, tuple[str, ...]] = {**{name: (name,) for name in FAULTS}, **CHAINS, **LASTING}


def faults(path: str) -> list[Fault]:
    """What the arrivals of one message meet, by the name of the path."""
    return [Fault(name, FAULTS.get(name) or _OFTEN[name]) for name in PATHS.get(path, ())]


def last_words(path: str) -> list[Fault]:
    """What the termination meets that says that the message was refused."""
    return [Fault(name, FAULTS[name]) for name in LAST_WORDS.get(path, ())]
