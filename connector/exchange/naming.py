"""What a battery is called, for anyone: its DID document, and where an identification link leads.

Everything told is made of the public view (`release.public`); an item that is not published is as unknown as any.
"""

from __future__ import annotations

import json
from dataclasses import replace

from connector.errors import Hidden
from connector.ports import Transaction, World
from connector.records import Battery, Json, Model
from submodels.lifecycle import ANSWERED, State, standing
from submodels.links import battery_did, gs1_link, passport_link, read_link
from submodels.view import Redacted

from . import release
from .parcel import Parcel, sealed

DID = "application/did+json"
LINKSET = "application/linkset+json"
_VOCABULARY = "https://ref.gs1.org/voc/"


async def did_document(world: World, name: str) -> Parcel:
    """The battery's DID document (did:web): who controls it, what else it is called publicly, where to ask.

    It has no key of its own: what its operator says is signed by the operator's.
    """
    seen = await release.public(world, name)
    did = battery_did(world.me.public_url, seen.battery)
    service = [
        {"id": f"{did}#passport", "type": "BatteryPassport", "serviceEndpoint": passport_link(world.me.public_url, seen.battery)},
        {"id": f"{did}#dsp", "type": "DataService", "serviceEndpoint": f"{world.me.public_url}/.well-known/dspace-version"},
    ]
    document = {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "controller": world.me.id,
        "alsoKnownAs": _names(world, seen),
        "service": service,
    }
    return replace(sealed(world, "public", json.dumps(document).encode()), media_type=DID)


async def leads_to(world: World, path: str) -> str:
    """Where an identification link of ours leads: the battery's public passport; Hidden for what nobody may know."""
    link = f"{world.me.public_url}{path}"
    async with world.store.transaction() as tx:
        battery = await release.find_battery(tx, link, world.me.public_url)
        known = battery is not None and await _is_public(tx, battery)
    if battery is None or not known:
        raise Hidden("No such passport here.")
    return passport_link(world.me.public_url, battery.id)


async def linkset(world: World, path: str) -> Parcel:
    """The same as a list of links (RFC 9264), as resolvers of GS1 answer it."""
    seen = await release.public(world, f"{world.me.public_url}{path}")
    target = passport_link(world.me.public_url, seen.battery)
    passport = [{"href": target, "title": "Battery passport, public part", "type": "application/json"}]
    document = {
        "linkset": [
            {
                "anchor": f"{world.me.public_url}{path}",
                f"{_VOCABULARY}defaultLink": passport,
                f"{_VOCABULARY}pip": passport,
                f"{_VOCABULARY}dpp": passport,
                "describedby": [{"href": f"{target}/did.json", "type": DID}],
            }
        ]
    }
    return replace(sealed(world, "public", json.dumps(document).encode()), media_type=LINKSET)


def resolver(world: World) -> Json:
    """`/.well-known/gs1resolver`: which keys are resolved here."""
    return {
        "name": world.me.name,
        "resolverRoot": world.me.public_url,
        "supportedPrimaryKeys": ["01", "8003", "8004", "8006"],
        "supportedLinkType": [{"namespace": _VOCABULARY, "prefix": "gs1:"}],
        "linkTypeDefaultCanBeLinkset": False,
    }


def _names(world: World, seen: Redacted) -> list[str]:
    """Other identifiers of the battery that are public by class."""
    places = (("nameplate", "URIOfTheProduct"), ("metadata", "uniqueProductIdentifier"), ("metadata", "digitalProductPassportId"))
    found = [tree.get(name) for part, name in places if isinstance(tree := seen.parts.get(part), dict)]
    texts = [str(each) for each in found if isinstance(each, str) and each]
    for text in list(texts):
        keys = read_link(text).keys if text.startswith("https://") else {}
        if "gtin" in keys and "serial" in keys:
            texts.append(gs1_link(world.me.public_url, keys["gtin"], keys["serial"]))
    return list(dict.fromkeys(texts))


async def _is_public(tx: Transaction, battery: Battery) -> bool:
    model = await tx.get(Model, battery.model)
    return model is not None and standing(model.status, battery.status) in {*ANSWERED, State.CEASED}
