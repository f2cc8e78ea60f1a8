"""The identity and the decider that a node brings to the official kit, through the ports that every node has.

The kit sends a constant header or none and has no key; this identity takes every call for its participant.  The decider
plays `script` for the kit's ids, late, and is the product's for all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from connector.exchange.decide import ProductDecider
from connector.ports import Caller, Move, Transaction, World, new_pid
from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T
from connector.records import Json, Negotiation, Step, Transfer
from policies.facts import Facts
from policies.operands import PARTICIPANT

from . import script

RULES: Json = {"permission": [{"action": "use"}]}


class KitIdentity:
    """Everybody is the kit, reachable at the kit's own addresses."""

    def __init__(self, origins: Iterable[str]) -> None:
        facts = Facts().with_fact(PARTICIPANT, script.KIT, source="the kit")
        self._kit = Caller(participant=script.KIT, origins=tuple(origins), facts=facts, name="kit")

    async def authenticate(self, authorization: str, *, safe: bool) -> Caller:
        return self._kit

    async def caller(self, participant: str) -> Caller | None:
        return self._kit if participant == script.KIT else None

    async def token(self, audience: str) -> str:
        return "Bearer kit"


class ScriptedDecider:
    """Plays the kit's scripts; which action is due follows from the stored timeline, so asking twice changes nothing."""

    def __init__(self, after: float = script.ANSWER_AFTER) -> None:
        self._after = timedelta(seconds=after)
        self._product = ProductDecider()

    async def negotiation(self, world: World, tx: Transaction, process: Negotiation) -> Move:
        rows = script.PROVIDER_NEGOTIATIONS if process.side == "provider" else script.CONSUMER_NEGOTIATIONS
        if process.dataset not in rows:
            return await self._product.negotiation(world, tx, process)
        action = await self._due(tx, process, rows[process.dataset])
        return self._move(world, *_negotiation(world, process, action)) if action else Move()

    async def transfer(self, world: World, tx: Transaction, process: Transfer) -> Move:
        rows = script.PROVIDER_TRANSFERS if process.side == "provider" else script.CONSUMER_TRANSFERS
        if process.agreement not in rows:
            return await self._product.transfer(world, tx, process)
        action = await self._due(tx, process, rows[process.agreement])
        if not action and process.side == "provider" and process.renew:
            return Move(message=T.START)
        return self._move(world, *_transfer(action)) if action else Move()

    def _move(self, world: World, message: str, content: Json) -> Move:
        return Move(message=message, content=content, due=world.clock.now() + self._after)

    async def _due(self, tx: Transaction, process: Negotiation | Transfer, rows: script.Script) -> str:
        """The action of this visit to the state; none while an earlier one is still to be sent."""
        state = process.place.state
        if any(letter.purpose == "send" for letter in await tx.letters(process.id)):
            return ""
        steps = sorted(await tx.find(Step, process=process.id), key=lambda step: step.id)
        states = [step.state for step in steps if step.direction != "here"]
        visits = sum(here == state and (number == 0 or states[number - 1] != state) for number, here in enumerate(states))
        actions = rows.get(state, ())
        return actions[visits - 1] if 0 < visits <= len(actions) else ""


def _negotiation(world: World, process: Negotiation, action: str) -> tuple[str, Json]:
    offer = {"@id": process.offer["@id"], "target": process.dataset, **RULES}
    if action == script.AGREE:
        parties = {"assigner": world.me.id, "assignee": process.peer}
        now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return N.AGREEMENT, {
            "agreement": {"@id": new_pid(), "@type": "Agreement", "target": process.dataset, "timestamp": now, **parties, **RULES}
        }
    messages: dict[str, tuple[str, Json]] = {
        script.OFFER: (N.OFFER, {"offer": offer}),
        script.REQUEST: (N.REQUEST, {"offer": offer}),
        script.ACCEPT: (N.ACCEPT, {}),
        script.VERIFY: (N.VERIFY, {}),
        script.FINALIZE: (N.FINALIZE, {}),
        script.TERMINATE: (N.TERMINATE, {"code": "kit.script", "reason": ["The script ends here."]}),
    }
    return messages[action]


def _transfer(action: str) -> tuple[str, Json]:
    reason: dict[str, Any] = {"code": "kit.script", "reason": ["The script says so."]}
    return {
        script.START: (T.START, {}),
        script.SUSPEND: (T.SUSPEND, reason),
        script.COMPLETE: (T.COMPLETE, {}),
        script.TERMINATE: (T.TERMINATE, reason),
    }[action]
