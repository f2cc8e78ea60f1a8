"""The life of a passport, below `saltbridge passport`: history, versions, status, what follows, the end."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.cli import complete
from connector.cli.client import Client, part
from connector.cli.table import Column, DryRun, Json, Yes, confirm, instant, note, print_json, say, table

Passport = Annotated[str, typer.Argument(help="A battery (id, serial, any identifier) or a model.", autocompletion=complete.batteries)]
Battery = Annotated[str, typer.Argument(help="A battery: id, serial or any identifier.", autocompletion=complete.batteries)]
Reason = Annotated[str, typer.Option("--reason", help="Why; for your own history.")]
By = Annotated[str, typer.Option("--by", help="The passport that follows: a battery of yours, or another operator's address.")]


def history(passport: Passport, json: Json = False) -> None:
    """Every step of a passport, and which version it led to."""
    told = Client.from_home().get(f"/passports/{part(passport)}/history")
    if json:
        print_json(told)
        return
    say(f"{told['passport']} · {told['status']}{_links(told)}")
    columns = (
        Column("at", "TIME", instant),
        Column("version", "VERSION"),
        Column("act", "STEP"),
        Column("of", "OF"),
        Column("parts", "CHANGED"),
        Column("why", "REASON"),
    )
    table(told["steps"], columns)


def diff(
    battery: Battery,
    before: Annotated[str, typer.Argument(help="A version (1.2), a day or an instant.")],
    after: Annotated[str, typer.Argument(help="The same; the present version when left out.")] = "",
    json: Json = False,
) -> None:
    """What differs between two versions of a battery's passport."""
    told = Client.from_home().get(f"/passports/{part(battery)}/diff", before=before, after=after)
    if json:
        print_json(told)
        return
    say(f"{told['passport']} · version {told['before']} against {told['after']} · {_many(len(told['changes']), 'difference')}")
    table(told["changes"], (Column("path", "ELEMENT"), Column("before", "BEFORE"), Column("after", "AFTER")))


def status(
    battery: Battery,
    to: Annotated[str, typer.Argument(metavar="STATUS", help="original, re-used, repurposed, remanufactured or waste.")],
    by: By = "",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Change the battery's status.

    Waste is a new version of the passport. A second life needs a new passport (Art. 77(7)): --by names it, and it supersedes this one.
    """
    told = Client.from_home().post(f"/passports/{part(battery)}/status", {"to": to, "by": by, "why": reason})
    if json:
        print_json(told)
    elif by:
        say(f"{told['passport']} is {told['stage']} · superseded by {told['successor']}")
    else:
        say(f"{told['passport']} is {told['stage']}" + ("" if told["changed"] else " already"))


def follow(
    battery: Battery,
    predecessor: Annotated[str, typer.Argument(metavar="ADDRESS", help="The https address or DID of the passport before.")],
    json: Json = False,
) -> None:
    """Say which passport of another operator this one follows: the other half of its supersede."""
    told = Client.from_home().post(f"/passports/{part(battery)}/follow", {"by": predecessor})
    print_json(told) if json else say(f"{told['passport']} follows {', '.join(told['predecessors'])}")


def supersede(
    battery: Battery, by: By, reason: Reason = "", yes: Yes = False, dry_run: DryRun = False, json: Json = False
) -> None:  # fmt: skip
    """Another passport follows this one; it is answered still, with the new one's address, and offered no longer."""
    _end("supersede", battery, {"by": by, "why": reason}, yes, dry_run, json)


def archive(passport: Passport, reason: Reason = "", yes: Yes = False, dry_run: DryRun = False, json: Json = False) -> None:
    """Offer it no longer; it is answered still. Publishing brings it back."""
    _end("archive", passport, {"why": reason}, yes, dry_run, json)


def cease(
    passport: Passport,
    reason: Annotated[str, typer.Option("--reason", help="Why; everyone who asks is told.")],
    successor: Annotated[str, typer.Option("--successor", help="The address of what follows, if anything does.")] = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """End a passport for ever (Art. 77(8)): a signed statement is left, and agreements over it end."""
    _end("cease", passport, {"why": reason, "successor": successor}, yes, dry_run, json)


def forget(passport: Passport, yes: Yes = False, dry_run: DryRun = False, json: Json = False) -> None:
    """Remove what was never published. Its identifiers are never given again."""
    _end("forget", passport, {}, yes, dry_run, json)


def _end(verb: str, passport: str, body: dict[str, Any], yes: bool, dry_run: bool, json: bool) -> None:
    """Show what it will do, ask, do it."""
    client = Client.from_home()
    path = f"/passports/{part(passport)}/{verb}"
    if dry_run or not yes:
        would = client.post(path, body, dry_run=True)
        if dry_run:
            print_json(would) if json else say(f"would {verb} {would['passport']}{_effects(would)}")
            return
        confirm(f"{verb[:1].upper()}{verb[1:]} {would['passport']}{_effects(would)}?", yes=yes)
    told = client.post(path, body)
    if json:
        print_json(told)
        return
    say(f"{told['passport']} is {told['status']}{_links(told)}{_effects(told)}")
    if verb == "archive":
        note(f"Back again: saltbridge passport publish {told['passport']}")


def _effects(told: dict[str, Any]) -> str:
    offers, agreements, batteries = (len(told.get(name, ())) for name in ("withdrawn", "agreements", "batteries"))
    parts = (
        (offers, f"{_many(offers, 'offer')} off the catalog"),
        (agreements, f"{_many(agreements, 'agreement')} ended"),
        (batteries, f"with {batteries} batteries"),
    )
    return "".join(f" · {text}" for count, text in parts if count)


def _links(told: dict[str, Any]) -> str:
    before = f" · follows {', '.join(told['predecessors'])}" if told.get("predecessors") else ""
    return before + (f" · followed by {told['successor']}" if told.get("successor") else "")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
