"""For each scenario one fault that a node may have, and how the scenario fails then: proof that every row can fail.

A row names its fault; `planting` puts it into a node of this process, where no other row meets it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.errors import Hidden, Illegal, SaltbridgeError, Unavailable
from connector.exchange import negotiate
from connector.exchange.conversation import Outcome
from connector.ports import World
from connector.records import Negotiation, Transfer

from . import script
from .judge import Json

Receive = Callable[..., Awaitable[Outcome]]
Hear = Callable[[Receive, Any, World, Any, Any, str], Awaitable[Outcome]]  # the real one, its module, and what it is given


@dataclass(frozen=True)
class Fault:
    """Where a node goes wrong, and the words of the scenario's failure (a regular expression)."""

    shows: str
    page: Callable[[Json], Json | None] | None = None  # an answer to a GET or to a catalog request, None: 404
    hear: Hear | None = None  # instead of taking a message
    say: Callable[[Json], Json | None] | None = None  # a message on its way out, None: it never leaves
    script: script.Script | None = None  # what the node does by itself
    at_once: bool = False  # without the decider's delay


# --- what comes in: (what the real node answers) -> what this one does ---------------------------


def answered(type: str, error: SaltbridgeError) -> Hear:
    """Refuses what is to be refused, with another error."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        try:
            return await real(world, caller, message, pid)
        except Illegal:
            raise (error if message.type == type else Illegal("not now")) from None

    return hear


def applied_and_answered(type: str, error: SaltbridgeError) -> Hear:
    """Takes the message and answers with an error."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        outcome = await real(world, caller, message, pid)
        if message.type == type:
            raise error
        return outcome

    return hear


def not_allowed(type: str, error: SaltbridgeError | None = None) -> Hear:
    """Refuses what must be taken."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        if message.type == type and pid:
            raise error or Illegal("not from you")
        return await real(world, caller, message, pid)

    return hear


def acknowledged(type: str, state: str = "") -> Hear:
    """Answers 200 to what must be refused; with a state it goes there as well."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        try:
            return await real(world, caller, message, pid)
        except Illegal:
            if message.type != type:
                raise
            await _go(world, module, pid, state)
            return Outcome(await module.read(world, caller, pid), created=False)

    return hear


def refused_but(type: str, state: str) -> Hear:
    """Refuses, and changes the state all the same; the state "" forgets the process."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        try:
            return await real(world, caller, message, pid)
        except Illegal:
            if message.type == type:
                await _go(world, module, pid, state or "gone")
            raise

    return hear


def forgotten(type: str, when: str = "") -> Hear:
    """Answers 200 to what must be taken, and forgets it."""

    async def hear(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
        if message.type == type and pid:
            ack = await module.read(world, caller, pid)
            if when in ("", ack.state):
                return Outcome(ack, created=False)
        return await real(world, caller, message, pid)

    return hear


async def _exchanged_pids(real: Receive, module: Any, world: World, caller: Any, message: Any, pid: str) -> Outcome:
    outcome = await real(world, caller, message, pid)
    if pid:
        return outcome
    ack = outcome.ack
    return replace(outcome, ack=replace(ack, consumer_pid=ack.provider_pid, provider_pid=ack.consumer_pid))


async def _go(world: World, module: Any, pid: str, state: str) -> None:
    if not state:
        return
    async with world.store.transaction() as tx:
        process: Any = await tx.get(Negotiation if module is negotiate else Transfer, pid)
        if state == "gone":
            tx.delete(type(process), pid)
        else:
            tx.put(replace(process, place=replace(process.place, state=state, sent="", waiting=False)))


# --- what goes out -------------------------------------------------------------------------------


def says(type: str, change: Callable[[Json], Any]) -> Callable[[Json], Json | None]:
    """A message of this type with something about it changed."""

    def say(message: Json) -> Json | None:
        if message["@type"] == type:
            change(message)
        return message

    return say


def never_says(type: str, **like: str) -> Callable[[Json], Json | None]:
    """Takes a message for delivered that never left."""
    return lambda message: None if message["@type"] == type and like.items() <= message.items() else message


def reads(change: Callable[[Json], Any]) -> Callable[[Json], Json | None]:
    def page(answer: Json) -> Json | None:
        change(answer)
        return answer

    return page


def _exchange(message: Json) -> None:
    message["consumerPid"], message["providerPid"] = message["providerPid"], message["consumerPid"]


def _properties(message: Json) -> None:
    message["dataAddress"] = {"@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP", "endpointProperties": []}


def _state_before(answer: Json) -> None:
    answer["state"] = {"STARTED": "REQUESTED"}.get(str(answer.get("state")), answer.get("state"))


def _without(dataset: str) -> Callable[[Json], None]:
    def change(catalog: Json) -> None:
        catalog["dataset"] = [each for each in catalog["dataset"] if each["@id"] != dataset]

    return change


ODD = {"callbackAddress": "http://127.0.0.1:1/dsp/2025-1"}
REQUEST, OFFER, AGREEMENT = "ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage"
EVENT, VERIFICATION, END = (
    "ContractNegotiationEventMessage",
    "ContractAgreementVerificationMessage",
    "ContractNegotiationTerminationMessage",
)
CALL, START, STOP = "TransferRequestMessage", "TransferStartMessage", "TransferSuspensionMessage"
DONE, OVER = "TransferCompletionMessage", "TransferTerminationMessage"
UNKNOWN = Hidden("not here")
BROKEN = SaltbridgeError("something went wrong", code="planted")
BUSY = Unavailable("later")

FAULTS: Mapping[str, Fault] = {
    # metadata and catalog
    "the version metadata names 2024-1 only": Fault(
        "no 2025-1", page=reads(lambda page: page["protocolVersions"][0].update(version="2024-1"))
    ),
    "the catalog leaves a dataset out": Fault("has no dataset CAT0101", page=reads(_without("CAT0101"))),
    "the dataset is answered under another id": Fault("the dataset is CAT0103", page=reads(lambda page: page.update({"@id": "CAT0103"}))),
    "an unknown dataset is answered with an error of no type": Fault("no message", page=reads(lambda page: page.pop("@type"))),
    # the node is the provider of a negotiation
    "an offer has a callbackAddress beside the consumer's pid": Fault("offer is invalid", say=says(OFFER, lambda it: it.update(ODD))),
    "a counter-offer is answered with an offer where a termination is due": Fault(
        "nothing came that leads to TERMINATED", script={"REQUESTED": (script.OFFER, script.OFFER)}
    ),
    "the last event never leaves": Fault("nothing came that leads to FINALIZED", say=never_says(EVENT)),
    "an agreement has an empty list of prohibitions": Fault(
        "agreement is invalid.*prohibition", say=says(AGREEMENT, lambda it: it["agreement"].update(prohibition=[]))
    ),
    "a termination has an empty list of reasons": Fault("termination is invalid.*reason", say=says(END, lambda it: it.update(reason=[]))),
    "a termination is acknowledged and forgotten": Fault("the node is REQUESTED", hear=forgotten(END)),
    "a termination of what is agreed is refused": Fault("TerminationMessage was answered with 400", hear=not_allowed(END)),
    "the state that is read has a prefix": Fault(
        "answer 200 is invalid.*state", page=reads(lambda page: page.update(state=f"dspace:{page['state']}"))
    ),
    "an offer stands although its end is due": Fault("nothing came that leads to TERMINATED", script={"REQUESTED": (script.OFFER,)}),
    "an accepted offer is agreed where a termination is due": Fault(
        "nothing came that leads to TERMINATED", script={"REQUESTED": (script.OFFER,), "ACCEPTED": (script.AGREE,)}
    ),
    "a verified agreement is finalized where a termination is due": Fault(
        "nothing came that leads to TERMINATED", script={"REQUESTED": (script.AGREE,), "VERIFIED": (script.FINALIZE,)}
    ),
    "a finalized negotiation can be terminated": Fault("answered with 200 instead of being refused", hear=acknowledged(END, "TERMINATED")),
    "a verification of an offer is answered with 404": Fault(
        "answered with 404 instead of being refused", hear=answered(VERIFICATION, UNKNOWN)
    ),
    "an accepted offer is agreed at once where nothing is due": Fault(
        "answered with 200 instead of being refused", script={"REQUESTED": (script.OFFER,), "ACCEPTED": (script.AGREE,)}, at_once=True
    ),
    "the same counter-offer once more counts as a repetition": Fault(
        "answered with 200 instead of being refused", hear=acknowledged(REQUEST)
    ),
    # the node is the consumer of a negotiation
    "an event's type has a prefix": Fault(
        "accepted is invalid.*eventType", say=says(EVENT, lambda it: it.update(eventType=f"dspace:{it['eventType']}"))
    ),
    "a counter-offer has a callbackAddress beside the provider's pid": Fault(
        "counter is invalid", say=says(REQUEST, lambda it: it.update(ODD if "providerPid" in it else {}))
    ),
    "an offer is accepted where a termination is due": Fault("nothing came that leads to TERMINATED", script={"OFFERED": (script.ACCEPT,)}),
    "a verification has its pids exchanged": Fault("verification names no process of ours", say=says(VERIFICATION, _exchange)),
    "a termination is applied and answered with 500": Fault(
        "TerminationMessage was answered with 500", hear=applied_and_answered(END, BROKEN)
    ),
    "a request stands although its end is due": Fault("nothing came that leads to TERMINATED", script={}),
    "an agreement is verified where a termination is due": Fault(
        "nothing came that leads to TERMINATED", script={"AGREED": (script.VERIFY,)}
    ),
    "a consumer's negotiation cannot be read": Fault("GET was answered with 404", page=lambda page: None),
    "an event's context is a string": Fault("accepted is invalid", say=says(EVENT, lambda it: it.update({"@context": it["@context"][0]}))),
    "a termination of what is verified is acknowledged and forgotten": Fault("the node is VERIFIED", hear=forgotten(END)),
    "a request can be finalized": Fault("answered with 200 instead of being refused", hear=acknowledged(EVENT, "FINALIZED")),
    "an agreement is refused and changes the state all the same": Fault(
        r"\(read OFFERED\): the node is AGREED", hear=refused_but(AGREEMENT, "AGREED")
    ),
    "finalizing an offer is answered with 404": Fault("answered with 404 instead of being refused", hear=answered(EVENT, UNKNOWN)),
    "finalizing an accepted offer is answered with 500": Fault("answered with 500 instead of being refused", hear=answered(EVENT, BROKEN)),
    "an offer after acceptance is acknowledged": Fault("answered with 200 instead of being refused", hear=acknowledged(OFFER)),
    "an agreement is verified at once where nothing is due": Fault(
        "answered with 200 instead of being refused", script={"OFFERED": (script.ACCEPT,), "AGREED": (script.VERIFY,)}, at_once=True
    ),
    # the node is the provider of a transfer
    "a start has an empty data address": Fault("start is invalid.*dataAddress", say=says(START, lambda it: it.update(dataAddress={}))),
    "a transfer stays started although its end is due": Fault(
        "nothing came that leads to COMPLETED", script={"REQUESTED": (script.START,)}
    ),
    "a start has an empty list of endpoint properties": Fault("start is invalid.*endpointProperties", say=says(START, _properties)),
    "a resumed transfer is suspended again where it is to complete": Fault(
        "nothing came that leads to COMPLETED",
        script={"REQUESTED": (script.START,), "STARTED": (script.SUSPEND, script.SUSPEND), "SUSPENDED": (script.START,)},
    ),
    "a transfer starts where a termination is due": Fault("nothing came that leads to TERMINATED", script={"REQUESTED": (script.START,)}),
    "the state that is read is the one before": Fault(r"\(read STARTED\): the node is REQUESTED", page=reads(_state_before)),
    "a consumer may not complete": Fault("CompletionMessage was answered with 400", hear=not_allowed(DONE)),
    "a suspension is acknowledged and forgotten": Fault(r"\(read SUSPENDED\): the node is STARTED", hear=forgotten(STOP)),
    "a consumer may not resume": Fault("StartMessage was answered with 400", hear=not_allowed(START)),
    "the acknowledgement has its pids exchanged": Fault("GET was answered with 404", hear=_exchanged_pids),
    "completing a request is acknowledged": Fault("answered with 200 instead of being refused", hear=acknowledged(DONE)),
    "suspending a request is answered with 404": Fault("answered with 404 instead of being refused", hear=answered(STOP, UNKNOWN)),
    "what is suspended can be completed": Fault("answered with 200 instead of being refused", hear=acknowledged(DONE, "COMPLETED")),
    "a terminated transfer can be started": Fault("answered with 200 instead of being refused", hear=acknowledged(START, "STARTED")),
    "suspending what is over is answered with 503": Fault("answered with 503 instead of being refused", hear=answered(STOP, BUSY)),
    "completing what is over is refused and changes the state all the same": Fault(
        r"\(read TERMINATED\): the node is COMPLETED", hear=refused_but(DONE, "COMPLETED")
    ),
    # the node is the consumer of a transfer
    "a consumer's transfer cannot be read": Fault("GET was answered with 404", page=lambda page: None),
    "a provider's completion is answered with 404": Fault("CompletionMessage was answered with 404", hear=not_allowed(DONE, UNKNOWN)),
    "a suspension is applied and answered with 500": Fault(
        "SuspensionMessage was answered with 500", hear=applied_and_answered(STOP, BROKEN)
    ),
    "a second start counts as a repetition": Fault(
        r"step 12 \(read STARTED\): the node is SUSPENDED", hear=forgotten(START, when="SUSPENDED")
    ),
    "a transfer request's callbackAddress lacks the base path": Fault(
        "answered with 404", say=says(CALL, lambda it: it.update(callbackAddress=it["callbackAddress"].removesuffix("/dsp/2025-1")))
    ),
    "a started transfer is completed where a termination is due": Fault(
        "nothing came that leads to TERMINATED", script={"STARTED": (script.COMPLETE,)}
    ),
    "a completion lacks the provider's pid": Fault("completion is invalid.*providerPid", say=says(DONE, lambda it: it.pop("providerPid"))),
    "what is suspended stays so although its end is due": Fault(
        "nothing came that leads to TERMINATED", script={"STARTED": (script.SUSPEND,)}
    ),
    "a resumption never leaves": Fault("nothing came that leads to STARTED", say=never_says(START)),
    "a transfer request lacks its format": Fault("request is invalid.*format", say=says(CALL, lambda it: it.pop("format"))),
    "a provider completes a request, acknowledged": Fault("answered with 200 instead of being refused", hear=acknowledged(DONE)),
    "a request can be suspended": Fault("answered with 200 instead of being refused", hear=acknowledged(STOP, "SUSPENDED")),
    "completing what is suspended is answered with 404": Fault("answered with 404 instead of being refused", hear=answered(DONE, UNKNOWN)),
    "a provider starts what is over": Fault("answered with 200 instead of being refused", hear=acknowledged(START, "STARTED")),
    "a provider suspends what is over, answered with 503": Fault("answered with 503 instead of being refused", hear=answered(STOP, BUSY)),
    "a transfer is gone after a message that is refused": Fault("GET was answered with 404", hear=refused_but(DONE, "")),
}
