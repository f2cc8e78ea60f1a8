"""Makes the same story give the same text: what differs from run to run is replaced by what does not.

Ids, keys and hashes become stand-ins of the same length, numbered by first appearance, so that an id that stands in
two places is the same in both.  Instants become one instant, durations `… ms`, ports those of the README.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

INSTANT = "2026-12-01 09:30:00 +0000"
ISO = "2026-12-01T09:30:00Z"
SPAN = r"\d+(?:\.\d+)? m?s\b"

_IDS = (  # (kind, pattern, how a stand-in is spelled); the longer forms first
    ("key", r"\b(?:[0-9a-f]{4}-){15}[0-9a-f]{4}\b", lambda digits: "-".join(re.findall("....", digits))),
    ("process", r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", None),
    ("hash", r"\b[0-9a-f]{64}\b", lambda digits: digits),
    ("decision", r"(?<=\bd-)[0-9a-f]{12}\b", lambda digits: digits[:12]),
    ("process", r"(?<![\w.-])[0-9a-f]{8}\b(?![-.])", lambda digits: digits[:8]),
)
_TIMES = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", INSTANT),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", ISO),
)
# A cell of a right-aligned column of durations, or its heading: its place depends on the longest value.
_CELL = re.compile(rf"^(?P<left>.*\S) {{2,}}(?P<cell>{SPAN}|AFTER|TOOK)(?P<rest> {{2,}}\S.*)?$")


class Steady:
    """One story's stand-ins.  `ports` maps a real port to the one shown, `words` any other text."""

    def __init__(self, ports: Mapping[int, int], words: Mapping[str, str]) -> None:
        self._ports = ports
        self._words = words
        self._numbers: dict[str, dict[str, int]] = {}

    def text(self, raw: str) -> str:
        """The text as every run gives it."""
        text = "\n".join(line.rstrip() for line in raw.splitlines())
        for real, shown in self._words.items():
            text = text.replace(real, shown)
        text = re.sub(r"(:|%3A|[Pp]ort )(\d{4})(?!\d)", self._port, text)
        for pattern, instead in _TIMES:
            text = re.sub(pattern, instead, text)
        for kind, pattern, spell in _IDS:
            text = re.sub(pattern, self._id(kind, spell or _uuid), text)
        return re.sub(rf"(?<![\d.]){SPAN}", "… ms", _aligned(text))

    def _port(self, found: re.Match[str]) -> str:
        return f"{found[1]}{self._ports.get(int(found[2]), int(found[2]))}"

    def _id(self, kind: str, spell: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def instead(found: re.Match[str]) -> str:
            seen = self._numbers.setdefault(kind, {})
            # A process is known by its first eight characters, which is how it is typed.
            number = seen.setdefault(found[0][:8] if kind == "process" else found[0], len(seen) + 1)
            return spell(hashlib.sha256(f"{kind} {number}".encode()).hexdigest())

        return instead


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _aligned(text: str) -> str:
    """Cells of durations at one column, whatever their lengths."""
    lines = text.splitlines()
    cells = {number: found for number, line in enumerate(lines) if (found := _CELL.match(line))}
    width = max((len(found["left"]) for found in cells.values()), default=0)
    for number, found in cells.items():
        shown = found["cell"] if found["cell"].isupper() else "… ms"
        lines[number] = f"{found['left']:<{width}}  {shown:>5}{found['rest'] or ''}"
    return "\n".join(lines)
