"""What both sides hold at the end, held against each other and against what was seen on the way.

The provider's side is read from the database that was promoted, past the nodes; the consumer's from its file.  What was answered
is known from the balancer, which is no part of either.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from scripts.lib.balancer import Seen
from scripts.lib.telling import Teller

if TYPE_CHECKING:
    from scripts.lib.cluster import Run

KINDS = ("negotiation", "agreement", "transfer", "step")
ENDED = ("FINALIZED", "COMPLETED")
Records = Mapping[str, dict[str, dict[str, Any]]]  # kind -> id -> record
# The end of a path a message is posted to -> how a timeline calls it.
_BY_PATH = {
    ("negotiations", "request"): "ContractRequestMessage",
    ("negotiations", "agreement"): "ContractAgreementMessage",
    ("negotiations", "events"): "ContractNegotiationEventMessage:FINALIZED",
    ("negotiations", "agreement", "verification"): "ContractAgreementVerificationMessage",
    ("transfers", "request"): "TransferRequestMessage",
    ("transfers", "start"): "TransferStartMessage",
    ("transfers", "completion"): "TransferCompletionMessage",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that has to hold: of how many, and what does not."""

    what: str
    count: int
    wrong: list[str]
    said: str = ""


@dataclass(slots=True)
class Proof:
    """All claims, and the figures beside them."""

    negotiations: int
    same: int
    claims: list[Claim] = field(default_factory=list)
    work: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.same == self.negotiations and not any(claim.wrong for claim in self.claims)

    @property
    def last_line(self) -> str:
        broken = [claim.what for claim in self.claims if claim.wrong]
        line = f"cluster: {self.same} of {self.negotiations} negotiations ended the same on both sides"
        return line if not broken else f"{line}; broken: {', '.join(broken)}"

    def json(self) -> dict[str, Any]:
        claims = [{"what": claim.what, "count": claim.count, "wrong": claim.wrong, "said": claim.said} for claim in self.claims]
        return {
            "holds": self.holds, "negotiations": self.negotiations, "same": self.same, "claims": claims, "processes": self.work,
            "faults": self.faults, **self.figures,
        }  # fmt: skip

    def tell(self, tell: Teller) -> None:
        tell.step(4, "What both sides hold, and what was answered on the way")
        rows = [(claim.what, str(claim.count), f"{len(claim.wrong)}" if claim.wrong else "none", claim.said) for claim in self.claims]
        tell.table(("CLAIM", "OF", "BROKEN", ""), rows)
        tell.line()
        tell.table(
            ("PROCESS", "CHAIN", "STARTED", "REQUESTS", "STATE CHANGES", "PULLS"),
            [tuple(str(each[name]) for name in ("process", "chain", "lives", "requests", "changes", "pulls")) for each in self.work],
        )
        tell.line()
        for claim in self.claims:
            for wrong in claim.wrong[:5]:
                tell.under(f"BROKEN {claim.what}: {wrong}")


async def in_hand(url: str, writer: str) -> dict[str, int]:
    """Letters that the process of this writer has leased, by conversation."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT process, count(*) FROM letter WHERE holder = (SELECT holder FROM writer WHERE name = $1) GROUP BY process", writer
        )
    finally:
        await connection.close()
    return dict(map(tuple, rows))


async def proven(run: Run) -> Proof:
    """Read everything, and say what holds."""
    maker, audit = await _provider(run.database.live_url)
    ours = _consumer(run.cluster.consumer.home / "saltbridge.db")
    pairs = [(deal, ours["negotiation"].get(deal.negotiation), deal.negotiation) for deal in run.load.deals]
    theirs = {each["peer_pid"]: each for each in maker["negotiation"].values()}
    same = sum(_ended_alike(one, theirs.get(pid)) for _, one, pid in pairs)
    proof = Proof(run.plan.negotiations, same, faults=run.faults)
    proof.claims = [
        Claim("negotiations finalized, once on each side", len(pairs), _negotiations(ours, maker)),
        Claim("exactly one agreement each, the same", len(ours["agreement"]), _agreements(ours, maker)),
        Claim("transfers completed on both sides", len(ours["transfer"]), _transfers(ours, maker)),
        _acknowledged(run.cluster.balancer.seen, maker, "every 2xx to the consumer is in the promoted database"),
        _acknowledged(run.cluster.gate.seen, ours, "every 2xx to the provider is in the consumer's"),
        _answered(ours, maker, "what the consumer was acknowledged stands at the provider"),
        _answered(maker, ours, "what the provider was acknowledged stands at the consumer"),
        _pulled([deal.pulled for deal in run.load.deals], audit),
        await _chains(run),
        _deliveries(run),
        _taken_over(run, maker, audit),
        _come_back(run),
    ]
    proof.work = _work(run, audit)
    seconds = sorted(deal.seconds for deal in run.load.deals)
    proof.figures = {
        "seconds": round(max(deal.began + deal.seconds for deal in run.load.deals) - min(deal.began for deal in run.load.deals), 2),
        "deal_seconds_p50": round(seconds[len(seconds) // 2], 2), "deal_seconds_max": round(seconds[-1], 2),
        "answers_to_come_back": dict(run.load.passing),
        "statuses": {str(status): count for status, count in sorted(Counter(each.status for each in run.cluster.balancer.seen).items())},
    }  # fmt: skip
    return proof


# --- reading -------------------------------------------------------------------------------------


async def _provider(url: str) -> tuple[Records, list[dict[str, Any]]]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT kind, id, body FROM record WHERE kind = ANY ($1::text[])", list(KINDS))
        audit = await connection.fetch("SELECT writer, seq, at, event, subject, data FROM audit ORDER BY writer, seq")
    finally:
        await connection.close()
    return _sorted((kind, id, body) for kind, id, body in rows), [
        {**row, "data": json.loads(row["data"]), "at": datetime.fromisoformat(row["at"]).timestamp()} for row in map(dict, audit)
    ]


def _consumer(path: Path) -> Records:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return _sorted(connection.execute(f"SELECT kind, id, body FROM record WHERE kind IN {KINDS}"))
    finally:
        connection.close()


def _sorted(rows: Iterable[tuple[str, str, str]]) -> Records:
    found: Records = {kind: {} for kind in KINDS}
    for kind, id, body in rows:
        found[kind][id] = json.loads(body)
    return found


# --- the two sides -------------------------------------------------------------------------------


def _ended_alike(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    return bool(one and other and one["place"]["state"] == other["place"]["state"] == "FINALIZED" and one["peer_pid"] == other["id"])


def _negotiations(ours: Records, maker: Records) -> list[str]:
    theirs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in maker["negotiation"].values():
        theirs[each["peer_pid"]].append(each)
    wrong = []
    for pid, one in ours["negotiation"].items():
        others = theirs.pop(pid, [])
        if len(others) != 1 or not _ended_alike(one, others[0]) or one["place"]["waiting"] or others[0]["place"]["waiting"]:
            wrong.append(f"{pid}: {one['place']['state']} here, {[each['place']['state'] for each in others]} there")
    return wrong + [f"{pid}: only at the provider" for pid in theirs]


def _agreements(ours: Records, maker: Records) -> list[str]:
    wrong = []
    sides = {"consumer": ours, "provider": maker}
    for side, records in sides.items():
        counted = Counter(each["negotiation"] for each in records["agreement"].values())
        wrong += [f"{pid}: {counted[pid]} agreements at the {side}" for pid in records["negotiation"] if counted[pid] != 1]
    for id, one in ours["agreement"].items():
        other = maker["agreement"].get(id)
        if other is None or any(one[name] != other[name] for name in ("policy", "state", "dataset", "grant", "assigner", "assignee")):
            wrong.append(f"{id} differs")
    return wrong + [f"{id} is only at the provider" for id in maker["agreement"].keys() - ours["agreement"].keys()]


def _transfers(ours: Records, maker: Records) -> list[str]:
    theirs = {each["peer_pid"]: each for each in maker["transfer"].values()}
    wrong = []
    for pid, one in ours["transfer"].items():
        other = theirs.pop(pid, None)
        if other is None or not one["place"]["state"] == other["place"]["state"] == "COMPLETED":
            wrong.append(f"{pid}: {one['place']['state']} here, {other['place']['state'] if other else 'nothing'} there")
    return wrong + [f"{pid}: only at the provider" for pid in theirs]


# --- what was answered ---------------------------------------------------------------------------


def _acknowledged(seen: Iterable[Seen], receivers: Records, claim: str) -> Claim:
    """Every 2xx that was passed to a peer: the message is in the timeline of its process, where the receivers keep it."""
    heard = Counter((each["process"], each["message"]) for each in receivers["step"].values() if each["direction"] == "in")
    wrong, count = [], 0
    for each in seen:
        if each.method != "POST" or not 200 <= each.status < 300:
            continue
        what, pid = _message(each)
        if not what:
            continue
        count += 1
        if not heard[pid, what]:
            wrong.append(f"{each.path} was answered {each.status} by {each.backend}")
    return Claim(claim, count, wrong)


def _message(seen: Seen) -> tuple[str, str]:
    """Which message was posted, and the receiver's pid; ('', '') for what changes no conversation."""
    steps = seen.path.split("?")[0].strip("/").split("/")[2:]
    if steps[:1] not in (["negotiations"], ["transfers"]):
        return "", ""
    if len(steps) == 2:
        return _BY_PATH.get((steps[0], steps[1]), steps[1]), str(json.loads(seen.body or b"{}").get("providerPid", ""))
    return _BY_PATH.get((steps[0], *steps[2:]), steps[-1]), steps[1]


def _answered(senders: Records, receivers: Records, what: str) -> Claim:
    """Every message whose sender noted that it was taken is in the receiver's timeline."""
    pids = {each["id"]: each["peer_pid"] for kind in ("negotiation", "transfer") for each in senders[kind].values()}
    heard = {(each["process"], each["message"]) for each in receivers["step"].values() if each["direction"] == "in"}
    sent = [each for each in senders["step"].values() if each["direction"] == "out" and not each["code"]]
    wrong = [f"{each['process']} {each['message']}" for each in sent if (pids.get(each["process"]), each["message"]) not in heard]
    return Claim(what, len(sent), wrong)


def _pulled(digests: list[str], audit: Iterable[Mapping[str, Any]]) -> Claim:
    kept = {value for entry in audit if entry["event"] == "pull" for value in entry["data"].values() if isinstance(value, str)}
    return Claim("every pull that was answered is in an audit chain", len(digests), [each for each in digests if each not in kept])


async def _chains(run: Run) -> Claim:
    told = [process.client.get("/audit/verify") for process in (run.cluster.makers[0], run.cluster.consumer)]
    wrong = [str(each["break"]) for each in told if not each["holds"]]
    said = f"{len(told[0].get('heads') or {})} chains at the provider"
    return Claim("audit entries, every chain verified", sum(each["entries"] for each in told), wrong, said)


# --- letters and processes -----------------------------------------------------------------------


def _deliveries(run: Run) -> Claim:
    """Each attempt of a letter by one process: no two deliveries of one message at a time, and none repeated before anything failed."""
    arrived: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for event in run.cluster.consumer.events():
        if event["event"] == "request" and event.get("method") == "POST" and event["listener"] == "dataspace":
            ended = datetime.fromisoformat(event["at"]).timestamp()
            arrived[event["path"]].append((ended - event["ms"] / 1000, ended, event["status"]))
    wrong, repeats = [], 0
    first_fault = run.began + run.faults[0]["at"]
    for path, times in arrived.items():
        times.sort()
        repeats += len(times) - 1
        for (_, ended, status), (begun, _, _) in itertools.pairwise(times):
            if begun < ended - 0.002:
                wrong.append(f"{path}: two at a time")
            if begun < first_fault and status < 300:
                wrong.append(f"{path}: delivered again although nothing had failed")
    return Claim(
        "letters delivered once per attempt", sum(map(len, arrived.values())), wrong,
        f"{len(arrived)} messages, {repeats} repeated after a fault",
    )  # fmt: skip


def _taken_over(run: Run, maker: Records, audit: Iterable[Mapping[str, Any]]) -> Claim:
    """The conversations whose letters the killed process held: each ended, and who carried it on."""
    victim, own = run.cluster.makers[1], run.cluster.makers[1].writer
    ended = {each["id"] for kind in ("negotiation", "transfer") for each in maker[kind].values() if each["place"]["state"] in ENDED}
    wrong = [pid for pid in run.held if pid not in ended]
    after: dict[str, tuple[float, str]] = {}
    for entry in audit:
        if entry["subject"] in run.held and entry["at"] > victim.killed_at and entry["at"] < after.get(entry["subject"], (9e99, ""))[0]:
            after[entry["subject"]] = entry["at"], entry["writer"]
    by = Counter("itself, restarted" if writer == own else "others" for _, writer in after.values())
    waited = [at - victim.killed_at for at, _ in after.values()]
    said = ", ".join(f"{count} by {who}" for who, count in by.items())
    letters = sum(run.held.values())
    return Claim("letters of the killed process taken over", letters, wrong, f"{said}, after at most {max(waited):.1f} s" if waited else "")


def _come_back(run: Run) -> Claim:
    without = [why for why in run.load.passing if why.startswith("503 without")]
    told = sum(count for why, count in run.load.passing.items() if why.startswith("503"))
    answered = sum(each.status == 503 for each in run.cluster.balancer.seen)
    return Claim("503 while the database was away, with Retry-After", answered, without, f"{told} of them to the operator's program")


def _work(run: Run, audit: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    entries = list(audit)
    answered = {each.name: each.answered for each in run.cluster.balancer.backends}
    changes = Counter(entry["writer"] for entry in entries if entry["event"].endswith(".state"))
    pulls = Counter(entry["writer"] for entry in entries if entry["event"] == "pull")
    return [
        {
            "process": each.name, "chain": (chain := each.writer), "lives": each.lives, "requests": answered[each.name],
            "changes": changes[chain], "pulls": pulls[chain],
        }
        for each in run.cluster.makers
    ]  # fmt: skip
