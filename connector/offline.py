"""What the command line does without a running node: keys and database of a new home, checks of files.

Imported when called, with its libraries imported later still: a check of a file must not start an HTTP framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any


def make_keys(folder: Path) -> None:
    """All keys of a new node; Misconfigured when there are some already."""
    from connector.identity import keys

    keys.create(folder)


def key_made(folder: Path) -> datetime:
    """When the signing key among a node's keys was made; Misconfigured when it cannot be used."""
    from connector.identity import keys, ring

    return ring.made(keys.load_key(folder / keys.DSP), folder / keys.DSP)


def make_database(path: Path) -> None:
    """An empty database at its newest schema."""
    from connector.ports import SystemClock
    from connector.storage.sqlite import open_sqlite

    async def make() -> None:
        await open_sqlite(str(path), SystemClock()).close()

    asyncio.run(make())


def look_at_server(url: str) -> str:
    """What stands behind a PostgreSQL URL, in a line; Misconfigured, saying why, when it cannot serve."""
    from connector.storage.steps import look

    return asyncio.run(look(url))


def look_at_backup(file: Path, home: Path) -> dict[str, Any]:
    """What restoring would do: {name, made, participant, replaces: what would be put aside, or ""}.

    Raises Malformed for what is no whole backup, Misconfigured for one that does not fit this home.
    """
    from connector import restoring

    plan = restoring.plan(file, home)
    replaces = asyncio.run(restoring.replaces(plan))
    return {"name": plan.manifest.name, "made": plan.manifest.made, "participant": plan.manifest.participant, "replaces": replaces}


def restore(file: Path, home: Path) -> dict[str, Any]:
    """Do it; {name, made, entries of the audit chain, keys: whose, kept: where the old database is}."""
    from connector import restoring

    return asyncio.run(restoring.restore(restoring.plan(file, home)))


def check_policy(text: str) -> list[dict[str, Any]]:
    """What is wrong with a policy file: line, what, next."""
    from policies.check import check_text

    return [{"line": each.line, "what": each.what, "next": each.next} for each in check_text(text)]


def verify_chain(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Whether audit entries, as `audit show --all --json` wrote them, form an unbroken chain; ValueError or KeyError for other rows."""
    from connector.records import AuditEntry
    from connector.storage.chain import verify

    entries = [AuditEntry(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]
    broken = verify(entries)
    return {
        "holds": broken is None,
        "entries": len(entries),
        "writer": entries[-1].writer if entries else "",
        "head": entries[-1].hash if entries else "",
        "break": {} if broken is None else {"writer": broken.writer, "seq": broken.seq, "why": broken.why},
    }


def check_passport(content: bytes, media_type: str, category: str, day: str) -> dict[str, Any]:
    """A folder (zipped), package or file judged as `passport check` tells it; Malformed when it cannot be read or judged."""
    from datetime import UTC

    from connector.operate import judging, passports

    batch = passports.read_upload(content, media_type)
    return judging.check_batch(batch, category, judging.day_of(day) if day else datetime.now(UTC).date())


def law(category: str, day: str) -> dict[str, Any]:
    """Who may see what of a passport of this category, as `passport matrix` tells it."""
    from datetime import UTC

    from connector.operate import judging

    return judging.law(category, judging.day_of(day) if day else datetime.now(UTC).date())
