"""Values kept at hand by key: bounded, and right only as long as the key says everything that the value depends on.

So nothing is ever invalidated here.  What a value depends on stands in its key (ids with their versions, digests), and what
nobody asks for any more makes room.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """At most `most` values; the one that was asked for longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        value = self._held.pop(key, None)
        if value is not None:
            self._held[key] = value
        return value

    def hold(self, key: K, value: V) -> V:
        """Keep a value, and hand it back."""
        self._held.pop(key, None)
        self._held[key] = value
        if len(self._held) > self._most:
            del self._held[next(iter(self._held))]
        return value

    def drop(self, key: K) -> None:
        """Nobody will ask for it any more."""
        self._held.pop(key, None)
