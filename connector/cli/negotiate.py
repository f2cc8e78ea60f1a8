"""`saltbridge negotiate`: a contract for one dataset, every message shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connector.errors import Malformed
from connector.text import duration, short

from . import complete, table
from .client import Client, part


def negotiate(
    peer: Annotated[str, typer.Argument(help="A peer by name or id.", autocompletion=complete.peers)],
    dataset: Annotated[str, typer.Argument(help="A view's name or a dataset id.")],
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="What you declare to use it for (may be repeated).")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Narrower terms of your own (ODRL rules, JSON).")] = None,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for the end.")] = 30.0,
    json: table.Json = False,
) -> None:
    """Negotiate a contract for one dataset and show each message.

    Accepting an offer declares its purposes; --purpose narrows them.

    Example: saltbridge negotiate maker dismantling --purpose dismantling
    """
    client = Client.from_home()
    body: dict[str, Any] = {"peer": peer, "dataset": dataset, "purpose": purpose or [], "wait": wait}
    if policy is not None:
        body["offer"] = read_terms(policy)
    table.note(f"asking {peer} for {dataset} ...")
    ended = client.post("/negotiations", body)
    if json:
        table.print_json(ended)
        return
    steps = client.get(f"/negotiations/{part(ended['id'])}/timeline")["steps"]
    table.say(outcome(ended, steps))
    for why in ended["why_waiting"]:
        table.say(f"  waits for you: {why}")
    for line in next_steps(ended):
        table.note(line)


def outcome(ended: dict[str, Any], steps: list[dict[str, Any]]) -> str:
    """`REQUESTED ▸ AGREED ▸ VERIFIED ▸ FINALIZED   4 messages · 9 ms`."""
    states = list(dict.fromkeys(step["state"] for step in steps if step["state"]))
    messages = [step for step in steps if step["direction"] != "here"]
    return f"{' ▸ '.join(states):<50} {len(messages)} messages · {duration(ended['seconds'])}"


def next_steps(ended: dict[str, Any]) -> list[str]:
    """What it is called from now on, and what to type next."""
    id = short(ended["id"])
    if ended["state"] == "FINALIZED":
        ids = f"negotiation {id} · agreement {short(ended['agreement'])}"
        return [ids, f"next: saltbridge pull {ended['peer']} {ended['view'] or ended['dataset']} --battery ID"]
    if ended["waits_for"]:
        return [f"next: saltbridge contract accept {id}, or: saltbridge contract decline {id}"]
    return [f"{ended['state']} so far, it goes on · next: saltbridge contract timeline {id}"]


def read_terms(path: Path) -> Any:
    """ODRL rules from a file; Malformed names the line."""
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Malformed(f"{path} cannot be read.", str(error.strerror or error)) from error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path} is not JSON.", str(error), f"saltbridge policy check {path}") from error
