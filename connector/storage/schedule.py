"""When letters may be taken: due times and leases of the one process that serves an embedded store.  Pure; no I/O, no clock.

A lease lives here and not in the file: it dies with its process, so a restarted node takes over at once what a killed one
had in hand, and taking a letter costs no disk write.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable


class Schedule:
    """Letters by the moment they are free (microseconds): their due time, or the end of their lease if that is later."""

    def __init__(self, due: Iterable[tuple[str, int]] = ()) -> None:
        self._due: dict[str, int] = {}
        self._free_at: dict[str, int] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._number = 0
        for letter, at in due:
            self.free(letter, at)

    def free(self, letter: str, due: int) -> None:
        """The letter is nobody's, due at a time."""
        self._due[letter] = due
        self._move(letter, due)

    def lease(self, letter: str, due: int, until: int) -> None:
        """The letter is somebody's until a time."""
        self._due[letter] = due
        self._move(letter, max(due, until))

    def replace(self, letter: str, due: int) -> None:
        """The letter is nobody's and due at another time; a letter that is gone stays gone."""
        if letter in self._due:
            self.free(letter, due)

    def release(self, letter: str) -> None:
        """End a lease; a letter that is gone stays gone."""
        if letter in self._due:
            self._move(letter, self._due[letter])

    def drop(self, letter: str) -> None:
        """The letter is gone."""
        self._due.pop(letter, None)
        self._free_at.pop(letter, None)

    def take(self, now: int, until: int, limit: int) -> list[str]:
        """At most `limit` letters that are free now, oldest first; they are leased until a time."""
        taken: list[str] = []
        while len(taken) < limit and (first := self.first()) is not None and first <= now:
            letter = heapq.heappop(self._heap)[2]
            taken.append(letter)
            del self._free_at[letter]
        for letter in taken:
            self._move(letter, until)
        return taken

    def first(self) -> int | None:
        """When the next letter is free; None when there is none."""
        while self._heap:
            at, _, letter = self._heap[0]
            if self._free_at.get(letter) == at:
                return at
            heapq.heappop(self._heap)  # left behind by a move or a drop
        return None

    def _move(self, letter: str, at: int) -> None:
        if self._free_at.get(letter) == at:
            return
        self._free_at[letter] = at
        self._number += 1  # equal times come out in the order they went in
        heapq.heappush(self._heap, (at, self._number, letter))
