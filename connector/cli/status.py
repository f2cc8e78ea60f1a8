"""`saltbridge status`: the running node on one screen."""

from __future__ import annotations

from connector.text import duration

from . import table
from .client import Client


def status(json: table.Json = False) -> None:
    """Show how the running node is doing: what it holds, what runs, what waits for you.

    Example: saltbridge status
    """
    shown = Client.from_home().get("/status")
    if json:
        table.print_json(shown)
        return
    outbox = shown["outbox"]
    oldest = f", the oldest for {duration(outbox['oldest_seconds'])}" if outbox["letters"] else ""
    table.fields(
        [
            ("node", f"{shown['name']} · {shown['participant']}"),
            ("address", shown["dsp"]),
            ("holds", _counts({_plural(name, count): count for name, count in shown["holds"].items()})),
            ("negotiations", _counts(shown["negotiations"])),
            ("agreements", _counts(shown["agreements"])),
            ("transfers", _counts(shown["transfers"])),
            ("outbox", f"{outbox['letters']} letters{oldest}" if outbox["letters"] else "empty"),
            ("blocked", shown["blocked_peers"]),
            ("last backup", table.instant(shown["last_backup"]) if shown["last_backup"] else "never"),
        ]
    )
    waiting = shown["waits_for_operator"]
    if waiting:
        table.note(f"{len(waiting)} waiting for you: saltbridge contract list --waiting")


def _counts(counts: dict[str, int]) -> str:
    return " · ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _plural(noun: str, count: int) -> str:
    if noun == "received":
        return "received parts"
    return noun if count == 1 else "batteries" if noun == "battery" else f"{noun}s"
