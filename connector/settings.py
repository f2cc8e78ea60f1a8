"""What can be set: each setting's name, type and default, section by section.

Pure values; where they come from is `connector.config`'s business.  Frozen once read.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

KEYS = "keys"  # folder of the home
DEMO_MARK = "DEMO"  # file among the keys that says they were made for a demo


class Address(NamedTuple):
    """Where a listener binds."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def wildcard(self) -> bool:
        return self.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def parse_address(text: str) -> Address:
    """`host:port`, `[ipv6]:port` or `:port` (every address); ValueError otherwise."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('is not an address: write it as "127.0.0.1:7401"')
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare and not (host.startswith("[") and host.endswith("]")):
        raise ValueError('has an IPv6 address without brackets: write it as "[::1]:7401"')
    return Address(bare or "0.0.0.0", int(port))  # noqa: S104 - what an empty host means


def _listen(text: str) -> str:
    parse_address(text)
    return text


def _public_url(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http or https address")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment or ".." in parts.path:
        raise ValueError("may hold host, port and path only")
    _ = parts.port  # raises ValueError for a port that is none
    return text.rstrip("/")


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ipaddress.ip_network(value)
    return values


def _split(value: Any) -> Any:
    """An environment variable holds a list as `a, b` or as JSON; a file as a list."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [item.strip() for item in value.split(",") if item.strip()]


def _claims(value: Any) -> Any:
    """`{role = "recycler"}` or `{role = ["recycler"]}`; from the environment `role=recycler,role=supplier` or JSON."""
    if isinstance(value, str):
        if value.lstrip().startswith("{"):
            value = json.loads(value)
        else:
            pairs = [item.partition("=") for item in _split(value)]
            value = {name.strip(): [v.strip() for n, _, v in pairs if n == name] for name, _, _ in pairs}
    if isinstance(value, dict):
        return {name: [claimed] if isinstance(claimed, str) else claimed for name, claimed in value.items()}
    return value


def _store_url(text: str) -> str:
    if not re.match(r"sqlite:.+|postgres(ql)?://.+", text):
        raise ValueError('names no store: write it as "sqlite:saltbridge.db"')
    if text.startswith("postgres"):
        from connector.storage import hosts  # nothing but text is read there

        hosts.check(text)
    return text


Listen = Annotated[str, AfterValidator(_listen)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_networks)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Participant(Section):
    id: str = ""  # did:web of the public address when empty
    name: str = "node"  # what people call this node
    claims: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_claims)] = {}  # what peers are asked to vouch for, a wish


class Dataspace(Section):
    listen: Listen = "127.0.0.1:7401"  # the side that peers call
    public_url: Annotated[str, AfterValidator(_public_url)] = ""  # from `listen` when empty
    tls: Literal["own", "proxy", "off"] = "off"  # own: certificate files; proxy: TLS ends before this node; off: never in production
    tls_cert: str = ""  # PEM chain, for tls = own
    tls_key: str = ""  # its key

    @property
    def address(self) -> Address:
        return parse_address(self.listen)


class Operator(Section):
    listen: Listen = "127.0.0.1:7402"  # the side that you call; needs the token
    tls_cert: str = ""  # PEM chain; TLS when given
    tls_key: str = ""  # its key
    token_file: str = "operator.token"  # noqa: S105 - a file name below the home
    hosts: Strings = ()  # names it answers to; when empty, the listen address and localhost
    exposed: bool = False  # production: admit an address that others can reach (with TLS)

    @property
    def address(self) -> Address:
        return parse_address(self.listen)

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """The `Host` values that are answered: `hosts`, else the listen address and localhost."""
        own = (self.address.host,) if not self.address.wildcard else ()
        return self.hosts or (*own, "localhost", "127.0.0.1")


class Store(Section):
    url: Annotated[str, AfterValidator(_store_url)] = "sqlite:saltbridge.db"  # a file below the home, or sqlite::memory:
    synchronous: Literal["FULL", "NORMAL"] = "FULL"  # FULL survives power loss, NORMAL a crash of the process


class Identity(Section):
    key_days: Annotated[int, Field(ge=1)] = 365  # days that a signing key should serve: then rotate it
    adapter: Literal["static"] = "static"  # keys on cards that operators exchange


class Outbound(Section):
    allow_private: Networks = ()  # networks that may be called beside public addresses, like 10.0.0.0/8
    timeout: Annotated[float, Field(gt=0, le=300)] = 10.0  # seconds, a whole call
    max_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024  # bytes of an answer, counted after inflating
    tls_ca: str = ""  # PEM file of authorities that are trusted beside the system's


class Negotiation(Section):
    accept: Strings = ()  # operands that are accepted without asking the operator


class Limits(Section):
    """`connector.ports.Limits` and what only the listeners need."""

    message_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024  # of a message, in bytes
    message_depth: Annotated[int, Field(ge=8, le=512)] = 64  # levels of its nesting
    message_nodes: Annotated[int, Field(ge=100)] = 100_000  # values in it, keys not counted
    text_bytes: Annotated[int, Field(ge=64)] = 2048  # kept of a reason or name that a peer wrote
    open_processes: Annotated[int, Field(ge=1)] = 1000  # per peer and protocol
    page: Annotated[int, Field(ge=1, le=10_000)] = 100  # datasets on a page of the catalog
    connections: Annotated[int, Field(ge=16, le=100_000)] = 1000  # open at a time, at each listener
    upload_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024  # bytes of an import at the operator side


class Retention(Section):
    processes: Annotated[int, Field(ge=0)] = 400  # days that finished conversations and their timelines are kept; 0: for ever
    decisions: Annotated[int, Field(ge=0)] = 400  # days that decisions are kept with their facts, for explain
    received: Annotated[int, Field(ge=0)] = 400  # days that received data is kept whose agreement is over


class Dataplane(Section):
    plain_assets: bool = False  # assets of EDC clients, granted whole and proxied; no attribute grant protects them


class Config(Section):
    """All settings of one node; paths in it are relative to `home`."""

    home: Path
    origins: Mapping[str, str]  # "dataspace.listen" -> "default" | "saltbridge.toml:12" | "SALTBRIDGE_DATASPACE__LISTEN"
    profile: Literal["demo", "development", "production"] = "development"  # production refuses what only a trial may do
    participant: Participant = Participant()
    dataspace: Dataspace = Dataspace()
    operator: Operator = Operator()
    store: Store = Store()
    identity: Identity = Identity()
    outbound: Outbound = Outbound()
    negotiation: Negotiation = Negotiation()
    limits: Limits = Limits()
    retention: Retention = Retention()
    dataplane: Dataplane = Dataplane()

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: dict[str, Any]) -> dict[str, Any]:
        """The public address follows from the listener, the participant id from the public address."""
        dataspace = dict(data.get("dataspace", {}))
        participant = dict(data.get("participant", {}))
        if not dataspace.get("public_url"):
            dataspace["public_url"] = _url_of(dataspace)
        if not participant.get("id"):
            participant["id"] = did_web(str(dataspace["public_url"]))
        return {**data, "dataspace": dataspace, "participant": participant}

    @property
    def keys(self) -> Path:
        return self.home / KEYS

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for a store in memory or elsewhere."""
        scheme, _, rest = self.store.url.partition(":")
        return self.home / rest if scheme == "sqlite" and rest != ":memory:" else None

    def path(self, name: str) -> Path | None:
        """A file named in the settings, relative to the home; None for an empty name."""
        return self.home / name if name else None


def did_web(url: str) -> str:
    """`https://maker.example:8443/x` -> `did:web:maker.example%3A8443:x`; empty for what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    steps = [quote(step, safe="") for step in parts.path.split("/") if step]
    return ":".join(["did:web", quote(parts.netloc, safe=""), *steps]) if parts.netloc else ""


def _url_of(dataspace: Mapping[str, Any]) -> str:
    try:
        address = parse_address(str(dataspace.get("listen") or Dataspace().listen))
    except ValueError:
        return ""  # `listen` is refused by its own check
    host = "localhost" if address.loopback or address.wildcard else address.host
    return f"{'https' if dataspace.get('tls') == 'own' else 'http'}://{f'[{host}]' if ':' in host else host}:{address.port}"


def _keys_of_models() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        if name in {"home", "origins"}:
            continue
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from (f"{name}.{key}" for key in section.model_fields)
        else:
            yield name


KNOWN = tuple(_keys_of_models())
SECTIONS = frozenset(key.partition(".")[0] for key in KNOWN if "." in key)
