"""A large catalog: datasets written straight through the store, under ten contract definitions of which a recycler sees eight."""

from __future__ import annotations

from catalog.asset import view_asset_id
from connector.ports import World
from connector.protocol import wire
from connector.protocol.messages import CatalogRequest
from connector.records import Asset, ContractDefinition, Grant, PolicyDefinition
from policies.profiles import ready
from scripts.lib.bench_http import Reply
from submodels.views import ready_view

REQUEST = wire.write(CatalogRequest())
DEFINITIONS = 10
HIDDEN = 2  # of them, from a recycler
BATCH = 2000


async def fill(world: World, upto: int) -> int:
    """Have so many datasets; returns how many were added."""
    view, grant = ready_view("dismantling")
    async with world.store.transaction() as tx:
        have = await tx.count(Asset, view="bench")
        if not have:
            tx.put(Grant(id=grant.digest, content=grant.canonical())) if await tx.get(Grant, grant.digest) is None else None
            tx.put(PolicyDefinition(id="bench-recycler", policy=ready("recycler")))
            tx.put(PolicyDefinition(id="bench-any", policy=ready("any-peer")))
            tx.put(PolicyDefinition(id="bench-oem", policy=_for_role("oem")))
            for n in range(DEFINITIONS):
                access = "bench-oem" if n < HIDDEN else "bench-recycler" if n % 2 else "bench-any"
                tx.put(ContractDefinition(id=f"bench-{n}", access_policy=access, contract_policy="bench-recycler"))
    for start in range(have, upto, BATCH):
        async with world.store.transaction() as tx:
            for n in range(start, min(start + BATCH, upto)):
                scope = f"model.M{n:07d}"
                tx.put(
                    Asset(
                        id=view_asset_id(scope, grant.digest), form="view", scope=scope, grant=grant.digest, view="bench",
                        title=f"{view} of model M{n:07d}", definitions=(f"bench-{n % DEFINITIONS}",),
                    )
                )  # fmt: skip
    return upto - have


def next_link(reply: Reply) -> str:
    """Where the next page is, "" after the last one."""
    link = reply.header(b"link").decode()
    return link[1 : link.index(">")] if 'rel="next"' in link else ""


def _for_role(role: str) -> dict[str, object]:
    constraint = {"leftOperand": "role", "operator": "eq", "rightOperand": role}
    return {"permission": [{"action": "use", "constraint": [constraint]}]}
