"""`saltbridge registry`: what others find of our batteries, asset ids of our own, and who may read them."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.errors import Malformed

from . import complete, table
from .client import Client, part
from .table import Column

app = typer.Typer(no_args_is_help=True)

Battery = Annotated[str, typer.Argument(help="A battery by id, serial number or any identifier.", autocompletion=complete.batteries)]


@app.command("list")
def list_(
    battery: Annotated[str, typer.Option("--battery", help="Only of this one.", autocompletion=complete.batteries)] = "",
    json: table.Json = False,
) -> None:
    """List the asset ids that you added and who may read them.

    Example: saltbridge registry list
    """
    told = Client.from_home().get("/registry/asset-ids", battery=battery)
    if json:
        table.print_json(told)
        return
    rules = {each["name"]: each["visible_to"] for each in told["rules"]}
    rows = [{**each, "visible_to": rules.get(each["name"], "nobody")} for each in told["ids"]]
    columns = (Column("battery", "BATTERY"), Column("name", "NAME"), Column("value", "VALUE"), Column("visible_to", "VISIBLE TO"))
    table.table(rows, columns, empty="None added. What the passport says itself: saltbridge registry show BATTERY")


@app.command()
def show(battery: Battery, json: table.Json = False) -> None:
    """Show the descriptor of a battery, whole: its ids and where its parts are had.

    Example: saltbridge registry show EV-72.000017
    """
    client = Client.from_home()
    found = client.post("/registry/lookup/shellsByAssetLink", [{"name": "batteryId", "value": _id(client, battery)}])["result"]
    descriptor = client.get(f"/registry/shell-descriptors/{_b64(found[0])}")
    if json:
        table.print_json(descriptor)
        return
    table.say(descriptor["id"])
    table.say(f"  {'globalAssetId':<24} {descriptor['globalAssetId']}")
    for each in descriptor["specificAssetIds"]:
        table.say(f"  {each['name']:<24} {each['value']}")
    rows = [
        {"part": each["idShort"], "body": endpoint["protocolInformation"].get("subprotocolBody", "no contract")}
        for each in descriptor["submodelDescriptors"]
        for endpoint in each["endpoints"]
    ]
    table.table(rows, (Column("part", "SUBMODEL"), Column("body", "HAD BY")), empty="No view of it is on offer.")


@app.command()
def add(
    battery: Battery, asset_id: Annotated[str, typer.Argument(metavar="NAME=VALUE", help="customerPartId=4711")], json: table.Json = False
) -> None:
    """Give a battery an asset id of your own.

    Nobody sees it until you open its name.

    Example: saltbridge registry add EV-72.000017 customerPartId=4711
    """
    name, equals, value = asset_id.partition("=")
    if not equals:
        raise Malformed("That is no asset id.", next="Write it as customerPartId=4711.")
    told = Client.from_home().post(f"/registry/asset-ids/{part(battery)}", {"name": name, "value": value})
    if json:
        table.print_json(told)
        return
    table.say(f"{told['battery']} is {name} {value}" + ("" if told["changed"] else " already"))
    table.note(
        f"Readable by {told['rule']}." if told["rule"] else f"Nobody sees it yet: saltbridge registry open {name} --visible-to POLICY"
    )


@app.command()
def remove(
    battery: Battery, name: Annotated[str, typer.Argument(help="The name of the asset id, or NAME=VALUE.")], json: table.Json = False
) -> None:
    """Take an asset id from a battery.

    Example: saltbridge registry remove EV-72.000017 customerPartId
    """
    named, _, value = name.partition("=")
    told = Client.from_home().delete(f"/registry/asset-ids/{part(battery)}/{part(named)}", value=value)
    if json:
        table.print_json(told)
        return
    table.say(f"{told['battery']} is no longer {named} {', '.join(told['removed'])}")


@app.command("open")
def open_(
    name: Annotated[str, typer.Argument(help="The name of asset ids.")],
    visible_to: Annotated[
        str, typer.Option("--visible-to", help="A policy that says who; empty closes them.", autocompletion=complete.policies)
    ] = "",
    json: table.Json = False,
) -> None:
    """Say who may read the asset ids of a name.

    Example: saltbridge registry open customerPartId --visible-to oem
    """
    told = Client.from_home().put(f"/registry/rules/{part(name)}", {"visible_to": visible_to})
    if json:
        table.print_json(told)
        return
    table.say(f"{name} is readable by {told['visible_to']}" if told["visible_to"] else f"{name} is closed")


def _id(client: Client, battery: str) -> str:
    """Our id of the battery that a person means."""
    import json as reader

    content, _ = client.download(f"/passports/{part(battery)}")
    return str(reader.loads(content).get("battery", battery))


def _b64(text: str) -> str:
    import base64

    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
