"""What a node keeps, as frozen data.  Every record has a kind, an id, a version and keys to find it by.

`version` is the store's: 0 means not stored yet, `put` compares and swaps on it.  `keys()` names what
`find` may ask for.  Policies are kept as the plain ODRL JSON they were agreed in; instants are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from .beside import Identifiable as Identifiable
from .evidence import AuditEntry as AuditEntry
from .evidence import Backup as Backup
from .evidence import Decision as Decision
from .evidence import Json as Json
from .evidence import Keys as Keys
from .evidence import Note as Note
from .evidence import Received as Received
from .evidence import Step as Step
from .holdings import Battery as Battery
from .holdings import Document as Document
from .holdings import Event as Event
from .holdings import Layer as Layer
from .holdings import Model as Model
from .holdings import Past as Past
from .holdings import Used as Used
from .holdings import batch_owner as batch_owner

# --- who -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another node that the operator trusts; `id` is its participant id (a DID)."""

    kind: ClassVar[str] = "peer"
    id: str
    version: int = 0
    name: str
    address: str  # DSP base URL, no trailing slash
    origins: tuple[str, ...]  # scheme://host:port where its messages may be sent
    data_origins: tuple[str, ...] = ()  # further origins of its data plane
    key: Json  # public JWK (EC P-256)
    next_key: Json | None = None  # announced for rotation
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # vouched by us: {"role": ("recycler",)}
    wishes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what its card says of itself; never believed
    blocked: str = ""  # why messages are refused; empty when trusted
    card: Json = field(default_factory=dict)
    added: datetime

    def keys(self) -> Keys:
        return {"name": self.name, "address": self.address}


# --- what we offer -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An attribute grant's canonical bytes; `id` is their digest (43 characters)."""

    kind: ClassVar[str] = "grant"
    id: str
    version: int = 0
    content: str  # RFC 8785 text

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A name for a grant; the name may move on, old grants stay."""

    kind: ClassVar[str] = "view"
    id: str  # "dismantling"
    version: int = 0
    title: str
    grant: str  # digest
    expectations: Json = field(default_factory=dict)  # {"must": [...], "must_not": [...]}

    def keys(self) -> Keys:
        return {"grant": self.grant}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What a dataset is made of: a view asset (scope x grant) or a plain one (an HttpData address)."""

    kind: ClassVar[str] = "asset"
    id: str  # dataset id; of a view asset `<scope>.<digest>`
    version: int = 0
    form: str  # view | plain
    scope: str = ""  # "model.EV-72" | "battery.EV-72.000017" (view assets)
    grant: str = ""  # digest (view assets)
    view: str = ""  # the view's name at the time of offering
    title: str = ""
    properties: Json = field(default_factory=dict)
    private_properties: Json = field(default_factory=dict)  # for the operator's own programs, never in a catalog
    data_address: Json = field(default_factory=dict)  # plain assets
    sealed: str = ""  # what the data address keeps secret, encrypted (connector.seal)
    definitions: tuple[str, ...] = ()  # contract definitions that select it (materialised on every write)
    withdrawn: bool = False
    created: datetime | None = field(default=None, compare=False)

    def keys(self) -> Keys:
        return {"form": self.form, "definition": self.definitions, "scope": self.scope, "view": self.view, "grant": self.grant}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDefinition:
    """Terms under a name: ODRL rules without target (`permission`, `prohibition`, `obligation`)."""

    kind: ClassVar[str] = "policy"
    id: str
    version: int = 0
    policy: Json
    warnings: tuple[str, ...] = ()  # e.g. operands that nobody can satisfy
    created: datetime | None = field(default=None, compare=False)

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDefinition:
    """Which assets x who may see the offer x under which terms."""

    kind: ClassVar[str] = "definition"
    id: str
    version: int = 0
    access_policy: str  # PolicyDefinition id
    contract_policy: str  # PolicyDefinition id
    assets: tuple[str, ...] = ()  # asset ids named one by one (view assets are only ever named)
    selector: tuple[Json, ...] = ()  # EDC criteria over plain assets
    confirm: str = "auto"  # auto | ask
    created: datetime | None = field(default=None, compare=False)

    def keys(self) -> Keys:
        return {"policy": (self.access_policy, self.contract_policy)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A value that plain assets' data addresses name; kept encrypted, given to sources only."""

    kind: ClassVar[str] = "secret"
    id: str
    version: int = 0
    sealed: str  # connector.seal
    created: datetime

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecificAssetId:
    """An asset id that the operator added to a battery; `id` is `<battery>/<name>=<value>`.  Closed until a rule opens its name."""

    kind: ClassVar[str] = "assetid"
    id: str
    version: int = 0
    battery: str
    name: str  # "customerPartId"
    value: str

    def keys(self) -> Keys:
        return {"battery": self.battery, "link": f"{self.name}={self.value}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetIdRule:
    """Who may read the asset ids of one name that the operator added; `id` is the name."""

    kind: ClassVar[str] = "assetidrule"
    id: str
    version: int = 0
    policy: str  # PolicyDefinition id

    def keys(self) -> Keys:
        return {"policy": self.policy}


# --- conversations -------------------------------------------------------------------------------

ENDED = frozenset({"FINALIZED", "COMPLETED", "TERMINATED"})  # states of both protocols that nothing follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one end of a conversation stands (protocol.machine.Position in words) and the last words said."""

    state: str = ""  # agreed state, "" before the opening was acknowledged
    sent: str = ""  # our message that is still able to move us
    waiting: bool = False  # an HTTP answer is outstanding
    last: str = ""  # digest of the last message applied
    heard: tuple[str, ...] = ()  # digests of all messages applied: a late copy of an older one changes nothing either
    code: str = ""  # why it ended or was suspended
    reason: tuple[str, ...] = ()
    by: str = ""  # us | peer
    crossed: bool = False  # a message of theirs crossed ours: compare states once ours is answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation:
    """A contract negotiation at our end; `id` is our own pid."""

    kind: ClassVar[str] = "negotiation"
    id: str
    version: int = 0
    side: str  # consumer | provider
    peer: str  # participant id
    peer_pid: str = ""
    address: str  # where the peer is called: its DSP base or callback
    place: Place
    dataset: str
    offer: Json  # the terms that stand: MessageOffer JSON (@id, target, permission ...)
    asked: Json = field(default_factory=dict)  # consumer: what we asked for last; provider: what they asked for last
    offered: Json = field(default_factory=dict)  # provider: the stored offer it began with
    offered_again: bool = False  # the one counter-offer has been made
    agreement: Json = field(default_factory=dict)  # the DSP agreement once AGREED
    grant: str = ""  # the grant's canonical text (consumer: as fetched and checked; provider: stored)
    view: str = ""  # the view's name, as the provider calls it
    purpose: tuple[str, ...] = ()  # declared by accepting
    approved: bool = False  # an operator said yes where the definition asks for one
    waits_for: str = ""  # "operator" when a person has to decide
    why_waiting: tuple[str, ...] = ()
    ending: Json = field(default_factory=dict)  # {"code", "reason"}: we end it as soon as what is under way is answered
    decision: str = ""  # id of the last decision
    opened: datetime
    changed: datetime

    def keys(self) -> Keys:
        return {
            "peer": self.peer,
            "state": self.place.state or "OPENING",
            "dataset": self.dataset,
            "side": self.side,
            "waits_for": self.waits_for,
            "open": () if self.place.state in ENDED else self.peer,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A contract agreement, FINALIZED or about to be; `id` is the provider's agreement id."""

    kind: ClassVar[str] = "agreement"
    id: str
    version: int = 0
    side: str
    peer: str
    negotiation: str
    dataset: str  # target
    assigner: str
    assignee: str
    policy: Json  # the whole DSP Agreement
    offer_id: str = ""
    scope: str = ""
    grant: str = ""  # canonical text of the attribute grant; "" for a plain asset
    view: str = ""  # the view's name when it was agreed
    purpose: tuple[str, ...] = ()
    state: str = "AGREED"  # AGREED | FINALIZED | TERMINATED
    signed: datetime  # the agreement's timestamp
    retired: datetime | None = None
    retired_by: str = ""  # participant id
    retired_why: str = ""

    def keys(self) -> Keys:
        return {"peer": self.peer, "dataset": self.dataset, "state": self.state, "side": self.side}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer process at our end; `id` is our own pid."""

    kind: ClassVar[str] = "transfer"
    id: str
    version: int = 0
    side: str
    peer: str
    peer_pid: str = ""
    address: str
    place: Place
    agreement: str
    format: str
    data_address: Json = field(default_factory=dict)  # consumer: as the start message gave it
    generation: int = 0  # of the data token; grows with every start
    suspended_by: str = ""  # us | peer, while SUSPENDED
    renew: bool = False  # provider: the consumer resumed, a start with a fresh address is owed
    ending: Json = field(default_factory=dict)  # {"code", "reason"}: we end it as soon as what is under way is answered
    decision: str = ""
    opened: datetime
    changed: datetime

    def keys(self) -> Keys:
        return {
            "peer": self.peer,
            "state": self.place.state or "OPENING",
            "agreement": self.agreement,
            "side": self.side,
            "open": () if self.place.state in ENDED else self.peer,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """An opening message, recognised by peer and their pid; `id` is `<process kind>|<peer>|<their pid>`."""

    kind: ClassVar[str] = "opening"
    id: str
    version: int = 0
    process: str  # our pid
    digest: str  # of the content apart from @id

    def keys(self) -> Keys:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Something to do after a commit: send a message, or take our turn.  Born leased (house.md 4)."""

    id: str
    process_kind: str  # negotiation | transfer
    process: str
    purpose: str  # send | turn | farewell
    message: str = ""  # protocol Message value (send, farewell)
    path: str = ""  # below the peer's address (send, farewell)
    body: str = ""  # JSON text, the same on every re-send
    attempts: int = 0
    refusals: int = 0  # answers of `refused_with` in a row
    refused_with: int = 0  # 401, 404 or 409, as the answer rules count them; 0 when the last trouble was another
    first_attempt: datetime | None = None
    posted: datetime
    due: datetime
    last_error: str = ""
