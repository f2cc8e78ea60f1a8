"""The official kit's 67 scenarios as data: one row per id, what the counterparty does in order, and the fault that the row catches.

The counterparty's steps, in its own words (`steps` reads them, `kit` does them):

    signal            make the node open a process with us             expect M [silently]   take message M once, from here on
    send M            M must be taken (2xx)                            refused M             M must be refused (4xx, but no 404)
    wait S            until what was expected came and we are in S     read S                the node must say that it is in S
    pause             a tenth of a second

A message that is expected is answered with the process, or with nothing where the kit does so (`silently`, and always for what
it takes on the way from an agreement to its end).  One that comes when nothing is expected gets 404.
Source: Dataspace TCK 1.0.1, suites MET, CAT, CN, CN_C, TP, TP_C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NEGOTIATION_WORDS = frozenset(
    ("request", "counter", "foreign-counter", "offer", "accepted", "agreement", "verification", "finalized", "termination")
)
TRANSFER_WORDS = frozenset(("request", "start", "bare-start", "suspension", "completion", "termination"))
VERBS: Mapping[str, tuple[int, int]] = {  # how many words follow: at least, at most
    "signal": (0, 0), "pause": (0, 0), "expect": (1, 2), "send": (1, 1), "refused": (1, 1), "wait": (1, 1), "read": (1, 1),
    "metadata": (0, 0), "catalog": (0, 0), "dataset": (0, 0), "no-dataset": (0, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing that the counterparty does."""

    verb: str
    what: str = ""  # a message or a state
    how: str = ""


@dataclass(frozen=True)
class Row:
    """One scenario of the official kit."""

    id: str
    says: str
    fault: str  # what a node would do wrong to fail this row, and this row only: a key of `faults.FAULTS`

    @property
    def suite(self) -> str:
        return self.id.partition(":")[0]

    @property
    def is_transfer(self) -> bool:
        return self.suite.startswith("TP")

    @property
    def subject(self) -> str:
        """The dataset or agreement that the row is played with."""
        number = self.id.partition(":")[2].replace("-", "")
        return {"CAT": "CAT", "CN": "ACN", "CN_C": "ACNC", "TP": "ATP", "TP_C": "ATPC", "MET": ""}[self.suite] + number

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(_step(text.split()) for text in self.says.split(","))

    def says_by_itself(self, number: int) -> bool:
        """Whether the message expected in this step comes without a word of ours: the official kit expects it late."""
        step, *rest = self.steps[number:]
        return step.verb == "expect" and bool(rest) and rest[0].verb == "wait"


def _step(words: list[str]) -> Step:
    verb, rest = words[0], words[1:]
    least, most = VERBS[verb]
    if not least <= len(rest) <= most:
        raise ValueError(f"{verb} takes {least} to {most} words: {words}")
    return Step(verb, *rest)


# What rows have in common.
OFFERED = "expect offer, send request, wait OFFERED"
AGREED = "expect agreement, send request, wait AGREED"
CALLED = "expect request, signal, wait REQUESTED"
STARTED = "expect start, send request, wait STARTED"
SEEN_STARTED = f"{STARTED}, read STARTED"
ASKED = "send request, wait REQUESTED, read REQUESTED"
SEEN_CALLED = f"{CALLED}, read REQUESTED"
NODE_STARTED = "send start, wait STARTED, read STARTED"
ENDED = "send termination, wait TERMINATED, read TERMINATED"
COMPLETED = "send completion, wait COMPLETED, read COMPLETED"
SUSPENDED = "send suspension, wait SUSPENDED, read SUSPENDED"
STILL_TERMINATED = "wait TERMINATED, read TERMINATED"

ROWS: tuple[Row, ...] = (
    Row("MET:01-01", "metadata", "the version metadata names 2024-1 only"),
    Row("CAT:01-01", "catalog", "the catalog leaves a dataset out"),
    Row("CAT:01-02", "dataset", "the dataset is answered under another id"),
    Row("CAT:01-03", "no-dataset", "an unknown dataset is answered with an error of no type"),
    # --- contract negotiation, the node is the provider
    Row("CN:01-01", f"{OFFERED}, send termination, read TERMINATED", "an offer has a callbackAddress beside the consumer's pid"),
    Row(
        "CN:01-02",
        f"{OFFERED}, expect termination, send foreign-counter, wait TERMINATED",
        "a counter-offer is answered with an offer where a termination is due",
    ),
    Row(
        "CN:01-03",
        f"{OFFERED}, expect agreement, send accepted, wait AGREED, expect finalized, send verification, wait FINALIZED",
        "the last event never leaves",
    ),
    Row(
        "CN:01-04",
        "expect agreement, send request, wait AGREED, expect finalized, send verification, wait FINALIZED",
        "an agreement has an empty list of prohibitions",
    ),
    Row("CN:02-01", "send request, expect termination silently, wait TERMINATED", "a termination has an empty list of reasons"),
    Row("CN:02-02", "send request, send termination, read TERMINATED", "a termination is acknowledged and forgotten"),
    Row("CN:02-03", f"{AGREED}, send termination, read TERMINATED", "a termination of what is agreed is refused"),
    Row("CN:02-04", f"{OFFERED}, send termination, read TERMINATED", "the state that is read has a prefix"),
    Row("CN:02-05", f"{OFFERED}, expect termination silently, wait TERMINATED", "an offer stands although its end is due"),
    Row(
        "CN:02-06",
        f"{OFFERED}, send accepted, expect termination silently, wait TERMINATED",
        "an accepted offer is agreed where a termination is due",
    ),
    Row(
        "CN:02-07",
        f"{AGREED}, expect termination silently, send verification, wait TERMINATED",
        "a verified agreement is finalized where a termination is due",
    ),
    Row(
        "CN:03-01",
        f"{AGREED}, expect finalized, send verification, wait FINALIZED, read FINALIZED, refused termination",
        "a finalized negotiation can be terminated",
    ),
    Row("CN:03-02", f"{OFFERED}, refused verification", "a verification of an offer is answered with 404"),
    Row("CN:03-03", f"{OFFERED}, send accepted, refused verification", "an accepted offer is agreed at once where nothing is due"),
    Row("CN:03-04", f"{OFFERED}, send counter, refused counter", "the same counter-offer once more counts as a repetition"),
    # --- contract negotiation, the node is the consumer
    Row(
        "CN_C:01-01",
        f"{CALLED}, expect accepted, send offer, wait ACCEPTED, expect verification, send agreement, "
        "wait VERIFIED, send finalized, read FINALIZED",
        "an event's type has a prefix",
    ),
    Row(
        "CN_C:01-02",
        f"{CALLED}, expect counter, send offer, wait REQUESTED, send termination, wait TERMINATED",
        "a counter-offer has a callbackAddress beside the provider's pid",
    ),
    Row(
        "CN_C:01-03",
        f"{CALLED}, expect termination, send offer, wait TERMINATED, read TERMINATED",
        "an offer is accepted where a termination is due",
    ),
    Row(
        "CN_C:01-04",
        f"{CALLED}, expect verification, send agreement, wait VERIFIED, send finalized, read FINALIZED",
        "a verification has its pids exchanged",
    ),
    Row("CN_C:02-01", f"{CALLED}, send termination, wait TERMINATED, read TERMINATED", "a termination is applied and answered with 500"),
    Row("CN_C:02-02", f"{CALLED}, expect termination, wait TERMINATED, read TERMINATED", "a request stands although its end is due"),
    Row(
        "CN_C:02-03",
        f"{CALLED}, expect termination, send agreement, wait TERMINATED, read TERMINATED",
        "an agreement is verified where a termination is due",
    ),
    Row(
        "CN_C:02-04",
        f"{CALLED}, send offer, wait OFFERED, read OFFERED, send termination, wait TERMINATED, read TERMINATED",
        "a consumer's negotiation cannot be read",
    ),
    Row(
        "CN_C:02-05",
        f"{CALLED}, expect accepted, send offer, wait ACCEPTED, send termination, wait TERMINATED, read TERMINATED",
        "an event's context is a string",
    ),
    Row(
        "CN_C:02-06",
        f"{CALLED}, expect verification, send agreement, wait VERIFIED, send termination, read TERMINATED",
        "a termination of what is verified is acknowledged and forgotten",
    ),
    Row("CN_C:03-01", f"{CALLED}, refused finalized, read REQUESTED", "a request can be finalized"),
    Row(
        "CN_C:03-02",
        f"{CALLED}, send offer, wait OFFERED, read OFFERED, refused agreement, read OFFERED",
        "an agreement is refused and changes the state all the same",
    ),
    Row("CN_C:03-03", f"{CALLED}, send offer, wait OFFERED, refused finalized, read OFFERED", "finalizing an offer is answered with 404"),
    Row(
        "CN_C:03-04",
        f"{CALLED}, expect accepted, send offer, wait ACCEPTED, refused finalized, read ACCEPTED",
        "finalizing an accepted offer is answered with 500",
    ),
    Row(
        "CN_C:03-05",
        f"{CALLED}, expect accepted, send offer, wait ACCEPTED, refused offer, read ACCEPTED",
        "an offer after acceptance is acknowledged",
    ),
    Row(
        "CN_C:03-06",
        f"{CALLED}, expect accepted, send offer, wait ACCEPTED, send agreement, wait AGREED, refused finalized, read AGREED",
        "an agreement is verified at once where nothing is due",
    ),
    # --- transfer, the node is the provider
    Row("TP:01-01", f"{STARTED}, expect termination, wait TERMINATED, read TERMINATED", "a start has an empty data address"),
    Row("TP:01-02", f"{STARTED}, expect completion, wait COMPLETED, read COMPLETED", "a transfer stays started although its end is due"),
    Row(
        "TP:01-03",
        f"{STARTED}, expect suspension, wait SUSPENDED, expect termination, wait TERMINATED, read TERMINATED",
        "a start has an empty list of endpoint properties",
    ),
    Row(
        "TP:01-04",
        f"{STARTED}, expect suspension, wait SUSPENDED, expect start, wait STARTED, expect completion, wait COMPLETED, read COMPLETED",
        "a resumed transfer is suspended again where it is to complete",
    ),
    Row("TP:01-05", "expect termination, send request, wait TERMINATED, read TERMINATED", "a transfer starts where a termination is due"),
    Row("TP:02-01", f"{SEEN_STARTED}, {ENDED}", "the state that is read is the one before"),
    Row("TP:02-02", f"{SEEN_STARTED}, {COMPLETED}", "a consumer may not complete"),
    Row("TP:02-03", f"{SEEN_STARTED}, {SUSPENDED}, {ENDED}", "a suspension is acknowledged and forgotten"),
    Row(
        "TP:02-04",
        f"{SEEN_STARTED}, send suspension, wait SUSPENDED, pause, read SUSPENDED, send bare-start, wait STARTED, read STARTED, {COMPLETED}",
        "a consumer may not resume",
    ),
    Row("TP:02-05", f"{ASKED}, {ENDED}", "the acknowledgement has its pids exchanged"),
    Row("TP:03-01", f"{ASKED}, refused completion, wait REQUESTED, read REQUESTED", "completing a request is acknowledged"),
    Row("TP:03-02", f"{ASKED}, refused suspension, wait REQUESTED, read REQUESTED", "suspending a request is answered with 404"),
    Row(
        "TP:03-03",
        f"{SEEN_STARTED}, {SUSPENDED}, refused completion, wait SUSPENDED, read SUSPENDED",
        "what is suspended can be completed",
    ),
    Row("TP:03-04", f"{SEEN_STARTED}, {ENDED}, refused bare-start, {STILL_TERMINATED}", "a terminated transfer can be started"),
    Row("TP:03-05", f"{SEEN_STARTED}, {ENDED}, refused suspension, {STILL_TERMINATED}", "suspending what is over is answered with 503"),
    Row(
        "TP:03-06",
        f"{SEEN_STARTED}, {ENDED}, refused completion, {STILL_TERMINATED}",
        "completing what is over is refused and changes the state all the same",
    ),
    # --- transfer, the node is the consumer
    Row("TP_C:01-01", f"{CALLED}, {NODE_STARTED}, {ENDED}", "a consumer's transfer cannot be read"),
    Row("TP_C:01-02", f"{CALLED}, {NODE_STARTED}, {COMPLETED}", "a provider's completion is answered with 404"),
    Row("TP_C:01-03", f"{CALLED}, {NODE_STARTED}, {SUSPENDED}, {ENDED}", "a suspension is applied and answered with 500"),
    Row("TP_C:01-04", f"{CALLED}, {NODE_STARTED}, {SUSPENDED}, {NODE_STARTED}, {COMPLETED}", "a second start counts as a repetition"),
    Row("TP_C:01-05", f"{CALLED}, {ENDED}", "a transfer request's callbackAddress lacks the base path"),
    Row(
        "TP_C:02-01",
        f"{CALLED}, expect termination, send start, wait TERMINATED, read TERMINATED",
        "a started transfer is completed where a termination is due",
    ),
    Row(
        "TP_C:02-02",
        f"{CALLED}, expect completion, send start, wait COMPLETED, read COMPLETED",
        "a completion lacks the provider's pid",
    ),
    Row(
        "TP_C:02-03",
        f"{CALLED}, expect suspension, send start, wait SUSPENDED, expect termination, wait TERMINATED, read TERMINATED",
        "what is suspended stays so although its end is due",
    ),
    Row(
        "TP_C:02-04",
        f"{CALLED}, expect suspension, send bare-start, wait SUSPENDED, expect start, wait STARTED, expect completion, "
        "wait COMPLETED, read COMPLETED",
        "a resumption never leaves",
    ),
    Row("TP_C:02-05", f"{CALLED}, expect termination, wait TERMINATED, read TERMINATED", "a transfer request lacks its format"),
    Row("TP_C:03-01", f"{SEEN_CALLED}, refused completion, wait REQUESTED, read REQUESTED", "a provider completes a request, acknowledged"),
    Row("TP_C:03-02", f"{SEEN_CALLED}, refused suspension, wait REQUESTED, read REQUESTED", "a request can be suspended"),
    Row(
        "TP_C:03-03",
        f"{SEEN_CALLED}, {NODE_STARTED}, {SUSPENDED}, refused completion, wait SUSPENDED, read SUSPENDED",
        "completing what is suspended is answered with 404",
    ),
    Row(
        "TP_C:03-04",
        f"{SEEN_CALLED}, {NODE_STARTED}, {ENDED}, refused bare-start, {STILL_TERMINATED}",
        "a provider starts what is over",
    ),
    Row(
        "TP_C:03-05",
        f"{SEEN_CALLED}, {NODE_STARTED}, {ENDED}, refused suspension, {STILL_TERMINATED}",
        "a provider suspends what is over, answered with 503",
    ),
    Row(
        "TP_C:03-06",
        f"{SEEN_CALLED}, {NODE_STARTED}, {ENDED}, refused completion, {STILL_TERMINATED}",
        "a transfer is gone after a message that is refused",
    ),
)
