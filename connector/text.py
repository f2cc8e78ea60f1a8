"""Text for people: foreign words made harmless, instants, sizes and durations with units, ids made short.

Used by the command line, the log and the operator's functions alike; imports only the standard library, so
that `saltbridge --help` stays instant.  It knows no terminal and no record.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

LIMIT = 2048  # characters of foreign text that are kept (decisions.md, *Foreign text*)

# Cc control (escape among them), Cf format (bidi, zero width), Cs surrogate, Co private, Zl and Zp separators.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_DIGEST = re.compile(r"(?<=[.:])([\w-]{8})[\w-]{35}(?![\w-])", re.ASCII)


def clean(text: object, limit: int = LIMIT) -> str:
    """`text` on one line, safe to print: control, bidi and escape characters replaced, at most `limit` characters.

    Line breaks and tabs become a space; everything else that could move a cursor, reorder or hide text
    becomes U+FFFD, so that a reader sees that something was there.
    """
    whole = str(text)
    if len(whole) <= limit and whole.isprintable():  # printable is narrower than harmless: nothing to replace
        return whole
    cut = whole[:limit]
    kept = "".join(_harmless(char) for char in cut)
    return kept[:-1] + "…" if len(whole) > limit else kept


def _harmless(char: str) -> str:
    if char in "\n\r\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _HARMFUL else char


def size(count: int) -> str:
    """A number of bytes with its unit: `812 B`, `14.2 kB`, `1.3 MB` (powers of 1000)."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95 or unit == "GB":
            return f"{value:.1f} {unit}"
    raise AssertionError  # pragma: no cover - the loop always returns


def duration(seconds: float) -> str:
    """A span with its unit: `9 ms`, `0.4 s`, `12 s`, `3 min`, `5 h`, `12 days`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def utc(instant: datetime) -> str:
    """An instant as JSON has it: `2026-11-24T22:36:00.123Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(instant: datetime | str) -> str:
    """An instant as a person reads it: local time with its offset, to the second."""
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def brief(text: str) -> str:
    """Text in which a digest of a view (43 characters after `.` or `:`) is told by its first eight: `model.EV-72.S7_RfIfX…`."""
    return _DIGEST.sub(r"\1…", text)


def short(id: str) -> str:
    """The part of an id that a person types: eight characters of a process id, other ids whole and clean."""
    return id.removeprefix("urn:uuid:")[:8] if id.startswith("urn:uuid:") else clean(id, 120)
