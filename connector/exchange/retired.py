"""An agreement that was ended: one code and one sentence, at every door that says so, and how a peer's words are read back.

Only the operator's own reason is kept; what frames it is ours to say, here and at the other side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from connector.records import Agreement
from connector.text import duration

RETIRED = "agreement.retired"
NEXT = "Negotiate a new one."

_SENTENCE = re.compile(r"Agreement retired by .*? ago(?:: (?P<why>.*))?\.", re.DOTALL)


def sentence(agreement: Agreement, by: str, now: datetime) -> str:
    """`Agreement retired by maker 0.2 s ago: the demo is over.`; `by` is who ended it, as the reader knows them."""
    ago = max(0.0, (now - (agreement.retired or now)).total_seconds())
    why = f": {agreement.retired_why.rstrip('. ')}" if agreement.retired_why.strip(". ") else ""
    return f"Agreement retired by {by} {duration(ago)} ago{why}."


def own_reason(said: str) -> str:
    """What the operator gave as the reason, out of a peer's `sentence`; words of another form are the reason themselves."""
    found = _SENTENCE.fullmatch(said)
    return (found["why"] or "") if found else said


def ending(by: str, why: str) -> list[str]:
    """The reason strings of a termination: what, the operator's own reason if there is one, next."""
    return [f"Agreement retired by {by}.", *([why] if why else []), NEXT]


def reason_of(ending: Sequence[str]) -> str:
    """The operator's own reason in such strings, or in those of a refusal; a peer that writes a single one means it."""
    return own_reason("; ".join(ending[1:-1] if len(ending) > 1 else ending))
