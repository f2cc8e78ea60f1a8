"""Batteries as one AAS environment, JSON or AASX: the operator's own with all that an import brought, or through a view.

The operator's own keeps what has no place in values (qualifiers, descriptions, concept descriptions).  Through a view everything
is made of `Redacted` values, by the same functions as the AAS API's answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from connector.errors import Clash, Hidden
from connector.exchange import release
from connector.operate.reading import reading
from connector.ports import Transaction, World
from connector.records import Battery, Layer, Model
from submodels import normal, twin
from submodels.aasx import pack
from submodels.documents import PassportDocument
from submodels.environment import environment
from submodels.grant import AttributeGrant
from submodels.passport import Passport
from submodels.table import PARTS
from submodels.value import Tree, write_json

MOST = 100  # batteries of one environment
AASX = "application/asset-administration-shell-package"
_UNDER = "/aasx/documents/"

_Env = Mapping[str, Tree]
_Files = dict[str, tuple[str, bytes]]  # name in the package -> media type, bytes


async def written(world: World, batteries: Sequence[Battery], grant: AttributeGrant | None, *, packed: bool) -> bytes:
    """The batteries as AAS JSON, or as an AASX with their documents; Clash for none or too many, Malformed where no valid AAS results."""
    if not 0 < len(batteries) <= MOST:
        raise Clash(
            f"{len(batteries)} batteries do not go into one environment.", f"It holds 1 to {MOST}.",
            "Export batteries one by one, or --as csv, value or folder.", code="export.large",
        )  # fmt: skip
    envs, files = [], _Files()
    for battery in batteries:
        async with world.store.transaction() as tx:
            env, documents = await (_own(tx, battery, packed) if grant is None else _through(world, tx, battery, grant, packed))
            for each in documents if packed else ():
                body = await tx.blob(each.sha256)
                if body is None:
                    raise Hidden(f"The bytes of {each.id} are gone.", "Import the document again.")
                files[f"{battery.id}/{each.filename}"] = (each.media_type, body)
        envs.append(env)
    whole = _joined(envs)
    if not packed:
        return write_json(whole)
    return await asyncio.to_thread(pack, whole, files)


async def _own(tx: Transaction, battery: Battery, packed: bool) -> tuple[_Env, Sequence[PassportDocument]]:
    passport = await release.load(tx, battery, published=False)
    model = await tx.get(Model, battery.model)
    if passport is None or model is None:
        raise Hidden(f"There is no passport of {battery.id}.")
    remainders: dict[str, str] = {}
    for owner in (model.id, battery.id):
        remainders |= {each.part: each.remainder for each in await tx.find(Layer, owner=owner) if each.remainder}
    with reading(f"{battery.id} as AAS"):
        return await asyncio.to_thread(_environment, passport, remainders, _place(battery) if packed else ""), passport.documents


def _environment(passport: Passport, remainders: Mapping[str, str], under: str) -> _Env:
    return environment(passport, remainders, under=under)


async def _through(
    world: World, tx: Transaction, battery: Battery, grant: AttributeGrant, packed: bool
) -> tuple[_Env, Sequence[PassportDocument]]:
    seen = await release.preview(world, battery.id, grant, "")
    named = await release.named(tx, battery, published=False)
    if named is None:
        raise Hidden(f"There is no passport of {battery.id}.")
    names = normal.Names(twin.twin(named, battery.aliases))
    under = _place(battery) if packed else ""
    submodels = [normal.part_submodel(names, part, seen, under=under) for part in PARTS if isinstance(seen.parts.get(part), dict)]
    return normal.environment([normal.shell(names, seen)], submodels), seen.documents


def _place(battery: Battery) -> str:
    return f"{_UNDER}{quote(battery.id)}/"


def _joined(envs: Sequence[_Env]) -> dict[str, Tree]:
    """One environment of several; what stands in two under one id (a concept description) is kept once."""
    whole: dict[str, Tree] = {}
    for name in ("assetAdministrationShells", "submodels", "conceptDescriptions"):
        found: dict[object, Tree] = {}
        for env in envs:
            listed = env.get(name)
            for each in listed if isinstance(listed, list) else []:
                found.setdefault(each.get("id") if isinstance(each, dict) else None, each)
        if found:
            whole[name] = list(found.values())
    return whole
