"""How a battery is known as a digital twin: its shell, its submodels, its asset ids, and the descriptors that name them.

Shapes of IDTA 01002 (AAS Part 2, v3.1: shell and submodel descriptors, asset links) as CX-0002 and CX-0160 use them: the
semantic id of a descriptor is the SAMM URN, IDTA's own stands beside it.  What identifies a battery is read from a `Redacted`
passport only: an id whose element is not public by class is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from submodels.batch import text_at
from submodels.grant import AttributeGrant, make_grant
from submodels.table import part_of, rows, submodel
from submodels.value import Tree
from submodels.view import Redacted

PUBLIC_READABLE = "PUBLIC_READABLE"  # CX-0002: what anyone may read of a descriptor
BODY = 2048  # characters of a subprotocolBody, CX-0002

GLOBAL = "globalAssetId"
PASSPORT = "digitalProductPassportId"
BATTERY = "batteryId"
SERIAL = "partInstanceId"
SERIAL_TOO = "serialNumber"
PART = "manufacturerPartId"
MAKER = "manufacturerId"
TWIN_TYPE = "digitalTwinType"
INSTANCE = "PartInstance"

# What identifies a battery, and may be told to anyone as far as its class is public.
IDENTITY: AttributeGrant = make_grant(
    [
        "nameplate/URIOfTheProduct",
        "nameplate/SerialNumber",
        "nameplate/ManufacturerIdentifier",
        "metadata/digitalProductPassportId",
        "metadata/uniqueProductIdentifier",
    ],
    (),
    "public",
)


class AssetId(NamedTuple):
    """A specific asset id, `name` and `value`; also an asset link that is looked for."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Twin:
    """The names of one battery."""

    battery: str
    shell: str
    products: tuple[str, ...]  # its product identifiers; the first is its global asset id
    ids: tuple[AssetId, ...]  # what anyone may read
    named: bool = True  # whether its passport tells a product identifier

    def submodel(self, part: str) -> str:
        """The id of the submodel that a part is."""
        return f"{self.shell.removesuffix(_SHELL)}#{part}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a submodel is served: a data plane's address, and the dataset to negotiate ('' for what needs no contract)."""

    href: str
    dataset: str = ""
    control: str = ""  # the DSP base


_SHELL = "#shell"


def twin(named: Redacted, own: Sequence[str]) -> Twin:
    """The names in a passport that was redacted to `IDENTITY`; `own` are the identifiers that are this one battery's.

    A passport id that stands at the model's level names all its batteries: such a battery is called by our id of it.
    """
    nameplate, metadata = named.parts.get("nameplate"), named.parts.get("metadata")
    passport = text_at(metadata, "digitalProductPassportId")
    base = passport if passport in own else _ours(named.battery)
    products = [text_at(metadata, "uniqueProductIdentifier"), text_at(nameplate, "URIOfTheProduct")]
    said = {
        MAKER: text_at(nameplate, "ManufacturerIdentifier"),
        PART: named.model,
        SERIAL: text_at(nameplate, "SerialNumber"),
        TWIN_TYPE: INSTANCE,
        PASSPORT: passport if passport in own else "",
        BATTERY: named.battery,
    }
    return Twin(
        battery=named.battery,
        shell=base + _SHELL,
        products=tuple(dict.fromkeys(filter(None, products))) or (_ours(named.battery),),
        ids=tuple(AssetId(name, value) for name, value in said.items() if value),
        named=any(products),
    )


def named_by_shell(shell: str) -> str:
    """An identifier of the battery whose shell has this id; '' when it is no shell id of ours."""
    return shell.removesuffix(_SHELL).removeprefix(_ours("")) if shell.endswith(_SHELL) else ""


def _ours(battery: str) -> str:
    return f"urn:saltbridge:{battery}"


# --- descriptors ---------------------------------------------------------------------------------


def shell_descriptor(of: Twin, ids: Iterable[tuple[AssetId, str]], submodels: Sequence[dict[str, Tree]]) -> dict[str, Tree]:
    """The descriptor of a shell; each asset id with who may read it (`PUBLIC_READABLE` or a participant, nobody else's name)."""
    specific: list[Tree] = [
        {
            "name": id.name,
            "value": id.value,
            "externalSubjectId": {"type": "ExternalReference", "keys": [{"type": "GlobalReference", "value": reader}]},
        }
        for id, reader in ids
    ]
    return {
        "id": of.shell,
        "idShort": id_short(of.battery),
        "assetKind": "Instance",
        GLOBAL: of.products[0],
        "specificAssetIds": specific,
        "submodelDescriptors": list(submodels),
    }


def submodel_descriptor(of: Twin, part: str, places: Sequence[Place]) -> dict[str, Tree]:
    """The descriptor of one part, with an endpoint for each dataset that carries it (CX-0002, 2.3)."""
    semantic, beside = _semantics()[part]
    descriptor: dict[str, Tree] = {
        "id": of.submodel(part),
        "idShort": submodel(part).id_short,
        "semanticId": _reference(semantic),
        "endpoints": [_endpoint(place) for place in places],
    }
    if beside:
        descriptor["supplementalSemanticId"] = [_reference(each) for each in beside]
    return descriptor


def _endpoint(place: Place) -> Tree:
    protocol: dict[str, Tree] = {"href": place.href, "endpointProtocol": "HTTP", "endpointProtocolVersion": ["1.1"]}
    if place.dataset:
        protocol |= {
            "subprotocol": "DSP",
            "subprotocolBody": f"id={place.dataset};dspEndpoint={place.control}",
            "subprotocolBodyEncoding": "plain",
        }
    protocol["securityAttributes"] = [{"type": "NONE", "key": "NONE", "value": "NONE"}]
    return {"interface": "SUBMODEL-VALUE-3.1", "protocolInformation": protocol}


def dataset_of(body: str) -> tuple[str, str]:
    """(dataset id, DSP base) of a `subprotocolBody`; empty where it says none.  Ids may hold anything but `;`."""
    said = {name.strip(): value.strip() for name, _, value in (each.partition("=") for each in body[:BODY].split(";"))}
    return said.get("id", ""), said.get("dspEndpoint", "").rstrip("/")


def part_named(descriptor: Mapping[str, object]) -> str:
    """The part that a peer's submodel descriptor is about, by any of its semantic ids; '' when it is none of a passport."""
    beside = descriptor.get("supplementalSemanticId", descriptor.get("supplementalSemanticIds"))
    references = [descriptor.get("semanticId"), *(beside if isinstance(beside, list) else [])]
    return part_of(*(value for each in references for value in _values(each))) or ""


def _values(reference: object) -> list[str]:
    keys = reference.get("keys") if isinstance(reference, dict) else None
    found = [each.get("value") for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []
    return [str(each) for each in found if isinstance(each, str)]


@cache
def _semantics() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Part key -> the semantic id of its descriptor and what stands beside it (CX-0160, 1.0.0)."""
    return {row["part"]: (row["semantic_id"], tuple(each for each in (row["supplemental"],) if each)) for row in rows("twins.csv")}


def _reference(value: str) -> Tree:
    return {"type": "ExternalReference", "keys": [{"type": "GlobalReference", "value": value}]}


def id_short(battery: str) -> str:
    """The battery's id as an idShort: letters, digits and underscores, a letter first (AASd-002)."""
    plain = "".join(mark if mark.isascii() and mark.isalnum() else "_" for mark in battery)[:120]
    return plain if plain[:1].isalpha() else f"B_{plain}"
