"""Ready-made policies: rules under a name, for those who would rather not write ODRL.

Roles are asked with `isAnyOf`, not `eq`: an operator may vouch for several roles of one peer, and `eq` over several values
is not evaluable.  A single value on the right is written as plain text, because EDC handles lists badly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from ..errors import Invalid
from ..operands import DATE_TIME, IN_FORCE, PURPOSE, PURPOSES, ROLE, wire_name

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """One row: what it is for, the role it asks for, the purposes it allows by default, how many days it lasts."""

    about: str
    role: str = ""
    purposes: tuple[str, ...] = ()
    days: int = 0


_READY = {
    "public": Ready("everyone, without condition: for what the law makes public"),
    "any-peer": Ready("any peer this node knows, without further condition: for deciding who may see an offer"),
    "recycler": Ready("participants vouched to be recyclers, for dismantling", "recycler", ("dismantling",)),
    "second-life": Ready("participants vouched to give batteries a second life, for 30 days", "second-life", (), 30),
    "supplier": Ready("participants vouched to be suppliers; a customer has another role (oem): write a policy for that", "supplier"),
    "authority": Ready("participants vouched to be a market surveillance authority", "authority"),
}

READY: Mapping[str, str] = MappingProxyType({name: row.about for name, row in _READY.items()})


def ready(name: str, *, until: datetime | None = None, purposes: Sequence[str] = ()) -> Json:
    """The rules of a ready-made policy (a PolicyDefinition's JSON); `until` (aware) is inclusive, `purposes` replace the default.

    Raises Invalid for an unknown name or purpose.
    """
    if name not in _READY:
        raise Invalid(name, "no such ready-made policy", f"use one of {', '.join(_READY)}")
    for purpose in purposes:
        if purpose not in PURPOSES:
            raise Invalid(purpose, "no such purpose", f"use one of {', '.join(PURPOSES)}")
    row = _READY[name]
    constraints: list[Json] = []
    if row.role:
        constraints.append(_constraint(ROLE, "isAnyOf", row.role))
    wanted = list(dict.fromkeys(purposes or row.purposes))
    if wanted:
        constraints.append(_constraint(PURPOSE, "eq", wanted[0]) if len(wanted) == 1 else _constraint(PURPOSE, "isAnyOf", wanted))
    if row.days:
        constraints.append(_constraint(IN_FORCE, "lteq", f"contractAgreement+{row.days}d"))
    if until is not None:
        constraints.append(_constraint(DATE_TIME, "lteq", _written(until)))
    return {"permission": [{"action": "use", **({"constraint": constraints} if constraints else {})}]}


def _constraint(operand: str, operator: str, right: str | list[str]) -> Json:
    return {"leftOperand": wire_name(operand), "operator": operator, "rightOperand": right}


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
