"""What an operator keeps beside passports: shells, submodels and concept descriptions of any kind, as they were written.

Their elements are in no table, so they have no class: they are the operator's alone and never leave through the dataspace
listener.  Part of `connector.records`, which is where to import these from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .evidence import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiable:
    """One shell, submodel or concept description; `id` is `<sort>|<its own id>`.  Its files are documents that it owns."""

    kind: ClassVar[str] = "identifiable"
    id: str
    version: int = 0
    sort: str  # shell | submodel | concept
    name: str  # its own id
    content: str  # Normal JSON text
    links: tuple[str, ...] = ()  # of a shell: `name=value` of its asset ids
    changed: datetime

    def keys(self) -> Keys:
        return {"sort": self.sort, "link": self.links}
