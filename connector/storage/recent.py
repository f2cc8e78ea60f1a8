"""Records as they stand, in memory: what was read or written last, so that asking again costs neither SQL nor parsing.

Right only for a store that is the one writer of its data (a file under a lock): whoever owns it writes every commit
through, in the moment of the commit.  Records are frozen; nobody changes the JSON inside one, they put a new one.
"""

from __future__ import annotations

from typing import Any

Place = tuple[str, str]  # kind and id

MOST = 1024  # records: some ten kilobytes each, and every one is looked at by the garbage collector now and then
WRITTEN_ONCE = frozenset({"step", "decision", "opening", "received", "document", "layer"})  # found by key, or hardly ever asked for


class Recent:
    """At most `most` current records by kind and id; the one asked for longest ago goes first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: dict[Place, Any] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, place: Place) -> Any:
        """The record as committed, or None when it is not at hand (it may exist all the same)."""
        record = self._held.pop(place, None)
        if record is not None:
            self._held[place] = record
        return record

    def hold(self, place: Place, record: Any) -> None:
        """This is how the record stands now."""
        if place[0] in WRITTEN_ONCE:
            return
        self._held.pop(place, None)
        self._held[place] = record
        if len(self._held) > self._most:
            del self._held[next(iter(self._held))]

    def drop(self, place: Place) -> None:
        """The record is gone."""
        self._held.pop(place, None)

    def items(self) -> list[tuple[Place, Any]]:
        """All that is held, for whoever checks it against the data."""
        return list(self._held.items())
