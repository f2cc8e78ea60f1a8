"""Records at hand for a process that is alone on a shared database, and none from the moment it is not.

Only the sole writer of a database knows how records stand without asking.  So a process holds an advisory lock alone, or
shares it with the others; a second process waits at the start until the first has heard that it is no longer alone and has
let go of everything it had at hand.  Whoever loses its session begins with nothing.

What belongs to a passport is not kept: its records are read together and have to be of one moment (`snapshots`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from .recent import Place, Recent
from .work import Put, Work

TOGETHER = frozenset({"model", "battery", "layer", "document"})


class AtHand:
    """What a process may answer from memory: all it read or wrote last while it is alone, nothing otherwise."""

    def __init__(self) -> None:
        self._recent = Recent()
        self._written: Counter[str] = Counter()  # by kind
        self._times = 0  # that we came to be alone
        self.alone = False
        self.epoch = 0  # grows with everything that may make a record that was just read an old one

    def begin(self) -> None:
        """We are alone from now on."""
        self.end()
        self._times += 1
        self.alone = True

    def end(self) -> None:
        """Somebody else may write, or we do not know."""
        self.alone = False
        self.epoch += 1
        self._recent = Recent()

    def committed(self, works: Iterable[Work]) -> None:
        """These have just been written."""
        if not self.alone:
            return
        self.epoch += 1
        for write in (write for work in works for write in work.writes):
            self._written[write.kind.kind] += 1
            if isinstance(write, Put):
                self._hold((write.kind.kind, write.id), write.record)
            else:
                self._recent.drop((write.kind.kind, write.id))

    def generation(self, kinds: Iterable[str]) -> int | None:
        """Grows with each write of these kinds; None while others may write.  What was not ours to see begins a new count."""
        return (self._times << 48) + sum(self._written[kind] for kind in kinds) if self.alone else None

    def window(self) -> Window:
        return Window(self)

    def get(self, place: Place) -> Any:
        return self._recent.get(place)

    def hold(self, place: Place, record: Any, epoch: int) -> None:
        """It was read in this epoch; if anything was written since, nobody knows whether it still stands so."""
        if self.alone and epoch == self.epoch:
            self._hold(place, record)

    def _hold(self, place: Place, record: Any) -> None:
        if place[0] not in TOGETHER:
            self._recent.hold(place, record)


class Window:
    """`work.Memory` of one unit of work."""

    def __init__(self, at_hand: AtHand) -> None:
        self._at_hand = at_hand
        self._epoch = at_hand.epoch

    def get(self, place: Place) -> Any:
        return self._at_hand.get(place)

    def hold(self, place: Place, record: Any) -> None:
        self._at_hand.hold(place, record, self._epoch)
