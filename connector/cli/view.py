"""`saltbridge view`: which attributes leave; previewed, tested, offered, withdrawn."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from connector.cli import complete
from connector.cli.client import Client, part
from connector.cli.table import Column, Json, Yes, confirm, note, print_json, say, table
from connector.errors import Malformed
from connector.text import brief, size

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The view's name.", autocompletion=complete.views)]

_WIDE, _NARROW = 160, 110  # columns of a terminal that has room for whole dataset ids, and for any form of them
_MARKS = {"given": "●", "withheld": "○", "public": "·"}
_OFFERS = (
    Column("view", "VIEW"),
    Column("scope", "OF"),
    Column("elements", "ELEMENTS", right=True),
    Column("documents", "DOCUMENTS", right=True),
    Column("who", "WHO"),
    Column("until", "UNTIL"),
    Column("dataset", "DATASET"),
)
_VIEWS = (
    Column("view", "VIEW"),
    Column("title", "TITLE"),
    Column("elements", "CAN HOLD", right=True),
    Column("documents", "DOCUMENTS", right=True),
    Column("ceiling", "CEILING"),
    Column("kept", "KEPT"),
)


@app.command("list", epilog="Example: saltbridge view list --offers")
def list_(offers: Annotated[bool, typer.Option("--offers", help="Only what is on offer.")] = False, json: Json = False) -> None:
    """List what is on offer, and what can be offered."""
    client = Client.from_home()
    standing = client.get("/offers")
    views = [] if offers else client.get("/views")
    if json:
        print_json(standing if offers else {"offers": standing, "views": views})
        return
    _show_offers(standing)
    if views:
        say("")
        table([{**each, "kept": "" if each["stored"] else "ready-made"} for each in views], _VIEWS)


@app.command(epilog="Example: saltbridge view show dismantling")
def show(name: Name, json: Json = False) -> None:
    """Show a view's elements, documents, expectations."""
    view = Client.from_home().get(f"/views/{part(name)}")
    if json:
        print_json(view)
        return
    say(f"{view['view']} · {view['title']} · ceiling {view['ceiling']} · grant {view['grant']}")
    rows = [{**each, "annex": _annex(each["annex"]), "when": f"where {each['when']}" if each["when"] else ""} for each in view["elements"]]
    rows += [{"path": f"documents/{kind}", "class": "", "annex": "", "when": "given whole"} for kind in view["documents"]]
    table(rows, (Column("path", "ELEMENT"), Column("class", "CLASS"), Column("annex", "ANNEX"), Column("when", "WHEN")))
    for kind, paths in view["expectations"].items():
        for path in paths:
            say(f"expected: {kind.replace('_', ' ')} {path}")
    for dataset in view["offers"]:
        say(f"on offer: {dataset}")


@app.command(epilog="Example: saltbridge view put supplier-audit my-view.json")
def put(
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(help="JSON: title, paths, documents, ceiling, expectations. Without it: ready-made.")
    ] = None,
    json: Json = False,
) -> None:
    """Keep a view of your own, or a ready-made one."""
    kept = Client.from_home().put(f"/views/{part(name)}", _json_file(file) if file else {})
    if json:
        print_json(kept)
        return
    say(f"{kept['view']} · {len(kept['elements'])} elements · {len(kept['documents'])} document kinds · {kept['grant']}")
    if not kept["changed"]:
        note("Nothing changed.")
    elif any(not dataset.endswith(kept["grant"]) for dataset in kept["offers"]):
        note("Offers made before stand on the view as it was: offer it again to move them.")


@app.command(epilog="Example: saltbridge view delete supplier-audit")
def delete(name: Name, yes: Yes = False) -> None:
    """Forget a view's name; what was agreed under it stays."""
    confirm(f"Forget the view {name}?", yes=yes)
    Client.from_home().delete(f"/views/{part(name)}")
    say(f"{name} is forgotten.")


@app.command(epilog="Example: saltbridge view offer dismantling --model EV-72 --policy recycler --until 2027-12-31")
def offer(
    name: Name,
    policy: Annotated[str, typer.Option("--policy", help="Under which terms: ready-made or yours.", autocompletion=complete.policies)],
    model: Annotated[
        str, typer.Option("--model", help="All batteries of this model, later ones too.", autocompletion=complete.models)
    ] = "",
    battery: Annotated[str, typer.Option("--battery", help="This battery only.", autocompletion=complete.batteries)] = "",
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="The last day, to its end in UTC.")] = "",
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="For these purposes only (declared, not checked).")] = None,
    visible_to: Annotated[
        str, typer.Option("--visible-to", metavar="POLICY", help="Show it to these only; else to any peer you know.")
    ] = "",
    confirm_with: Annotated[str, typer.Option("--confirm", metavar="auto|ask", help="ask: every contract waits for your yes.")] = "auto",
    json: Json = False,
) -> None:
    """Offer a view under a policy.

    Of a model or of one battery; offering again under the same policy replaces the terms.
    """
    wish = {
        "view": name,
        "policy": policy,
        "model": model,
        "battery": battery,
        "until": until,
        "visible_to": visible_to,
        "confirm": confirm_with,
        "purposes": purpose or [],
    }
    made = Client.from_home().post("/offers", wish)
    if json:
        print_json(made)
        return
    _show_offers([made])
    note(f"Terms: {made['terms']}" if made["changed"] else "Nothing changed: it stood exactly so.")


@app.command(epilog="Example: saltbridge view withdraw dismantling")
def withdraw(
    dataset: Annotated[str, typer.Argument(help="A dataset's id, its beginning, or a view's name.")],
    policy: Annotated[str, typer.Option("--policy", help="Only its offer under this policy.")] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take a dataset off the catalog; agreements stay."""
    confirm(f"Withdraw {dataset}{f' under {policy}' if policy else ''} from the catalog?", yes=yes)
    gone = Client.from_home().delete(f"/offers/{part(dataset)}", policy=policy)
    if json:
        print_json(gone)
        return
    say(f"{gone['title']} is off the catalog.")
    if gone["agreements"]:
        note(f"{gone['agreements']} agreements stand on it; end them with: saltbridge contract terminate ID")


@app.command(epilog="Example: saltbridge view preview dismantling --as recycler --battery 000017")
def preview(
    name: Name,
    battery: Annotated[
        str, typer.Option("--battery", help="Which battery: id, serial or any identifier.", autocompletion=complete.batteries)
    ],
    receiver: Annotated[str, typer.Option("--as", metavar="ROLE|PEER", help="As a role, or as a peer you know, would get it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="A line for every element.")] = False,
    json: Json = False,
) -> None:
    """Show what a receiver would get, and why not more.

    Of one battery; nothing is sent. Documents are given whole.
    """
    seen = Client.from_home().get(f"/views/{part(name)}/preview", battery=battery, as_=receiver)
    if json:
        print_json(seen)
        return
    who = f"as {receiver} would get it" if receiver else f'in the view "{name}"'
    say(f"{seen['battery']} {who} · {seen['elements']} elements ({seen['public_anyway']} more are public anyway)")
    for each in seen["parts"]:
        say("")
        say(f"  {each['title']}")
        lines = each["lines"] if every else _collapsed(each["lines"])
        _print_lines([_preview_row(line, line["path"]) for line in lines])
    if seen["documents"]:
        say("")
        say("  Documents")
        _print_lines([_preview_row(line, _document_name(line)) for line in seen["documents"]])
    say("")
    for each in seen["offers"]:
        if each["outcome"] == "yes":
            say(f"  {receiver} would get a contract under {each['definition']}.")
        else:
            say(f"  {receiver} would get no contract under {each['definition']}: {'; '.join(each['reasons'])}")


@app.command(epilog="Example: saltbridge view test dismantling")
def test(
    name: Annotated[str, typer.Argument(help="The view's name; without it all of them.", autocompletion=complete.views)] = "",
    json: Json = False,
) -> None:
    """Run a view's expectations (must, must_not)."""
    client = Client.from_home()
    names = [name] if name else [each["view"] for each in client.get("/views") if each["stored"]]
    results = [client.post(f"/views/{part(each)}/test") for each in names]
    if json:
        print_json(results[0] if name else results)
    else:
        rows = [{"view": result["view"], **check} for result in results for check in result["checks"]]
        columns = (Column("view", "VIEW"), Column("expectation", "EXPECTED"), Column("holds", "HOLDS"), Column("why", "WHY"))
        table(rows, columns, empty="No expectations: write them into the view (must, must_not).")
    broken = [result["view"] for result in results if not result["passed"]]
    if broken:
        raise typer.Exit(1)


@app.command(epilog="Example: saltbridge view diff dismantling --peers")
def diff(
    before: Annotated[str, typer.Argument(metavar="[A]", help="A view; with --peers as offered.", autocompletion=complete.views)] = "",
    after: Annotated[str, typer.Argument(metavar="[B]", help="The view to compare it with.", autocompletion=complete.views)] = "",
    peers: Annotated[bool, typer.Option("--peers", help="Over all known peers: who would gain or lose what.")] = False,
    policy: Annotated[str, typer.Option("--policy", help="With --peers: under these terms.", autocompletion=complete.policies)] = "",
    receiver: Annotated[
        list[str] | None, typer.Option("--as", metavar="ROLE|PEER", help="Twice: compare two participants over all offers.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what changes from view A to B, between two participants, or for every peer when a changed view is offered again.

    Public elements need no contract and are never listed.
    """
    found = Client.from_home().get("/diff", **_compared(before, after, receiver or [], peers=peers), peers=peers, policy=policy)
    if json:
        print_json(found)
        return
    if not peers:
        _print_changes(found, f"{found['before']} → {found['after']}")
        return
    for row in found["peers"]:
        kept = f" · {row['agreements']} agreements stay as they were made" if row["agreements"] else ""
        _print_changes(row, f"{row['peer']} · {_admission(row)}{kept}")
    if not found["peers"]:
        say("You know no peers: saltbridge peer add FILE|URL")


def _compared(before: str, after: str, receivers: list[str], *, peers: bool) -> dict[str, str]:
    if len(receivers) == 2 and not before and not peers:
        return {"as_": receivers[0], "other": receivers[1]}
    if receivers or not before or not (after or peers):
        raise typer.BadParameter("give two views, one view and --peers, or --as twice")
    return {"before": before, "after": after}


def _admission(row: dict[str, Any]) -> str:
    if row["outcome"] == "yes":
        return "would get it" if row["before"] == "yes" else "would get it, and gets nothing of it now"
    return f"{row['outcome']}: {'; '.join(row['why'])}"


def _print_changes(found: dict[str, Any], title: str) -> None:
    say(title)
    signed = [(sign, each) for sign, key in (("+", "gains"), ("-", "loses")) for each in found[key]]
    rows = [(f"{sign} {each['path']}", _annex(each["annex"]), each["class"]) for sign, each in signed]
    _print_lines(rows)
    if not rows:
        say("    nothing changes")


# --- how it looks --------------------------------------------------------------------------------


def _show_offers(offers: list[dict[str, Any]]) -> None:
    """What is on offer; a terminal gets as much of a dataset's id as it has room for, a pipe gets it whole."""
    room = get_terminal_size().columns
    dataset = Column("dataset", "DATASET", lambda value: str(value) if room >= _WIDE else brief(str(value)))
    columns = (*_OFFERS[:-1], dataset) if room >= _NARROW else _OFFERS[:-1]
    nothing = "Nothing is on offer: saltbridge view offer NAME --model MODEL --policy POLICY"
    table([_offer_row(each) for each in offers], columns, piped=_OFFERS, empty=nothing)


def _offer_row(each: dict[str, Any]) -> dict[str, Any]:
    named = {"view": each["view"] or each["dataset"], "scope": each.get("extent") or each["scope"].replace(".", " ", 1)}
    return {**each, **named, "until": _day(each["until"])}


def _day(instant: str) -> str:
    """The last day for people; an end that is not the end of a day keeps its time."""
    if not instant:
        return "-"
    moment = datetime.fromisoformat(instant)
    return moment.date().isoformat() if (moment.hour, moment.minute, moment.second) == (23, 59, 59) else instant


def _annex(points: list[str]) -> str:
    return f"XIII {', '.join(points)}" if points else ""


def _collapsed(lines: list[dict[str, Any]], depth: int = 0) -> list[dict[str, Any]]:
    """Given elements one by one; others that stay for one reason below one place become one line (`X/**`)."""
    if len(lines) == 1 or (lines[0]["mark"] == "given" and len({line["mark"] for line in lines}) == 1):
        return lines
    if len({(line["mark"], line["reason"], line["note"]) for line in lines}) == 1:
        points = sorted({point for line in lines for point in line["annex"]})
        place = "/".join([*lines[0]["path"].split("/")[:depth], f"**  ({len(lines)} elements)"])
        return [{**lines[0], "path": place, "annex": points}]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups["/".join(line["path"].split("/")[: depth + 1])].append(line)
    shown = [line for members in groups.values() for line in _collapsed(members, depth + 1)]
    return sorted(shown, key=lambda line: list(_MARKS).index(line["mark"]))


def _preview_row(line: dict[str, Any], name: str) -> tuple[str, str, str]:
    notes = [text for text in (line["reason"], f"({line['note']})" if line.get("note") else "") if text]
    said = f"{line['mark']}: {' '.join(notes)}" if line["mark"] != "given" and notes else " ".join(notes)
    return f"{_MARKS[line['mark']]} {name}", _annex(line["annex"]), said


def _document_name(line: dict[str, Any]) -> str:
    return f"{line['title'] or line['kind']} ({size(line['size'])})" if line["document"] else line["kind"]


def _print_lines(rows: list[tuple[str, str, str]]) -> None:
    """Two columns aligned, the reason behind them; widths come from the rows, within reason."""
    first = min(64, max((len(row[0]) for row in rows), default=0))
    second = min(28, max((len(row[1]) for row in rows), default=0))
    for name, annex, said in rows:
        say(f"    {name:<{first}}  {annex:<{second}}  {said}".rstrip())


def _json_file(path: Path) -> Any:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Malformed(f"{path} cannot be read.", error.strerror or "") from error
    except ValueError as error:
        raise Malformed(f"{path} is not JSON.", str(error)) from error
