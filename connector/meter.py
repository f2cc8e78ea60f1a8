"""What this process has done, as numbers: counted from committed notes and answered requests, kept in memory.

Labels come from closed lists, whatever a peer sends: no value of a passport, no battery, no participant can become one.
Knows no HTTP and no metrics format (`connector.http.metrics` writes it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from connector.codes import BETWEEN
from connector.records import Note

OTHER = "other"

REASONS = frozenset(BETWEEN)  # what we say ourselves; a peer's own codes count as `other`
QUESTIONS = frozenset({"contract policy", "access policy", "agreed policy", "terms", "grant", "agreement", "transfer", "identity"})


class Family(NamedTuple):
    """A counter: what it counts, and by what."""

    help: str
    labels: tuple[str, ...] = ()


COUNTERS: Mapping[str, Family] = {
    "negotiation_changes": Family("Changes of state of negotiations.", ("side", "state", "reason")),
    "transfer_changes": Family("Changes of state of transfers.", ("side", "state", "reason")),
    "decisions": Family("Decisions on record.", ("question", "outcome", "reason")),
    "pulls": Family("Pulls by consumers, served or refused.", ("outcome", "reason")),
    "pulled_elements": Family("Elements that left in pulls."),
    "pulled_documents": Family("Documents granted in pulls."),
    "pulled_bytes": Family("Bytes that left in pulls."),
    "withheld_elements": Family("Elements and documents that stayed behind in pulls, by their class in Annex XIII.", ("class",)),
    "received_pulls": Family("Pulls of ours that were checked and kept."),
    "requests": Family("Requests answered.", ("listener", "family", "status")),
}


class Meter:
    """Counts; `counts[name][labels]`."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[tuple[str, ...]]] = {name: Counter() for name in COUNTERS}

    def add(self, name: str, *labels: str, by: int = 1) -> None:
        self.counts[name][labels] += by

    def hear(self, note: Note) -> None:
        """Count a committed note; most kinds of notes are not counted."""
        count = _HEARD.get(note.event)
        if count is not None:
            count(self, note)


def reason(code: str) -> str:
    """A code as a label: itself when it is one of ours, `other` for a peer's, empty for none."""
    return code if not code or code in REASONS else OTHER


def _state(meter: Meter, note: Note) -> None:
    name = f"{note.event.partition('.')[0]}_changes"
    meter.add(name, str(note.data["side"]), str(note.data["to"]), reason(str(note.beside.get("code", ""))))


def _decision(meter: Meter, note: Note) -> None:
    question, outcome, code = (str(note.data[name]) for name in ("question", "outcome", "code"))
    meter.add("decisions", question if question in QUESTIONS else OTHER, outcome, reason(code))
    if outcome != "yes" and str(note.data["about"]).startswith("pull "):
        meter.add("pulls", "refused", reason(code))


def _pull(meter: Meter, note: Note) -> None:
    meter.add("pulls", "served", "")
    for name in ("elements", "documents", "bytes"):
        meter.add(f"pulled_{name}", by=int(note.data[name]))
    for audience, count in note.beside.get("withheld", {}).items():
        meter.add("withheld_elements", audience, by=count)


def _received(meter: Meter, _: Note) -> None:
    meter.add("received_pulls")


_HEARD: Mapping[str, Callable[[Meter, Note], None]] = {
    "negotiation.state": _state,
    "transfer.state": _state,
    "decision": _decision,
    "pull": _pull,
    "received": _received,
}
