"""`saltbridge transfer`: transfers, followed and steered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.text import short

from . import complete, table, timeline
from .client import Client, part
from .table import Column, instant, show_id

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="A transfer: any unique beginning of its id.", autocompletion=complete.transfers)]
Reason = Annotated[str, typer.Option("--reason", help="What the other side will read.")]

TRANSFERS = (
    Column("id", "ID", show_id),
    Column("peer", "PEER"),
    Column("side", "WE ARE"),
    Column("agreement", "AGREEMENT", show_id),
    Column("state", "STATE"),
    Column("code", ""),
    Column("changed", "CHANGED", instant),
)


@app.callback()
def transfer() -> None:
    """Follow and steer transfers."""


@app.command("list")
def list_(
    peer: Annotated[str, typer.Option("--peer", help="Only with this peer.", autocompletion=complete.peers)] = "",
    agreement: Annotated[str, typer.Option("--agreement", help="Only under this agreement.")] = "",
    json: table.Json = False,
) -> None:
    """List transfers, the latest first.

    Example: saltbridge transfer list --peer maker
    """
    rows = Client.from_home().get("/transfers", peer=peer, agreement=agreement)
    table.print_json(rows) if json else table.table(rows, TRANSFERS, empty="none yet")


@app.command()
def show(id: Id, json: table.Json = False) -> None:
    """Show one transfer.

    Example: saltbridge transfer show 51f0
    """
    shown = Client.from_home().get(f"/transfers/{part(id)}")
    if json:
        table.print_json(shown)
        return
    table.fields(
        [
            ("transfer", shown["id"]),
            ("with", f"{shown['peer']} · {shown['peer_id']}"),
            ("we are", shown["side"]),
            ("agreement", shown["agreement"]),
            ("format", shown["format"]),
            ("state", shown["state"]),
            ("suspended by", shown["suspended_by"]),
            ("why", " · ".join([shown["code"], *shown["reason"]]).strip(" ·")),
            ("data at", shown["endpoint"]),
            ("opened", instant(shown["opened"])),
            ("changed", instant(shown["changed"])),
        ]
    )


@app.command("timeline")
def timeline_(id: Id, json: table.Json = False) -> None:
    """Show every message with its time, direction, state, size and reason.

    Example: saltbridge transfer timeline 51f0
    """
    timeline.show(Client.from_home().get(f"/transfers/{part(id)}/timeline"), json=json)


@app.command()
def request(
    agreement: Annotated[str, typer.Argument(help="An agreement of yours: any unique beginning of its id.")], json: table.Json = False
) -> None:
    """Ask the provider to start a transfer (pull does this for you).

    Example: saltbridge transfer request 9a2b
    """
    _done(Client.from_home().post("/transfers", {"agreement": agreement}), json)


@app.command()
def suspend(id: Id, reason: Reason = "", json: table.Json = False) -> None:
    """Pause a started transfer.

    Example: saltbridge transfer suspend 51f0 --reason "maintenance until noon"
    """
    _move(id, "suspend", reason, json)


@app.command()
def resume(id: Id, json: table.Json = False) -> None:
    """Go on with a transfer that we suspended.

    Example: saltbridge transfer resume 51f0
    """
    _move(id, "resume", "", json)


@app.command("complete")
def complete_(id: Id, json: table.Json = False) -> None:
    """Say that a transfer is done.

    Example: saltbridge transfer complete 51f0
    """
    _move(id, "complete", "", json)


@app.command()
def terminate(id: Id, reason: Reason = "", yes: table.Yes = False, json: table.Json = False) -> None:
    """End a transfer for good; the agreement stands.

    Example: saltbridge transfer terminate 51f0 --reason "wrong battery"
    """
    table.confirm(f"End transfer {id}? It cannot be resumed.", yes=yes)
    _move(id, "terminate", reason, json)


def _move(id: str, verb: str, reason: str, json: bool) -> None:
    _done(Client.from_home().post(f"/transfers/{part(id)}/{verb}", {"reason": reason}), json)


def _done(process: dict[str, Any], json: bool) -> None:
    if json:
        table.print_json(process)
    else:
        table.say(f"{short(process['id'])} · {process['peer']} · {process['state']}")
