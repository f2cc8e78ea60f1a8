"""What a node does by the clock: a few jobs, each due again some time after it ended, run one after the other by one task.

Times come from the node's clock.  A job that the world keeps from succeeding is logged and due again as usual.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector import log
from connector.errors import SaltbridgeError
from connector.ports import Clock

GLANCE = 30.0  # seconds between two looks at the clock: it may be set meanwhile


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, how often, and how long after the start for the first time."""

    name: str
    do: Callable[[], Awaitable[object]]
    every: timedelta
    first: timedelta = timedelta()


async def run(clock: Clock, jobs: Sequence[Job], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Do what is due, until cancelled."""
    began = clock.now()
    due = {job.name: began + job.first for job in jobs}
    while True:
        for job in jobs:
            if clock.now() >= due[job.name]:
                await _do(job)
                due[job.name] = clock.now() + job.every
        await sleep(_pause(clock.now(), min(due.values())))


async def _do(job: Job) -> None:
    try:
        await job.do()
    except SaltbridgeError as error:
        log.event("upkeep.failed", logging.WARNING, job=job.name, what=error.what, why=error.why, next=error.next)


def _pause(now: datetime, due: datetime) -> float:
    return min(GLANCE, max(0.1, (due - now).total_seconds()))
