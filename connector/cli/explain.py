"""`saltbridge explain`: why something was decided, down to each operand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from connector.text import brief, short

from . import table
from .client import Client, part
from .table import instant

_SIGNS = {"true": "✓", "false": "✗", "unknown": "?", "never": "✗"}


def explain(
    decision: Annotated[str, typer.Argument(help="A decision's id, as a refusal or a timeline names it: d-51f0...")],
    replay: Annotated[bool, typer.Option("--replay", help="Evaluate the stored facts again; the outcome must be the same.")] = False,
    json: table.Json = False,
) -> None:
    """Show why something was decided here: each rule and operand, its value, who vouched for it.

    Example: saltbridge explain d-51f0 --replay
    """
    told = Client.from_home().get(f"/decisions/{part(decision)}", replay=replay)
    again = told.get("replay", {})
    differs = bool(again.get("possible")) and not again.get("same")
    if json:
        table.print_json(told)
    else:
        for line in lines(told):
            table.say(line)
    if differs:
        raise typer.Exit(1)


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The decision as text: the question, the answer, the tree."""
    yield f"{told['id']} · {told['outcome']} · {told['code']}"
    yield f"  asked   {told['question']} for {told['peer_name']} · {_about(told)}"
    yield f"  when    {instant(told['at'])}"
    for reason in told["reasons"]:
        yield f"  why     {brief(reason)}"
    yield from tree(told["tree"])
    if told["facts"]:
        yield "  facts"
        for operand, fact in told["facts"].items():
            until = f", until {instant(fact['until'])}" if fact.get("until") else ""
            yield f"    {_short(operand)} = {brief(', '.join(fact['values']))}   ({fact.get('source') or 'nobody says so'}{until})"
    if "replay" in told:
        again = told["replay"]
        yield f"  replay  {_replayed(again)}"


def _about(told: dict[str, Any]) -> str:
    """`negotiation 90f6d717 (907b0dc4 there) · dismantling · model EV-72`, as much of it as is still known."""
    process = told.get("process") or {}
    if not process:
        kind, _, id = str(told["about"]).partition(" ")
        return f"{kind} {short(id)}".strip()
    theirs = f" ({short(process['peer_pid'])} there)" if process["peer_pid"] else ""
    return " · ".join(text for text in (f"{process['kind']} {short(process['id'])}{theirs}", process["title"]) if text)


def tree(root: dict[str, Any]) -> Iterator[str]:
    """The evaluation tree: rules by kind, constraints below, with a sign for each truth."""
    for kind in ("permission", "prohibition"):
        for number, rule in enumerate(root.get(kind, []), 1):
            yield f"  {_SIGNS.get(rule['active'], '?')} {kind} {number}: {_short(rule['action'])}"
            for condition in rule["constraint"]:
                yield from _condition(condition, 6)
    for duty in root.get("obligation", []):
        yield f"  · obligation: {_short(duty.get('action', ''))}"
    if root and root.get("outcome") != "yes" and not any(rule["active"] == "true" for rule in root.get("permission", [])):
        yield "  · no permission applies, and what is not permitted is refused"


def _condition(condition: dict[str, Any], depth: int) -> Iterator[str]:
    sign = _SIGNS.get(condition["truth"], "?")
    if "constraint" in condition:
        values = f"   is {', '.join(condition['values'])} ({condition.get('source') or 'nobody says so'})" if "values" in condition else ""
        note = f"   {condition['note']}" if condition.get("note") else ""
        yield f"{' ' * depth}{sign} {brief(condition['constraint'] + values)}{note}"
        return
    for connective, members in condition.items():
        if isinstance(members, list):
            yield f"{' ' * depth}{sign} {connective}"
            for member in members:
                yield from _condition(member, depth + 2)


def _replayed(again: dict[str, Any]) -> str:
    if not again["possible"]:
        return f"nothing to repeat: {again['why']}"
    return f"the same: {again['outcome']}" if again["same"] else f"DIFFERENT: {again['outcome']} ({'; '.join(again['reasons'])})"


def _short(iri: str) -> str:
    return iri.rstrip("/").rsplit("/", 1)[-1].rsplit("#", 1)[-1]
