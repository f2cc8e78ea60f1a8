"""The matrix: every message of both protocols, in both roles, meets every fault; and how one case is tried and judged.

wire      one message, one path of faults on the wire (`bad_days`); many side by side on one pair
crossing  two messages that cross, one of them with a fault
storm     whole conversations in which anything may happen to any message, until it stops
kill      SIGKILL at a moment of one message (`node`)
commit    SIGKILL before or after the n-th commit, for every n until the story ends without one
write     the n-th commit fails, for every n until the story ends without one
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from connector.protocol.negotiation import Message as N
from connector.protocol.transfer import Message as T

from .bad_days import FAULTS, LASTING, PATHS, faults, last_words
from .gate import OTHER, Fault, Watch
from .node import FAILURES, RECEIVERS_MOMENTS, SENDERS_MOMENTS
from .processes import PATIENCE, Down, Node, Pair, Refused, part
from .stories import CROSSINGS, ENDING, ROWS, SIDES, Over, Row, Scene

STORES = ("sqlite", "postgres")
SHARED = frozenset({"wire", "crossing", "storm"})  # many on one pair; the others need one to themselves
STORMS = 40
STORM_FAULTS = 8  # at most so many in one conversation, then it is over
STORM_ODDS = 0.35
# What passes by itself however often it happens; a row of 404s or 401s means something.
PASSING = [name for name in FAULTS if name not in {"401", "404", "409", "404-after", "409-after"}]
CROSSING_PATHS = ("", "delayed", "answer-lost", "cut-answer", "500", "reset-after", "repeated-at-once", "repeated-late", "409-after")
# Nobody answers this offer before a person does, and without the other side's pid its state cannot be read: nothing proves it.
UNPROVED = {("opening-offer", "404-after-four-times"), ("opening-offer", "409-after-eight-times")}
OPENING = {N.REQUEST, N.OFFER, T.REQUEST}
MOST_COMMITS = 60  # a story that writes more often goes round in circles

# Rare paths that a whole run must have come along, each at least once.
SOMETIMES = (
    "a repeated message was recognised",
    "a replayed token was refused",
    "a message came late, after it was said again",
    "a message came before the answer to the one it replies to",
    "a message was overruled by one that crossed it",
    "two messages crossed",
    "a peer's state was read",
    "a transfer request proved that FINALIZED arrived",
    "a conversation ended on both sides because a message was refused for good",
    "a last word that was lost was said again",
    "answered nothing, then delivered",
    "answered 401, then delivered",
    "answered 404, then delivered",
    "answered 409, then delivered",
    "answered 425, then delivered",
    "answered 429, then delivered",
    "answered 500, then delivered",
    "answered 502, then delivered",
    "answered 503, then delivered",
    "a letter of a killed process was sent by its next life",
    "a killed process's turn was taken by its next life",
    "an operator's command failed and was given again",
    "a commit failed",
)
SOMETIMES_ON = {"postgres": ("a session broke before a commit was written", "a session broke after a commit was written"), "sqlite": ()}


@dataclass(frozen=True)
class Case:
    """One row of the matrix; `commit` and `write` hold a number of tries each."""

    store: str
    family: str
    row: str
    what: str = ""

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.store, self.family, self.row, self.what) if part)


@dataclass
class Tally:
    """What a run has seen."""

    tried: int = 0
    survived: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


# --- the list ------------------------------------------------------------------------------------


def matrix(store: str) -> Iterator[Case]:
    yield from _wire(store)
    for crossing in CROSSINGS:
        yield from (Case(store, "crossing", crossing, path or "nothing-else") for path in CROSSING_PATHS)
    for number in range(STORMS):
        yield Case(store, "storm", f"{number:02}")
    for name, row in ROWS.items():
        for moment in (*SENDERS_MOMENTS, *RECEIVERS_MOMENTS):
            if not (moment == "before-turn" and row.message in ENDING):
                yield Case(store, "kill", name, moment)
    for name in stories():
        for side in SIDES:
            yield from (Case(store, "commit", name, f"{side}-{when}") for when in ("before", "after"))
            yield from (Case(store, "write", name, f"{side}-{how}") for how in FAILURES[store])


def sample(store: str, number: int, seed: int) -> list[Case]:
    """So many cases, of every family at least one, in the order of the matrix."""
    chance, cases = random.Random(f"{seed} {store}"), list(matrix(store))
    families = dict.fromkeys(case.family for case in cases)
    taken = [chance.choice([case for case in cases if case.family == family]) for family in families][:number]
    rest = [case for case in cases if case not in taken]
    return sorted([*taken, *chance.sample(rest, min(len(rest), number - len(taken)))], key=cases.index)


def _wire(store: str) -> Iterator[Case]:
    for name, row in ROWS.items():
        for path in PATHS:
            # A termination that is refused for good cannot be told in any other way.
            if not (path in LASTING and row.message.name == "TERMINATE"):
                yield Case(store, "wire", name, path)


def stories() -> dict[str, Row]:
    """Each story once, by the first row that tells it."""
    found: dict[Any, str] = {}
    for name, row in ROWS.items():
        found.setdefault(row.story, name)
    return {name: ROWS[name] for name in found.values()}


# --- trying --------------------------------------------------------------------------------------


async def try_shared(case: Case, pair: Pair, tally: Tally, seed: int) -> None:
    """A case of the wire, beside others."""
    row, watch = _watched(case, seed)

    def arm() -> None:
        watch.armed = True

    scene = Scene(pair, watch, arm, count=tally.count)
    ended_early = await _told(row, scene)
    await watch.idle()
    if case.what not in {"nothing-else", ""}:
        assert watch.done, f"the fault never happened: {await scene.stands()}"
    lasting = case.what in LASTING or (case.row, case.what) in UNPROVED
    assert not ended_early or lasting, f"it ended as {ended_early}: {await scene.stands()}"
    if lasting:
        await _ended_everywhere(scene)
        tally.count("a conversation ended on both sides because a message was refused for good")
        if watch.last_words != last_words(case.what):
            tally.count("a last word that was lost was said again")
        return
    await judge(scene, row, said_once=case.family == "wire" and case.row != "retirement")


def _watched(case: Case, seed: int) -> tuple[Row, Watch]:
    if case.family == "storm":
        chance = random.Random(f"{seed} {case.row}")
        row = chance.choice(list(ROWS.values()))
        return row, Watch(case.name, storm=_storm(chance))
    row = {**ROWS, **CROSSINGS}[case.row]
    for_good, met = case.what in LASTING, faults(case.what)
    return row, Watch(case.name, row.name, row.sender, row.occurrence, met, for_good, last_words(case.what))


def _storm(chance: random.Random) -> Callable[[Watch], Fault | None]:
    def weather(watch: Watch) -> Fault | None:
        if len(watch.done) >= STORM_FAULTS or chance.random() > STORM_ODDS:
            return None
        name = chance.choice(PASSING)
        return Fault(name, FAULTS[name])

    return weather


async def try_alone(case: Case, pair: Pair, tally: Tally, number: int = 0) -> bool:
    """A case that has the pair to itself; False when there was no commit of this number, so that nothing happened."""
    row = ROWS[case.row]
    side, order = _order(case, row, number)
    victim = pair.node(side)
    lives = len(victim.endings)
    await pair.revive()
    watch = Watch(case.name, row.name, row.sender)
    scene = Scene(pair, watch, lambda: victim.order(order), exclusive=True, count=tally.count)
    try:
        ended_early = await _told(row, scene)
        happened = not victim.ordered
    finally:
        victim.calm()
    await pair.revive()
    assert happened or number, "the node was never killed: the moment did not come"
    if happened:
        assert victim.endings[lives:] == ([-9] if order.startswith("kill") else []), f"{victim.role} ended: {victim.endings[lives:]}"
        _count(case, tally)
    assert not ended_early, f"it ended as {ended_early}: {await scene.stands()}"
    await judge(scene, row, said_once=case.row != "retirement")
    await at_rest(pair)
    for node in pair.nodes:
        await verified(node)
    return happened


def _order(case: Case, row: Row, number: int) -> tuple[str, str]:
    """Whose node suffers, and what it is told to."""
    if case.family == "kill":
        return row.sender if case.what in SENDERS_MOMENTS else OTHER[row.sender], f"kill {row.name}.{case.what}"
    side, _, how = case.what.partition("-")
    return side, f"{'kill' if case.family == 'commit' else 'fail'} commit.{number}.{how}"


def _count(case: Case, tally: Tally) -> None:
    if case.what in {"before-send", "before-settle"}:
        tally.count("a letter of a killed process was sent by its next life")
    elif case.what == "before-turn":
        tally.count("a killed process's turn was taken by its next life")
    elif case.family == "write":
        how = case.what.partition("-")[2]
        names = {"lost": "a session broke before a commit was written", "unheard": "a session broke after a commit was written"}
        tally.count(names.get(how, "a commit failed"))


async def _told(row: Row, scene: Scene) -> str:
    """Tell the story; how it ended when it did so early, else ''."""
    try:
        await row.story(scene)
    except Over as over:
        return str(over) or "over"
    return ""


# --- judging -------------------------------------------------------------------------------------


async def judge(scene: Scene, row: Row, *, said_once: bool) -> None:
    """Both ends are where they shall be, each said it once, one agreement or none, and only what is granted leaves."""
    rows = await scene.rows()
    assert rows["consumer"]["state"] == rows["provider"]["state"], f"the ends differ: {await scene.stands()}"
    assert rows["consumer"]["state"] in row.end, f"it ended as {rows['consumer']['state']}: {await scene.stands()}"
    for side in SIDES:
        assert rows[side]["peer_pid"] == rows[OTHER[side]]["id"], f"the pids do not fit: {rows}"
    if said_once:
        await _said_once(scene, row)
    if scene.exclusive or row.message in OPENING:
        await _no_twin(scene)
    if scene.kind == "negotiations":
        await _one_agreement_or_none(scene, rows)
    else:
        await _only_what_is_granted(scene, rows["consumer"]["state"])


async def _said_once(scene: Scene, row: Row) -> None:
    """Sent many times on the wire or not: each side has it on record as often as it was meant."""
    for side, direction in ((row.sender, "out"), (OTHER[row.sender], "in")):
        if scene.kind != f"{row.name.partition('.')[0]}s":
            return
        steps = (await scene.timeline(side))["steps"]
        found = [step for step in steps if step["direction"] == direction and step["message"] == row.message]
        assert len(found) == row.times, f"{side} has it {len(found)} times: {await scene.stands()}"


async def _no_twin(scene: Scene) -> None:
    """A conversation that was opened more than once is one conversation all the same."""
    for side in SIDES:
        rows = await scene.pair.node(side).get(f"/{scene.kind}")
        twins = [row["id"] for row in rows if row["peer_pid"] == scene.ids[OTHER[side]]]
        assert len(twins) == 1, f"{side} has it {len(twins)} times: {twins}"


async def _one_agreement_or_none(scene: Scene, rows: dict[str, Any]) -> None:
    finished = rows["consumer"]["state"] == "FINALIZED"
    named = {rows[side]["agreement"] for side in SIDES} - {""}
    assert len(named) == 1 if finished else len(named) <= 1, f"not one agreement: {named}"
    for side in SIDES:
        for id in named:
            try:
                agreement = await scene.pair.node(side).get(f"/agreements/{part(id)}")
            except Refused as error:
                assert not finished and error.status == 404, f"{side} has no agreement {id}"
                continue
            assert agreement["negotiation"] == rows[side]["id"], f"{side}: {agreement}"
            assert agreement["state"] == ("FINALIZED" if finished else "TERMINATED"), f"{side}: {agreement['state']}"


async def _only_what_is_granted(scene: Scene, state: str) -> None:
    if state == "STARTED":
        status, document = await scene.pair.pull(await scene.get("/dataaddress"))
        assert status == 200, f"the data does not flow: {status} {document}"
        assert document == scene.pair.whole, "what flows is not what is granted"
    elif scene.address:
        status, _ = await scene.pair.pull(scene.address)
        assert status in {401, 403}, f"data of a transfer that is {state}: {status}"


async def _ended_everywhere(scene: Scene) -> None:
    """A message was refused for good: whoever knows of the conversation has it as over."""

    async def over() -> bool:
        await scene.learn()
        return all([(await scene.look(side))["state"] == "TERMINATED" for side in scene.ids])

    await scene.until("the end on both sides", over)
    if scene.kind == "negotiations" and len(scene.ids) == 2:
        await _one_agreement_or_none(scene, await scene.rows())


async def at_rest(pair: Pair) -> None:
    """Nothing is left to do on either side."""
    for side in SIDES:
        until = asyncio.get_running_loop().time() + PATIENCE
        while (outbox := (await pair.node(side).get("/status"))["outbox"])["letters"]:
            assert asyncio.get_running_loop().time() < until, f"the outbox of the {side} is not empty: {outbox}"
            await asyncio.sleep(0.1)


async def verified(node: Node) -> None:
    """The node's audit chain holds."""
    try:
        found = await node.get("/audit/verify")
    except Down:
        return
    assert found["holds"], f"the audit chain of the {node.role} does not hold: {found}"


async def no_two_agreements(node: Node) -> list[Any]:
    """The agreements of a node; there are never two of one negotiation."""
    try:
        rows: list[Any] = await node.get("/agreements")
    except Down:
        return []
    negotiations = [row["negotiation"] for row in rows]
    assert len(negotiations) == len(set(negotiations)), f"{node.role}: a negotiation has two agreements"
    return rows


async def agreements_match(pair: Pair) -> None:
    """Over everything that happened to a pair: never two agreements of one negotiation, and both sides have the same in force."""
    sides = {side: await no_two_agreements(pair.node(side)) for side in SIDES}
    standing = {side: {row["id"] for row in rows if row["state"] == "FINALIZED"} for side, rows in sides.items()}
    assert standing["consumer"] == standing["provider"], f"in force at one side only: {standing['consumer'] ^ standing['provider']}"
