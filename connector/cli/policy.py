"""`saltbridge policy`: terms under a name; what would never match, and what a participant would be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli import complete
from connector.cli.client import Client, part
from connector.cli.table import Column, Json, Yes, confirm, note, print_json, say, table
from connector.errors import Malformed

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="A policy's name: ready-made or yours.", autocompletion=complete.policies)]


@app.command("list", epilog="Example: saltbridge policy list")
def list_(json: Json = False) -> None:
    """List your policies and the ready-made ones, in words."""
    policies = Client.from_home().get("/policies")
    if json:
        print_json(policies)
        return
    rows = [{**each, "kind": "ready-made" if each["ready"] else "stored", "warnings": len(each["warnings"]) or ""} for each in policies]
    columns = (Column("policy", "POLICY"), Column("terms", "TERMS"), Column("kind", "KIND"), Column("warnings", "WARNINGS", right=True))
    table(rows, columns)


@app.command(epilog="Example: saltbridge policy show recycler")
def show(id: Id, json: Json = False) -> None:
    """Show a policy in words and as ODRL."""
    policy = Client.from_home().get(f"/policies/{part(id)}")
    if json:
        print_json(policy)
        return
    say(f"{policy['policy']} · {policy['terms']}")
    print_json(policy["rules"])
    _warn(policy["warnings"])
    for definition in policy.get("used_by", []):
        note(f"used by {definition}")


@app.command(epilog="Example: saltbridge policy put recyclers-of-ours terms.json")
def put(
    id: Annotated[str, typer.Argument(help="The name to keep it under.")],
    file: Annotated[Path, typer.Argument(help="ODRL JSON with permission, prohibition, obligation.")],
    json: Json = False,
) -> None:
    """Keep terms under a name.

    Terms that nobody can satisfy are kept with a warning.
    """
    kept = Client.from_home().put(f"/policies/{part(id)}", _json(_text(file), file))
    if json:
        print_json(kept)
        return
    say(f"{kept['policy']} · {kept['terms']}")
    _warn(kept["warnings"])
    if not kept["changed"]:
        note("Nothing changed.")


@app.command(epilog="Example: saltbridge policy delete recyclers-of-ours")
def delete(id: Id, yes: Yes = False) -> None:
    """Forget a policy that no offer uses."""
    confirm(f"Forget the policy {id}?", yes=yes)
    Client.from_home().delete(f"/policies/{part(id)}")
    say(f"{id} is forgotten.")


@app.command(epilog="Example: saltbridge policy check terms.json")
def check(file: Annotated[Path, typer.Argument(help="ODRL JSON.")], json: Json = False) -> None:
    """Find what would silently never match in a file.

    With its line; needs no running node.
    """
    from connector.offline import check_policy

    findings = check_policy(_text(file))
    if json:
        print_json({"file": str(file), "findings": findings})
    else:
        for each in findings:
            hint = f" - {each['next']}" if each["next"] else ""
            say(f"{file}:{each['line']}: {each['what']}{hint}")
        note("Nothing found." if not findings else f"{len(findings)} findings.")
    if findings:
        raise typer.Exit(4)


@app.command(epilog="Example: saltbridge policy explain recycler --fact role=recycler")
def explain(
    policy: Annotated[
        str,
        typer.Argument(metavar="POLICY|FILE", help="A policy's name, or a file with ODRL or an offer.", autocompletion=complete.policies),
    ],
    participant: Annotated[str, typer.Option("--for", metavar="PEER", help="A peer you know.")] = "",
    fact: Annotated[list[str] | None, typer.Option("--fact", metavar="NAME=VALUE", help="A made-up fact; may be repeated.")] = None,
    json: Json = False,
) -> None:
    """Say what a participant would be told, and why.

    A peer you know, or one made up of facts; nothing is sent.
    """
    file = Path(policy)
    asked: Any = _json(_text(file), file) if file.suffix == ".json" or file.is_file() else policy
    body = {"policy": asked, "participant": participant, "facts": _facts(fact or [])}
    told = Client.from_home().post("/policies/explain", body)
    if json:
        print_json(told)
        return
    say(f"{told['outcome']} · {told['terms']}")
    for line in told["lines"]:
        say(f"  {line}")


def _facts(given: list[str]) -> dict[str, list[str]]:
    facts: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{text!r} is no fact: write role=recycler", param_hint="--fact")
        facts.setdefault(name, []).append(value)
    return facts


def _warn(warnings: list[str]) -> None:
    for text in warnings:
        note(f"warning  {text}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Malformed(f"{file} cannot be read.", error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise Malformed(f"{file} is not UTF-8.") from error


def _json(text: str, file: Path) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise Malformed(f"{file} is not JSON.", str(error), f"saltbridge policy check {file}") from error
