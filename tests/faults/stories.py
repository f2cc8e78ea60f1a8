"""What is going on between two nodes when something happens to them: a story for each message of both protocols in each role.

A story is told on a `Scene`: one conversation of one pair, known by its ids, so that many are told side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.exchange import answers
from connector.protocol.negotiation import FINAL as N_FINAL
from connector.protocol.negotiation import NEGOTIATION
from connector.protocol.negotiation import Message as N
from connector.protocol.negotiation import State as NS
from connector.protocol.transfer import FINAL as T_FINAL
from connector.protocol.transfer import TRANSFER
from connector.protocol.transfer import Message as T
from connector.protocol.transfer import State as TS

from .gate import OTHER, Watch
from .processes import LOOK, PATIENCE, Down, Node, Pair, Refused, Stuck, part

SIDES = ("consumer", "provider")
FINAL = {"negotiations": {str(state) for state in N_FINAL}, "transfers": {str(state) for state in T_FINAL}}
TABLE = {"negotiations": NEGOTIATION.table, "transfers": TRANSFER.table}
GLANCE = 0.5  # seconds between two looks when nothing is seen on the wire

WANTED = {"peer": "maker", "dataset": "dismantling", "purpose": ["dismantling"], "wait": 0}
PROPOSED = {"peer": "recycler", "dataset": "dismantling", "propose": True, "wait": 0}


class Over(Exception):
    """The conversation ended before the story did."""


@dataclass
class Scene:
    """One conversation, and the hands of both operators in it."""

    pair: Pair
    watch: Watch
    arm: Callable[[], None]
    exclusive: bool = False  # nobody else uses the pair: a node that died is started again at once
    kind: str = "negotiations"
    ids: dict[str, str] = field(default_factory=dict)  # side -> its process
    count: Callable[[str], None] = lambda _: None
    address: Any = None  # consumer: where the data lay once the transfer was started

    # --- acting

    async def open(self, side: str, kind: str, path: str, body: Mapping[str, Any]) -> None:
        """Have an operator open a conversation, once, whatever happens to the node meanwhile."""
        self.kind, self.ids = kind, {}
        node, pair = self.pair.node(side), self.pair
        async with pair.opening:
            pair.wire.expected[:] = [self.watch]
            try:
                row = await self._opened(node, kind, path, body)
                self.ids = {side: row["id"]}
                pair.wire.bind(self.watch, row["id"])
            finally:
                pair.wire.expected.clear()
            node.known.add(row["id"])

    async def _opened(self, node: Node, kind: str, path: str, body: Mapping[str, Any]) -> Any:
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await node.post(path, body)
            except (Down, Refused) as error:
                if isinstance(error, Refused) and error.status < 500:
                    raise
                self.count("an operator's command failed and was given again")
                if row := await self._left_behind(node, kind):
                    return row
                if asyncio.get_running_loop().time() > until:
                    raise Stuck(f"not opened: {error}") from error

    async def _left_behind(self, node: Node, kind: str) -> Any:
        """What a command that failed has left: the process, when it was committed after all."""
        while True:
            await self.revive()
            try:
                return await node.new(kind)
            except (Down, Refused):
                await asyncio.sleep(0.1)

    async def act(self, side: str, verb: str, body: Mapping[str, Any], *, to: frozenset[str] = frozenset()) -> None:
        """An operator's command about the conversation; `to`: states in which it has been done already."""
        node, until = self.pair.node(side), asyncio.get_running_loop().time() + PATIENCE
        while True:
            row = await self.look(side)
            try:
                await node.post(f"/{self.kind}/{part(self.ids[side])}/{verb}", {**body, "wait": 0})
                return
            except (Down, Refused) as error:
                if isinstance(error, Refused) and error.status < 500 and error.status not in (400, 409):
                    raise
                await self.revive()
                now = await self.look(side)
                if now["changed"] != row["changed"] or now["state"] in to or await self.letters(side):
                    return  # it was committed after all
                if now["state"] in FINAL[self.kind]:
                    raise Over from error
                self.count("an operator's command failed and was given again")
                if asyncio.get_running_loop().time() > until:
                    raise Stuck(f"{side} could not {verb}: {error}; {await self.stands()}") from error
                await asyncio.sleep(0.1)

    async def letters(self, side: str) -> list[Any]:
        """What is still to be sent; an offer that nobody asked for waits for its operator with a turn that is due in a week."""
        return [each for each in (await self.timeline(side))["waiting"] if each["message"] != "turn"]

    async def revive(self) -> None:
        if self.exclusive:
            await self.pair.revive()

    # --- looking

    async def look(self, side: str) -> Any:
        """The process of a side as it stands; waits for a node that is down."""
        return await self._get(side, "")

    async def timeline(self, side: str) -> Any:
        return await self._get(side, "/timeline")

    async def get(self, more: str) -> Any:
        return await self._get("consumer", more)

    async def _get(self, side: str, more: str) -> Any:
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            await self.revive()
            try:
                return await self.pair.node(side).get(f"/{self.kind}/{part(self.ids[side])}{more}")
            except (Down, Refused) as error:
                if isinstance(error, Refused) and error.status < 500:
                    raise
                if asyncio.get_running_loop().time() > until:
                    raise Stuck(f"{side} does not answer: {error}") from error
                await asyncio.sleep(0.1)

    async def learn(self) -> bool:
        """Find the other side's process; True once both are known."""
        for side in list(self.ids):
            if OTHER[side] not in self.ids and (theirs := (await self.look(side))["peer_pid"]):
                self.ids[OTHER[side]] = theirs
                self.pair.node(OTHER[side]).known.add(theirs)
        if len(self.ids) < 2 and len(self.watch.pids) == 2:  # the wire knows it before the one that opened
            other = next(side for side in SIDES if side not in self.ids)
            [pid] = self.watch.pids - set(self.ids.values())
            self.ids[other] = pid
            self.pair.node(other).known.add(pid)
        return len(self.ids) == 2

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]], patience: float = PATIENCE) -> Any:
        """Wait until something holds; looks again when something is seen on the wire.

        Whoever was disappointed n times waits twice as long as after n - 1, and that much longer has it time (liveness).
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            if found := await holds():
                return found
            bound = patience + answers.FIRST_RETRY * 2 ** len(self.watch.done)
            if loop.time() - begun > bound:
                raise Stuck(f"not within {bound:.0f} s: {what}; {await self.stands()}")
            await self.watch.wait(LOOK if self.exclusive else GLANCE)
            await asyncio.sleep(LOOK / 2)  # what was just answered is committed a moment later

    async def both(self, *states: str, patience: float = PATIENCE) -> None:
        """Until both sides are in the same one of these states and nothing is under way; Over when they ended in another."""

        async def there() -> bool:
            if not await self.learn():
                return await self._alone()
            rows = await self.rows()
            found = {row["state"] for row in rows.values()}
            if len(found) != 1 or not (found <= {*states} or found <= FINAL[self.kind]):
                return False
            return not any([await self.letters(side) for side in SIDES])

        await self.until(f"{self.kind} {states}", there, patience)
        if (state := (await self.look(next(iter(self.ids))))["state"]) not in states:
            raise Over(state)

    async def _alone(self) -> bool:
        """Over before the other side heard of it."""
        [side] = self.ids
        return (await self.look(side))["state"] == "TERMINATED" and not await self.letters(side)

    async def rows(self) -> dict[str, Any]:
        """Both sides as they stand; checks that they do not contradict each other (safety)."""
        before = await self.look("consumer")
        provider = await self.look("provider")
        consumer = await self.look("consumer")
        if before == consumer:  # the three looks are one moment
            contradict(self.kind, consumer, provider)
        return {"consumer": consumer, "provider": provider}

    async def waits(self, side: str) -> None:
        """Until the conversation waits for this operator and nothing else is under way."""

        async def waiting() -> bool:
            if side not in self.ids and not await self.learn():
                if await self._alone():
                    raise Over("TERMINATED")
                return False
            row = await self.look(side)
            if row["state"] in FINAL[self.kind]:
                raise Over(row["state"])
            return row["waits_for"] == "operator" and await self._rests()

        await self.until(f"{side} waits for its operator", waiting)

    async def _rests(self) -> bool:
        return await self.learn() and not any([await self.letters(side) for side in SIDES])

    async def stands(self) -> str:
        told = []
        for side, id in self.ids.items():
            try:
                shown = await self.pair.node(side).get(f"/{self.kind}/{part(id)}/timeline")
                steps = [f"{step['direction']} {step['message']} {step['state']} {step['code']}" for step in shown["steps"]]
                told.append(f"{side} {shown['state']}: {'; '.join(steps)}; waiting {shown['waiting']}")
            except (Down, Refused) as error:
                told.append(f"{side}: {error}")
        seen = [f"{each.sender} {each.message} {each.status}{' ' + each.fault if each.fault else ''}" for each in self.watch.seen]
        return " | ".join([*told, f"wire: {'; '.join(seen)}"])


def contradict(kind: str, consumer: Any, provider: Any) -> None:
    """Two ends may be one message apart, and never more; what is over at both is over in the same way."""
    one, other = consumer["state"], provider["state"]
    if one == other or "OPENING" in (one, other):
        return
    steps = {(str(state), str(to)) for (state, _, _), to in TABLE[kind].items()}
    assert {one, other} - FINAL[kind], f"the ends contradict each other: consumer {one}, provider {other}"
    assert (one, other) in steps or (other, one) in steps, f"the ends are more than a message apart: consumer {one}, provider {other}"


# --- negotiations --------------------------------------------------------------------------------


async def requested(scene: Scene) -> None:
    """The plain four messages."""
    scene.arm()
    await scene.open("consumer", "negotiations", "/negotiations", WANTED)
    await scene.both(NS.FINALIZED)


async def answered_with_an_offer(scene: Scene) -> None:
    """The consumer asks for longer than is offered; the provider offers once again; the consumer accepts."""
    until = {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2199-12-31T23:59:59Z"}
    terms = {"permission": [{"action": "use", "constraint": [until]}]}
    scene.arm()
    await scene.open("consumer", "negotiations", "/negotiations", {**WANTED, "purpose": [], "offer": terms, "as_is": True})
    await scene.both(NS.FINALIZED)


async def proposed(scene: Scene) -> None:
    """The provider offers unasked, the consumer's operator accepts."""
    scene.arm()
    await scene.open("provider", "negotiations", "/negotiations", PROPOSED)
    await scene.waits("consumer")
    await scene.act("consumer", "accept", {})
    await scene.both(NS.FINALIZED)


async def countered(scene: Scene) -> None:
    """The provider offers unasked, the consumer's operator asks for less."""
    await scene.open("provider", "negotiations", "/negotiations", PROPOSED)
    await scene.waits("consumer")
    scene.arm()
    await scene.act("consumer", "counter", {"purpose": ["dismantling"]})
    await scene.both(NS.FINALIZED)


async def declined(scene: Scene) -> None:
    """The provider offers unasked, the consumer's operator declines."""
    await scene.open("provider", "negotiations", "/negotiations", PROPOSED)
    await scene.waits("consumer")
    scene.arm()
    await scene.act("consumer", "decline", {}, to=frozenset({"TERMINATED"}))
    await scene.both(NS.TERMINATED)


async def refused(scene: Scene) -> None:
    """The consumer asks for what its role does not allow; the provider's decider says no."""
    scene.arm()
    await scene.open("consumer", "negotiations", "/negotiations", {"peer": "maker", "dataset": "condition", "wait": 0})
    await scene.both(NS.TERMINATED)


# --- transfers -----------------------------------------------------------------------------------


async def started(scene: Scene) -> None:
    scene.arm()
    await _start(scene)


async def _start(scene: Scene, agreement: str = "") -> None:
    await scene.open("consumer", "transfers", "/transfers", {"agreement": agreement or scene.pair.agreement, "wait": 0})
    await scene.both(TS.STARTED)
    scene.address = await scene.get("/dataaddress")


def moved(side: str, verb: str, to: TS, *, prelude: str = "") -> Callable[[Scene], Awaitable[None]]:
    """One side's operator moves a started transfer along (or one that it suspended first)."""

    async def story(scene: Scene) -> None:
        await _start(scene)
        if prelude:
            await scene.act(side, prelude, {"reason": "for a test"})
            await scene.both(TS.SUSPENDED)
        scene.arm()
        await scene.act(side, verb, {"reason": "for a test"}, to=frozenset({str(to)}))
        await scene.both(to)

    return story


async def retired(scene: Scene) -> None:
    """The provider retires the agreement: its transfer ends on both sides, and so does the agreement."""
    await scene.open("consumer", "negotiations", "/negotiations", WANTED)
    await scene.both(NS.FINALIZED)
    agreed = (await scene.look("provider"))["agreement"]
    await _start(scene, agreed)
    scene.arm()
    await _retire(scene, agreed)
    await scene.both(TS.TERMINATED)
    for side in SIDES:
        row = await scene.look(side)
        assert row["code"] == "agreement.retired", f"{side}: {row}"
        assert (await scene.pair.node(side).get(f"/agreements/{part(agreed)}"))["state"] == "RETIRED", side


async def _retire(scene: Scene, agreement: str) -> None:
    node = scene.pair.node("provider")
    while True:
        try:
            await node.post(f"/agreements/{part(agreement)}/retire", {"reason": "for a test"})
            return
        except (Down, Refused) as error:
            await scene.revive()
            if isinstance(error, Refused) and error.status < 500:
                return  # it is retired
            scene.count("an operator's command failed and was given again")
            await asyncio.sleep(0.1)


async def used_at_once(scene: Scene) -> None:
    """The consumer opens a transfer before the provider knows that its FINALIZED arrived: the request proves it."""
    scene.arm()
    await scene.open("consumer", "negotiations", "/negotiations", WANTED)

    async def final() -> Any:
        row = await scene.look("consumer")
        if row["state"] == NS.TERMINATED:
            raise Over(row["state"])
        return row if row["state"] == NS.FINALIZED else None

    row = await scene.until("the consumer's FINALIZED", final)
    negotiation = dict(scene.ids)
    await scene.learn()
    negotiation = negotiation | scene.ids
    before = await scene.look("provider")
    scene.watch.pids.clear()
    await _start(scene, row["agreement"])
    if before["state"] == NS.VERIFIED:
        scene.count("a transfer request proved that FINALIZED arrived")
    transfer = dict(scene.ids)
    scene.kind, scene.ids = "negotiations", negotiation
    await scene.both(NS.FINALIZED)
    scene.kind, scene.ids = "transfers", transfer


# --- messages that cross -------------------------------------------------------------------------


def crossed(consumer: str, provider: str) -> Callable[[Scene], Awaitable[None]]:
    """Both operators move a started transfer at the same moment; neither message arrives before the other has left."""

    async def story(scene: Scene) -> None:
        await _start(scene)
        scene.watch.meeting = asyncio.Barrier(2)
        scene.watch.crosses = frozenset(
            {(f"transfer.{VERBS[consumer].name}", "consumer"), (f"transfer.{VERBS[provider].name}", "provider")}
        )
        scene.arm()
        # whoever comes later may find it over
        said = await asyncio.gather(_try(scene, "consumer", consumer), _try(scene, "provider", provider))
        await scene.both(TS.STARTED, TS.SUSPENDED, TS.COMPLETED, TS.TERMINATED)
        if all(said) and not scene.watch.crosses:
            scene.count("two messages crossed")

    return story


VERBS = {"suspend": T.SUSPEND, "complete": T.COMPLETE, "terminate": T.TERMINATE}


async def _try(scene: Scene, side: str, verb: str) -> bool:
    try:
        await scene.pair.node(side).post(f"/transfers/{part(scene.ids[side])}/{verb}", {"reason": "for a test"})
        return True
    except Refused:
        return False


async def ended_while_agreeing(scene: Scene) -> None:
    """The consumer's operator ends the negotiation while the agreement is on its way."""
    scene.watch.meeting = asyncio.Barrier(2)
    scene.watch.crosses = frozenset({("negotiation.TERMINATE", "consumer"), ("negotiation.AGREEMENT", "provider")})
    scene.arm()
    await scene.open("consumer", "negotiations", "/negotiations", WANTED)
    with contextlib.suppress(Refused):  # it was faster
        await scene.pair.node("consumer").post(
            f"/negotiations/{part(scene.ids['consumer'])}/terminate", {"reason": "for a test", "wait": 0}
        )
    await scene.both(NS.TERMINATED, NS.FINALIZED)


# --- the table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A message, who says it, and the story in which it is said."""

    message: N | T
    sender: str
    story: Callable[[Scene], Awaitable[None]]
    end: frozenset[str]
    times: int = 1  # how often the sender says it in this story
    occurrence: int = 1  # which of these is meant

    @property
    def name(self) -> str:
        return f"{'negotiation' if isinstance(self.message, N) else 'transfer'}.{self.message.name}"

    @property
    def crossing(self) -> bool:
        return len(self.end) > 1


def _to(*states: str) -> frozenset[str]:
    return frozenset(str(state) for state in states)


ROWS = {
    "request": Row(N.REQUEST, "consumer", requested, _to(NS.FINALIZED)),
    "counter-request": Row(N.REQUEST, "consumer", countered, _to(NS.FINALIZED)),
    "opening-offer": Row(N.OFFER, "provider", proposed, _to(NS.FINALIZED)),
    "counter-offer": Row(N.OFFER, "provider", answered_with_an_offer, _to(NS.FINALIZED)),
    "accept-by-operator": Row(N.ACCEPT, "consumer", proposed, _to(NS.FINALIZED)),
    "accept-by-itself": Row(N.ACCEPT, "consumer", answered_with_an_offer, _to(NS.FINALIZED)),
    "agreement": Row(N.AGREEMENT, "provider", requested, _to(NS.FINALIZED)),
    "verification": Row(N.VERIFY, "consumer", requested, _to(NS.FINALIZED)),
    "finalization": Row(N.FINALIZE, "provider", requested, _to(NS.FINALIZED)),
    "finalization-used-at-once": Row(N.FINALIZE, "provider", used_at_once, _to(TS.STARTED)),
    "negotiation-termination-consumer": Row(N.TERMINATE, "consumer", declined, _to(NS.TERMINATED)),
    "negotiation-termination-provider": Row(N.TERMINATE, "provider", refused, _to(NS.TERMINATED)),
    "transfer-request": Row(T.REQUEST, "consumer", started, _to(TS.STARTED)),
    "start": Row(T.START, "provider", started, _to(TS.STARTED)),
    "start-resuming-consumer": Row(T.START, "consumer", moved("consumer", "resume", TS.STARTED, prelude="suspend"), _to(TS.STARTED)),
    "start-resuming-provider": Row(T.START, "provider", moved("provider", "resume", TS.STARTED, prelude="suspend"), _to(TS.STARTED), 2),
    "suspension-consumer": Row(T.SUSPEND, "consumer", moved("consumer", "suspend", TS.SUSPENDED), _to(TS.SUSPENDED)),
    "suspension-provider": Row(T.SUSPEND, "provider", moved("provider", "suspend", TS.SUSPENDED), _to(TS.SUSPENDED)),
    "completion-consumer": Row(T.COMPLETE, "consumer", moved("consumer", "complete", TS.COMPLETED), _to(TS.COMPLETED)),
    "completion-provider": Row(T.COMPLETE, "provider", moved("provider", "complete", TS.COMPLETED), _to(TS.COMPLETED)),
    "transfer-termination-consumer": Row(T.TERMINATE, "consumer", moved("consumer", "terminate", TS.TERMINATED), _to(TS.TERMINATED)),
    "transfer-termination-provider": Row(T.TERMINATE, "provider", moved("provider", "terminate", TS.TERMINATED), _to(TS.TERMINATED)),
    "retirement": Row(T.TERMINATE, "provider", retired, _to(TS.TERMINATED)),
}
_ANY = _to(TS.STARTED, TS.SUSPENDED, TS.COMPLETED, TS.TERMINATED)
CROSSINGS = {
    **{
        f"crossing-{consumer}-{provider}-{sender}": Row(
            VERBS[consumer if sender == "consumer" else provider], sender, crossed(consumer, provider), _ANY
        )
        for consumer in VERBS
        for provider in VERBS
        for sender in SIDES
    },
    "crossing-end-agreement-consumer": Row(N.TERMINATE, "consumer", ended_while_agreeing, _to(NS.TERMINATED, NS.FINALIZED)),
    "crossing-end-agreement-provider": Row(N.AGREEMENT, "provider", ended_while_agreeing, _to(NS.TERMINATED, NS.FINALIZED)),
}
# A message that ends a conversation leaves its receiver no turn to take.
ENDING = {N.TERMINATE, N.FINALIZE, T.COMPLETE, T.TERMINATE}
