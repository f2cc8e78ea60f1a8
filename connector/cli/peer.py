"""`saltbridge peer`: other nodes - their cards and keys, and what we vouch for."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.errors import Malformed, PeerUnreachable
from connector.text import duration

from . import complete, table
from .client import Client, part
from .table import Column, instant

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A peer by name or id.", autocompletion=complete.peers)]

PEERS = (
    Column("name", "PEER"),
    Column("id", "PARTICIPANT"),
    Column("vouched", "WE VOUCH FOR"),
    Column("asks", "SAYS OF ITSELF"),
    Column("state", "STATE"),
)
LAYERS = (
    Column("layer", "LAYER"),
    Column("status", ""),
    Column("found", "FOUND"),
    Column("seconds", "TOOK", lambda value: duration(float(value)), right=True),
)


@app.callback()
def peer() -> None:
    """Know other nodes: cards, keys, claims."""


@app.command()
def card(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the card to a file.")] = None,
    next_key: Annotated[bool, typer.Option("--next", help="Announce the key that this node will sign with after a rotation.")] = False,
    json: table.Json = False,
) -> None:
    """Print this node's card, to give to another operator.

    Tell the fingerprint by another way: phone, paper.

    Example: saltbridge peer card > maker.json
    """
    client = Client.from_home()
    announced = client.post("/keys/next") if next_key else None
    told = client.get("/peers/card")
    text = jsonlib.dumps(told["card"], ensure_ascii=False, indent=2)
    if json:
        table.print_json(told)
    elif out is not None:
        out.write_text(text + "\n", encoding="utf-8")
        table.say(f"wrote {out}")
    else:
        print(text)
    table.note(f"fingerprint {told['fingerprint']}")
    if announced:
        table.note(f"next key    {announced['next_fingerprint']} (announced {instant(announced['announced'])})")
        table.note("Peers take it up when they read the card again: every 12 hours, or by saltbridge peer refresh.")
        table.note("next: saltbridge keys rotate")


@app.command()
def add(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="A card, or where the other node is.")],
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="As the other operator told you.")] = "",
    claim: Annotated[list[str] | None, typer.Option("--claim", help="Vouch for it, like role=recycler (may be repeated).")] = None,
    name: Annotated[str, typer.Option("--name", help="What to call it here.")] = "",
    data_origin: Annotated[list[str] | None, typer.Option("--data-origin", help="Another origin where its data may lie.")] = None,
    confirm_key: Annotated[bool, typer.Option("--confirm-key", help="Take the new key of a known peer.")] = False,
    json: table.Json = False,
) -> None:
    """Trust another node once, by its fingerprint; without one it is shown and asked.

    Giving --claim again replaces what you vouched for. A changed key blocks the peer until confirmed.

    Example: saltbridge peer add recycler.json --fingerprint 9f2c-... --claim role=recycler
    """
    client = Client.from_home()
    seen = _look(client, source)
    body: dict[str, Any] = {"card": seen["card"], "fingerprint": fingerprint, "name": name, "confirm_key": confirm_key}
    if claim is not None:
        body["claims"] = claims(claim)
    if data_origin is not None:
        body["data_origins"] = data_origin
    if not fingerprint:
        _show_card(seen)
        table.confirm("Is this the fingerprint that its operator told you?", yes=False)
        body["fingerprint"] = seen["fingerprint"]
    if seen["key"] == "changed" and not confirm_key and not fingerprint:
        table.note(f"THE KEY HAS CHANGED: so far it was {seen['known_fingerprint']}")
        body["confirm_key"] = typer.confirm("Trust the new key?", err=True)
    added = client.post("/peers", body)
    if json:
        table.print_json(added)
    elif added["blocked"]:
        table.say(f"{added['name']} is blocked: {added['blocked']}")
    else:
        verb = "added" if added["new"] else "changed" if added["changed"] else "unchanged"
        table.say(f"{verb} {added['name']} · {added['id']} · we vouch for {_spelled(added['claims']) or 'nothing'}")
    if added["blocked"]:
        table.note(f"next: saltbridge peer add {source} --fingerprint ... --confirm-key, or: saltbridge peer remove {added['name']}")
        raise typer.Exit(1)
    table.note(f"next: saltbridge peer ping {added['name']}")


@app.command("list")
def list_(json: table.Json = False) -> None:
    """List the peers, what we vouch for and what they say of themselves.

    Example: saltbridge peer list
    """
    rows = Client.from_home().get("/peers")
    if json:
        table.print_json(rows)
        return
    rows = [
        row | {"vouched": _spelled(row["claims"]), "asks": _spelled(row["wishes"]), "state": "blocked" if row["blocked"] else "trusted"}
        for row in rows
    ]
    table.table(rows, PEERS, empty="none yet · saltbridge peer add FILE|URL")


@app.command()
def show(name: Name, json: table.Json = False) -> None:
    """Show one peer: key, addresses, claims, and what runs with it.

    Example: saltbridge peer show maker
    """
    shown = Client.from_home().get(f"/peers/{part(name)}")
    if json:
        table.print_json(shown)
        return
    table.fields(
        [
            ("peer", f"{shown['name']} · {shown['id']}"),
            ("address", shown["address"]),
            ("origins", [*shown["origins"], *shown["data_origins"]]),
            ("fingerprint", shown["fingerprint"]),
            ("next key", f"{shown['next_fingerprint']} (announced)" if shown["next_fingerprint"] else ""),
            ("we vouch for", _spelled(shown["claims"]) or "nothing"),
            ("it says", _spelled(shown["wishes"])),
            ("blocked", shown["blocked"]),
            ("with it", " · ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in shown["with"].items())),
            ("added", instant(shown["added"])),
        ]
    )


@app.command()
def remove(name: Name, yes: table.Yes = False, dry_run: table.DryRun = False, json: table.Json = False) -> None:
    """Trust a peer no longer; its messages and pulls are refused at once.

    Example: saltbridge peer remove stranger
    """
    client = Client.from_home()
    would = client.delete(f"/peers/{part(name)}", dry_run=True)
    agreements = f"; {would['agreements']} standing agreements can then be used no more" if would["agreements"] else ""
    if dry_run:
        table.print_json(would) if json else table.say(f"would remove {would['peer']} ({would['id']}){agreements}")
        return
    table.confirm(f"Remove {would['peer']} ({would['id']}){agreements}?", yes=yes)
    did = client.delete(f"/peers/{part(name)}")
    table.print_json(did) if json else table.say(f"removed {did['peer']}")


@app.command()
def refresh(
    name: Annotated[str, typer.Argument(help="A peer by name or id; without it all of them.", autocompletion=complete.peers)] = "",
    json: table.Json = False,
) -> None:
    """Read the cards of peers again: announced keys, new addresses; only what a trusted key signs is taken.

    Example: saltbridge peer refresh maker
    """
    client = Client.from_home()
    wanted = [name] if name else [str(row["name"]) for row in client.get("/peers")]
    rows = [_refreshed(client, each) for each in wanted]
    if json:
        table.print_json(rows)
    else:
        table.table(rows, (Column("peer", "PEER"), Column("found", "CARD"), Column("why", "WHY")), empty="no peers yet")
    if any(row["found"] == "refused" for row in rows):
        table.note("A key that nobody announced is taken by hand: saltbridge peer add URL --fingerprint ... --confirm-key")
        raise typer.Exit(1)


def _refreshed(client: Client, name: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = client.post(f"/peers/{part(name)}/refresh")
    except PeerUnreachable as error:
        return {"peer": name, "found": "refused", "why": error.what}
    return told


@app.command()
def ping(name: Name, json: table.Json = False) -> None:
    """Find out whether we can talk to a peer, and which layer fails.

    Example: saltbridge peer ping maker
    """
    told = Client.from_home().post(f"/peers/{part(name)}/ping")
    if json:
        table.print_json(told)
    else:
        table.table(told["layers"], LAYERS, title=f"{told['peer']} · {told['address']}")
        for layer in told["layers"]:
            if layer["next"]:
                table.note(f"next: {layer['next']}")
    if not told["ok"]:
        raise typer.Exit(3 if told["failed"] == "policy" else 5)


def claims(pairs: list[str]) -> dict[str, list[str]]:
    """`role=recycler` pairs by name; a usage error for anything else.  `--claim ""` vouches for nothing."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if pair and not (name and equals and value):
            raise typer.BadParameter(f"{pair!r} is not like role=recycler", param_hint="--claim")
        if pair:
            found.setdefault(name, []).append(value)
    return found


def _look(client: Client, source: str) -> dict[str, Any]:
    if source.startswith(("http://", "https://")):
        seen: dict[str, Any] = client.post("/peers/fetch", {"url": source})
        return seen
    path = Path(source)
    try:
        card = jsonlib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Malformed(f"{path} cannot be read.", str(error.strerror or error), "Give a card file or the address of a node.") from error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path} is not a card.", f"It is not JSON: {error}", "The other operator prints one: peer card") from error
    if not isinstance(card, dict):
        raise Malformed(f"{path} is not a card.", "A card is a JSON object.", "The other operator prints one: peer card")
    seen = client.post("/peers/fetch", {"card": card})
    return seen


def _show_card(seen: dict[str, Any]) -> None:
    table.note(f"{seen['name']} · {seen['id']}")
    table.note(f"  address      {seen['address']}")
    table.note(f"  says         {_spelled(seen['wishes']) or 'nothing of itself'}")
    table.note(f"  fingerprint  {seen['fingerprint']}")


def _spelled(named: dict[str, list[str]]) -> str:
    return ", ".join(f"{name}={value}" for name, values in named.items() for value in values)
