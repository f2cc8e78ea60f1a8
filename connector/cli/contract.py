"""`saltbridge contract`: negotiations and agreements, followed and steered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connector.text import short

from . import complete, table, timeline
from .client import Client, part
from .negotiate import next_steps, read_terms
from .table import Column, instant, show_id

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(help="A negotiation or agreement: any unique beginning of its id.", autocompletion=complete.negotiations)
]
Reason = Annotated[str, typer.Option("--reason", help="What the other side will read.")]
Peer = Annotated[str, typer.Option("--peer", help="Only with this peer.", autocompletion=complete.peers)]

NEGOTIATIONS = (
    Column("id", "ID", show_id),
    Column("peer", "PEER"),
    Column("side", "WE ARE"),
    Column("title", "DATASET"),
    Column("state", "STATE"),
    Column("note", ""),
    Column("changed", "CHANGED", instant),
)
AGREEMENTS = (
    Column("id", "ID", show_id),
    Column("peer", "PEER"),
    Column("side", "WE ARE"),
    Column("title", "DATASET"),
    Column("terms", "TERMS"),
    Column("state", "STATE"),
    Column("signed", "SIGNED", instant),
)


@app.callback()
def contract() -> None:
    """Follow and steer negotiations and agreements."""


@app.command("list")
def list_(
    agreements: Annotated[bool, typer.Option("--agreements", help="Agreements instead of negotiations.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what waits for you.")] = False,
    peer: Peer = "",
    json: table.Json = False,
) -> None:
    """List negotiations, or agreements, the latest first.

    Example: saltbridge contract list --waiting
    """
    client = Client.from_home()
    rows = client.get("/agreements", peer=peer) if agreements else client.get("/negotiations", peer=peer, waiting=waiting)
    if json:
        table.print_json(rows)
        return
    rows = [row | {"note": _note(row)} for row in rows]
    nothing = "nothing waits for you" if waiting else "none yet · saltbridge catalog PEER shows what you could ask for"
    table.table(rows, AGREEMENTS if agreements else NEGOTIATIONS, empty=nothing)


@app.command()
def show(id: Id, json: table.Json = False) -> None:
    """Show one negotiation, its terms and its agreement.

    Example: saltbridge contract show 7c1e
    """
    shown = Client.from_home().get(f"/negotiations/{part(id)}")
    if json:
        table.print_json(shown)
        return
    table.fields(
        [
            ("negotiation", shown["id"]),
            ("with", f"{shown['peer']} · {shown['peer_id']}"),
            ("we are", shown["side"]),
            ("dataset", f"{shown['title']} · {shown['dataset']}"),
            ("terms", shown["terms"]),
            ("declared", shown["purpose"]),
            ("state", shown["state"]),
            ("waits", shown["why_waiting"]),
            ("agreement", f"{shown['agreement']} · {shown['agreement_state']}" if shown["agreement"] else ""),
            ("ended by", {"us": "us", "peer": shown["peer"]}.get(shown["by"], "") if shown["code"] or shown["reason"] else ""),
            ("why", " · ".join([shown["code"], *shown["reason"]]).strip(" ·")),
            ("decision", shown["decision"]),
            ("opened", instant(shown["opened"])),
            ("changed", instant(shown["changed"])),
        ]
    )


@app.command("timeline")
def timeline_(id: Id, json: table.Json = False) -> None:
    """Show every message with its time, direction, state, size and reason.

    Example: saltbridge contract timeline 7c1e
    """
    timeline.show(Client.from_home().get(f"/negotiations/{part(id)}/timeline"), json=json)


@app.command()
def approve(id: Id, yes: table.Yes = False, json: table.Json = False) -> None:
    """Say yes to a request that waits for you.

    Example: saltbridge contract approve 7c1e
    """
    client = Client.from_home()
    _ask(client, id, "Approve", yes)
    _done(client.post(f"/negotiations/{part(id)}/approve"), json)


@app.command()
def accept(id: Id, yes: table.Yes = False, json: table.Json = False) -> None:
    """Accept the offer that stands; accepting declares its purposes.

    Example: saltbridge contract accept 7c1e
    """
    client = Client.from_home()
    _ask(client, id, "Accept", yes)
    _done(client.post(f"/negotiations/{part(id)}/accept"), json)


@app.command()
def decline(id: Id, reason: Reason = "", yes: table.Yes = False, json: table.Json = False) -> None:
    """Say no to an offer or a request that waits for you.

    Example: saltbridge contract decline 7c1e --reason "we need 2028"
    """
    client = Client.from_home()
    _ask(client, id, "Decline", yes)
    _done(client.post(f"/negotiations/{part(id)}/decline", {"reason": reason}), json)


@app.command()
def counter(
    id: Id,
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="Only for this purpose (may be repeated).")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Other terms (ODRL rules, JSON).")] = None,
    yes: table.Yes = False,
    json: table.Json = False,
) -> None:
    """Answer the offer that stands with other terms.

    Example: saltbridge contract counter 7c1e --purpose dismantling
    """
    client = Client.from_home()
    _ask(client, id, "Counter", yes)
    body: dict[str, Any] = {"purpose": purpose or []}
    if policy is not None:
        body["offer"] = read_terms(policy)
    _done(client.post(f"/negotiations/{part(id)}/counter", body), json)


@app.command()
def terminate(id: Id, reason: Reason = "", yes: table.Yes = False, dry_run: table.DryRun = False, json: table.Json = False) -> None:
    """End a running negotiation, or retire a finished agreement; says which.

    Retiring is at once: the next pull under the agreement is refused.

    Example: saltbridge contract terminate 7c1e --reason "recalled"
    """
    client = Client.from_home()
    path = f"/negotiations/{part(id)}/terminate"
    would = client.post(path, {"reason": reason}, dry_run=True)
    what = f"{would['would']} with {would['peer']} about {would['title']}"
    transfers = len(would.get("transfers", []))
    what += f" and end {transfers} open transfer{'' if transfers == 1 else 's'}" if transfers else ""
    if dry_run:
        table.print_json(would) if json else table.say(f"would {what}")
        return
    table.confirm(f"{what[:1].upper()}{what[1:]}?", yes=yes)
    did = client.post(path, {"reason": reason})
    table.print_json(did) if json else table.say(f"{did['did']} with {did['peer']} about {did['title']}")


@app.command()
def propose(
    peer: Annotated[str, typer.Argument(help="A peer by name or id.", autocompletion=complete.peers)],
    dataset: Annotated[str, typer.Argument(help="One of your datasets: a view's name or an id.")],
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for an answer.")] = 2.0,
    json: table.Json = False,
) -> None:
    """Offer one of your datasets to a peer that did not ask.

    Example: saltbridge contract propose recycler dismantling
    """
    client = Client.from_home()
    _done(client.post("/negotiations", {"peer": peer, "dataset": dataset, "propose": True, "wait": wait}), json)


def _ask(client: Client, id: str, verb: str, yes: bool) -> None:
    if yes:
        return
    shown = client.get(f"/negotiations/{part(id)}")
    for why in shown["why_waiting"]:
        table.note(f"it waits because: {why}")
    table.confirm(f"{verb} {shown['title']} with {shown['peer']} ({shown['terms']})?", yes=yes)


def _done(process: dict[str, Any], json: bool) -> None:
    if json:
        table.print_json(process)
        return
    table.say(f"{short(process['id'])} · {process['peer']} · {process['title']} · {process['state']}")
    if process["state"] != "TERMINATED":
        for line in next_steps(process):
            table.note(line)


def _note(row: dict[str, Any]) -> str:
    if row.get("waits_for"):
        return "waits for you"
    return str(row.get("code") or "")
