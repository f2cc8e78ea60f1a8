"""What a node keeps as evidence: timelines, decisions, the audit chain, what was received.

Part of `connector.records`, which is where to import these from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

Json = dict[str, Any]
Keys = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a process's timeline; `id` is `<process>/<number>`."""

    kind: ClassVar[str] = "step"
    id: str
    version: int = 0
    process: str
    at: datetime
    direction: str  # in | out | here
    message: str
    state: str  # after the step
    size: int = 0  # bytes of the body
    code: str = ""
    reason: tuple[str, ...] = ()  # as the sender of the message wrote it; foreign when direction is "in"
    decision: str = ""

    def keys(self) -> Keys:
        return {"process": self.process}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why something was decided: the policy, the facts by value, the verdict as a tree.  Erasable after 400 days."""

    kind: ClassVar[str] = "decision"
    id: str  # "d-" and random characters
    version: int = 0
    at: datetime
    about: str  # "negotiation urn:uuid:..." | "pull ..." | "catalog ..."
    peer: str
    question: str  # contract policy | access policy | grant | agreement ...
    outcome: str  # yes | no | undecided
    code: str
    reasons: tuple[str, ...]
    policy: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)
    tree: Json = field(default_factory=dict)
    agreed: datetime | None = None  # when the agreement that was judged began; durations count from it

    def keys(self) -> Keys:
        return {"peer": self.peer, "about": self.about}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of a writer's chain: `hash` = SHA-256 over the canonical entry that quotes `prev`."""

    writer: str
    seq: int
    prev: str
    at: datetime
    event: str  # negotiation.state, transfer.state, decision, pull, agreement.retired, view.offered ...
    subject: str
    data: Json
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An audit entry to be: the store gives it writer, number, link and time."""

    event: str
    subject: str
    data: Json = field(default_factory=dict)
    beside: Json = field(default_factory=dict)  # for the log and the metrics only; never chained


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The last backup that somebody has written and checked; there is one record, `last`."""

    kind: ClassVar[str] = "backup"
    id: str
    version: int = 0
    at: datetime
    size: int
    sha256: str  # of the whole file
    with_keys: bool

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a pull brought: one part (or document) of one battery under one agreement."""

    kind: ClassVar[str] = "received"
    id: str  # "<agreement>|<battery>|<part or document id>"
    version: int = 0
    agreement: str
    peer: str
    battery: str
    part: str  # part key, or "document"
    document: Json = field(default_factory=dict)  # id, kind, title, media_type, filename of ours
    size: int
    sha256: str  # the bytes are the blob of this name
    at: datetime
    receipt: str = ""
    revision: str = ""

    def keys(self) -> Keys:
        return {"agreement": self.agreement, "battery": self.battery, "peer": self.peer}
