"""The clock's jobs: due at the node's time, again after they ended, and none is lost when one fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import Unavailable
from connector.upkeep import GLANCE, Job, run


class Ended(Exception):
    """The test has seen enough."""


class Clock:
    """Moves by what is slept."""

    def __init__(self, until: timedelta) -> None:
        self.began = self.at = datetime(2026, 11, 24, 12, tzinfo=UTC)
        self.until = self.began + until
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += timedelta(seconds=seconds)
        if self.at > self.until:
            raise Ended


async def done(clock: Clock, *jobs: tuple[str, timedelta, timedelta], failing: str = "") -> list[tuple[str, float]]:
    """What was done, and after how many hours."""
    seen: list[tuple[str, float]] = []

    def job(name: str) -> Job:
        async def do() -> None:
            seen.append((name, round((clock.at - clock.began) / timedelta(hours=1), 1)))
            if name == failing:
                raise Unavailable("The database cannot be used just now.")

        return Job(name, do, *next(rest for known, *rest in jobs if known == name))

    with pytest.raises(Ended):
        await run(clock, [job(name) for name, *_ in jobs], clock.sleep)
    return seen


async def test_a_job_is_done_first_when_it_says_and_then_at_its_distance() -> None:
    clock = Clock(timedelta(hours=25))
    seen = await done(clock, ("tidy", timedelta(hours=24), timedelta()), ("cards", timedelta(hours=12), timedelta(hours=1)))
    assert seen == [("tidy", 0.0), ("cards", 1.0), ("cards", 13.0), ("tidy", 24.0), ("cards", 25.0)]


async def test_a_clock_that_is_set_forward_is_seen_within_a_glance() -> None:
    clock = Clock(timedelta(hours=1))
    await done(clock, ("tidy", timedelta(hours=24), timedelta()))
    assert set(clock.pauses) == {GLANCE}


async def test_a_job_that_fails_is_due_again_and_keeps_no_other_from_its_turn() -> None:
    clock = Clock(timedelta(hours=3))
    seen = await done(clock, ("tidy", timedelta(hours=2), timedelta()), ("cards", timedelta(hours=2), timedelta()), failing="tidy")
    assert [name for name, _ in seen] == ["tidy", "cards"] * 2
