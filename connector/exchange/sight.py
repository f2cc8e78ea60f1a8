"""Who asks a registry or the AAS API: nobody known, a peer, the holder of one contract, or the operator."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import Unauthenticated
from connector.ports import Caller, World
from policies.facts import Facts

from . import release
from .facts import gather


@dataclass(frozen=True, slots=True)
class Sight:
    """Who asks."""

    caller: Caller | None = None
    permit: release.Permit | None = None
    operator: bool = False

    @property
    def facts(self) -> Facts:
        return gather(self.caller) if self.caller else Facts()

    @property
    def name(self) -> str:
        """What cursors are bound to."""
        if self.operator:
            return "operator"
        if self.permit:
            return f"agreement/{self.permit.agreement.id}"
        return f"peer/{self.caller.participant}" if self.caller else "anyone"


OPERATOR = Sight(operator=True)


async def sight(world: World, authorization: str) -> Sight:
    """Who asks by this `Authorization`: nobody known without one, a data token's holder, or a peer; else Unauthenticated."""
    if not authorization:
        return Sight()
    try:
        permit = await release.authorise(world, authorization)
    except Unauthenticated:
        return Sight(caller=await world.identity.authenticate(authorization, safe=True))
    if isinstance(permit, release.Whole):
        raise Unauthenticated("a plain asset's token opens no passport")
    return Sight(caller=await world.identity.caller(permit.agreement.peer), permit=permit)
