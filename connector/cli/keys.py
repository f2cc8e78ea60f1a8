"""`saltbridge keys`: this node's signing key, and its rotation."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from connector.text import duration

from . import table
from .client import Client
from .table import instant

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Show and rotate the key that this node signs with."""


@app.command()
def show(json: table.Json = False) -> None:
    """Show the signing key: fingerprint, age, and the next one when it is announced.

    Example: saltbridge keys show
    """
    told = Client.from_home().get("/keys")
    if json:
        table.print_json(told)
        return
    table.fields(
        [
            ("fingerprint", told["fingerprint"]),
            ("made", f"{instant(told['made'])} · to be rotated in {told['days_left']:.0f} days"),
            ("next", told["next_fingerprint"]),
            ("announced", instant(told["announced"]) if told["announced"] else ""),
        ]
    )


@app.command()
def rotate(yes: table.Yes = False, json: table.Json = False) -> None:
    """Sign with the announced key from now on.

    A peer that has not read the card since the announcement will refuse this node until it does.

    Example: saltbridge keys rotate
    """
    client = Client.from_home()
    told = client.get("/keys")
    if told["announced"]:
        since = (datetime.now(UTC) - datetime.fromisoformat(told["announced"])).total_seconds()
        question = f"Sign with {told['next_fingerprint']}, announced {duration(since)} ago? Peers read a card every 12 hours."
        table.confirm(question, yes=yes)
    done = client.post("/keys/rotate")
    if json:
        table.print_json(done)
        return
    table.say(f"signing with {done['fingerprint']}")
    table.note(f"The key before ({done['was'][:9]}…) is gone. Data tokens have a key of their own: what was started goes on.")
