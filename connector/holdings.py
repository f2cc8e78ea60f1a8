"""What a node holds of its own passports: models, batteries, their values, their documents, and what all of it was before.

Part of `connector.records`, which is where to import these from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from .evidence import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A battery model: what all its items share."""

    kind: ClassVar[str] = "model"
    id: str  # "EV-72"
    version: int = 0
    category: str  # ev | lmt | industrial
    identifiers: Mapping[str, str] = field(default_factory=dict)  # manufacturer, operator, facility ...
    status: str = "draft"  # a state of submodels.lifecycle; it holds for every battery that has none of its own
    revision: int = 1
    changed: datetime
    made: datetime | None = None  # None: by a release that kept no history
    notes: tuple[str, ...] = ()  # findings kept for the operator (a draft says why it is one)
    ended: datetime | None = None  # superseded, archived or ceased: since when, and why
    why: str = ""
    successor: str = ""  # the address of the passport that follows this one, ours or another operator's
    predecessors: tuple[str, ...] = ()  # of those that it follows

    def keys(self) -> Keys:
        return {"status": self.status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """One item of a model; its id is minted at import: `EV-72.000017`."""

    kind: ClassVar[str] = "battery"
    id: str
    version: int = 0
    model: str
    serial: str
    aliases: tuple[str, ...] = ()  # every identifier it may be asked for by (serial, product URI, passport id)
    batch: str = ""  # the name of the batch it was made in; "" where nobody said
    batched: int = 0  # its revision that said so
    status: str = ""  # a state of its own; empty: as its model
    revision: int = 1
    changed: datetime
    made: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    successor: str = ""
    predecessors: tuple[str, ...] = ()

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose layers make its passport, the last one laid over the others: its model, its batch, itself."""
        return (self.model, *([batch_owner(self.model, self.batch)] if self.batch else []), self.id)

    def owners_at(self, of_model: int, own: int) -> tuple[tuple[str, int], ...]:
        """The same for a version of it, each with its revision; what a batch shares changes with the model's."""
        batch = batch_owner(self.model, self.batch) if self.batch and own >= self.batched else ""
        return ((self.model, of_model), *([(batch, of_model)] if batch else []), (self.id, own))

    def keys(self) -> Keys:
        return {"model": self.model, "serial": self.serial, "alias": (self.id, self.serial, *self.aliases)}


def batch_owner(model: str, name: str) -> str:
    """Whose the layers of a batch are: no id of ours holds a slash, so nothing else is called so."""
    return f"{model}/batch/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The values of one part at one level (model, batch or battery): `id` is `<owner>/<part>`."""

    kind: ClassVar[str] = "layer"
    id: str
    version: int = 0
    owner: str  # model id, `batch_owner`, or battery id
    part: str
    content: str  # $value JSON text with its number tokens, IDTA names
    since: int = 1  # the owner's revision that brought this content
    remainder: str = ""  # what only the operator's AAS export uses (JSON text)
    source: str = ""  # how this content came: folder, aasx, aas, csv, update ...
    at: datetime | None = None  # when
    who: str = ""  # and by whom

    def keys(self) -> Keys:
        return {"owner": self.owner}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file of a model or battery; its bytes are a blob named by their SHA-256."""

    kind: ClassVar[str] = "document"
    id: str  # minted by us: "EV-72.doc-dismantling-manual"
    version: int = 0
    owner: str  # model id or battery id
    identifier: str  # DocumentIdentifier as it stands in the passport
    document_kind: str  # one of the closed list of twelve, "" when unknown (then withheld)
    title: str
    filename: str
    media_type: str
    language: str = ""
    size: int  # bytes
    sha256: str  # hex
    since: int = 1  # the owner's revision that brought these bytes

    def keys(self) -> Keys:
        return {"owner": self.owner, "identifier": self.identifier}


# --- what was ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step in the life of a passport; `id` is `<owner>@<the owner's version>`.  The first import of a battery has none."""

    kind: ClassVar[str] = "event"
    id: str
    version: int = 0
    owner: str  # model id or battery id
    at: datetime
    act: str  # of submodels.lifecycle
    status: str  # afterwards, as the owner's record says it
    revision: int  # afterwards
    parts: tuple[str, ...] = ()  # whose values changed; `documents` for files
    why: str = ""

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a layer or document was before it was replaced, never changed again; `id` is `<id of the record>@<last>`."""

    kind: ClassVar[str] = "past"
    id: str
    version: int = 0
    since: int  # the owner's revisions that had it, first and last
    last: int
    layer: Layer | None = None
    document: Document | None = None
    sha256: str = ""  # of the document: its bytes stay

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """An identifier that was given once and is never given again, though what it named is gone."""

    kind: ClassVar[str] = "used"
    id: str  # the identifier
    version: int = 0
    of: str  # model or battery id
    at: datetime

    def keys(self) -> Keys:
        return {}
