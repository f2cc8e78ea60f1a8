"""`saltbridge init`: makes a node's home - keys, settings, operator token, database - or changes nothing.

Everything is made in a folder beside its place and moved in at the end, the settings last: a home is whole or absent.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from connector.settings import Config

Profile = Literal["demo", "development", "production"]
Home = Annotated[Path | None, typer.Option("--home", metavar="DIR", envvar="SALTBRIDGE_HOME", help="The node's folder.")]

DATABASE = "saltbridge.db"
TOKEN = "operator.token"  # noqa: S105 - a file name


@dataclass(frozen=True, slots=True)
class Made:
    """What a new home holds."""

    home: Path
    config: Config


def init(
    home: Home = None,
    name: Annotated[str, typer.Option("--name", help="What people call this node.")] = "",
    id: Annotated[str, typer.Option("--id", help="Participant id; did:web of the public address when left out.")] = "",
    port: Annotated[int, typer.Option("--port", min=1, max=65534, help="Dataspace port.")] = 7401,
    operator_port: Annotated[int, typer.Option("--operator-port", min=0, max=65535, help="Operator port; the next one when left out.")] = 0,
    public_url: Annotated[str, typer.Option("--public-url", help="Where peers reach this node, e.g. https://maker.example")] = "",
    allow_private: Annotated[
        list[str] | None,
        typer.Option("--allow-private", metavar="NETWORK", help="Private network it may call, like 127.0.0.0/8; repeatable."),
    ] = None,
    claim: Annotated[
        list[str] | None, typer.Option("--claim", metavar="NAME=VALUE", help="What peers are asked to vouch for; repeatable.")
    ] = None,
    profile: Annotated[Profile, typer.Option("--profile", help="production refuses what only a trial may do.")] = "development",
) -> None:
    """Make a node: keys, configuration, database.

    Example: saltbridge --home maker init --name maker --port 7401
    """
    from connector.cli.client import home_dir

    made = make(
        home or home_dir(), name=name, id=id, port=port, operator_port=operator_port, public_url=public_url,
        allow_private=allow_private or (), claims=_claims(claim or ()), profile=profile,
    )  # fmt: skip
    for line in report(made):
        print(line)


def make(
    home: Path,
    *,
    name: str = "",
    id: str = "",
    port: int = 7401,
    operator_port: int = 0,
    public_url: str = "",
    allow_private: Sequence[str] = (),
    claims: Mapping[str, Sequence[str]] | None = None,
    profile: Profile,
) -> Made:
    """Make the home of a node; Misconfigured when there is one already, or when a value does not fit.  Nothing is overwritten."""
    from connector.config import FILE, KEYS, load
    from connector.errors import Misconfigured

    for taken in (FILE, KEYS, TOKEN, DATABASE):
        if (home / taken).exists():
            next = f"saltbridge --home {home} serve starts it; choose another --home for a new one."
            raise Misconfigured(f"There is a node in {home} already.", f"{home / taken} exists and is never overwritten.", next)
    ports = (port, operator_port or port + 1)
    settings = render(name or home.resolve().name or "node", id, ports, public_url, allow_private, claims or {}, profile)
    with _workshop(home) as made:
        (made / FILE).write_text(settings, encoding="utf-8")
        config = load(made, {})
        _write_secret(made / TOKEN, secrets.token_urlsafe(32) + "\n")
        _make_keys(config)
        _make_database(config)
        for piece in sorted(made.iterdir(), key=lambda path: path.name == FILE):
            piece.rename(home / piece.name)
    return Made(home, load(home, {}))


def render(
    name: str, id: str, ports: tuple[int, int], public_url: str, allow_private: Sequence[str],
    claims: Mapping[str, Sequence[str]], profile: Profile,
) -> str:  # fmt: skip
    """The text of a new saltbridge.toml: what was asked for, and the rest as comments."""
    tls = "proxy" if public_url.startswith("https:") else "off"
    chosen_id = f"id = {_toml(id)}" if id else '# id = "did:web:..."                # left out: did:web of public_url'
    chosen_url = f"public_url = {_toml(public_url)}" if public_url else '# public_url = "https://maker.example"  # left out: from listen'
    private = (
        f"allow_private = {_toml(list(allow_private))}"
        if allow_private
        else '# allow_private = ["10.0.0.0/8"]  # else public addresses only'
    )
    claimed = ", ".join(f"{_toml(claim)} = {_toml(list(values))}" for claim, values in claims.items())
    wishes = f"claims = {{ {claimed} }}" if claimed else '# claims = { role = ["recycler"] }'
    return f"""\
# Settings of this node.  Each may also come from the environment: SALTBRIDGE_DATASPACE__LISTEN.
# `saltbridge config show` prints all of them, and where each value came from.

profile = {_toml(profile)}  # demo | development | production

[participant]
{chosen_id}
name = {_toml(name)}
{wishes}   # what peers are asked to vouch for; a wish, believed by nobody

[dataspace]                           # the side that peers call
listen = "127.0.0.1:{ports[0]}"
{chosen_url}
tls = {_toml(tls)}                           # own (certificate files) | proxy (TLS ends before this node) | off (never in production)
# tls_cert = "tls/chain.pem"
# tls_key = "tls/key.pem"

[operator]                            # the side that you call; needs the token
listen = "127.0.0.1:{ports[1]}"
token_file = "{TOKEN}"
# hosts = ["localhost"]               # names it answers to; left out: the listen address and localhost
# exposed = false                     # production: true admits an address that others can reach (with TLS)

[store]
url = "sqlite:{DATABASE}"
# synchronous = "FULL"                # FULL survives power loss, NORMAL a crash of the process

[outbound]
{private}
# timeout = 10.0                      # seconds a call may take
# max_bytes = 67108864
# tls_ca = "tls/authorities.pem"      # trusted beside the system's

# [retention]                         # days; 0: for ever.  Agreements and the audit chain are never forgotten
# processes = 400                     # finished conversations and their timelines
# decisions = 400                     # decisions with their facts, for explain
# received = 400                      # received data whose agreement is over

# [negotiation]
# accept = []                         # operands of terms that are accepted without asking you
"""


def report(made: Made) -> list[str]:
    """What was made, where, and what to type next."""
    config, home = made.config, made.home
    # The prompt is not in the home, so each next command names it.
    command = f"saltbridge --home {home}"
    return [
        f"Made the node {config.participant.name} in {home}",
        f"  settings  {home / 'saltbridge.toml'}",
        f"  keys      {config.keys}  (private, mode 0600)",
        f"  token     {home / config.operator.token_file}  (for the operator side, mode 0600)",
        f"  database  {config.database}",
        f"  id        {config.participant.id}",
        f"  address   {config.dataspace.public_url}  (operator side: {config.operator.listen})",
        *_lonely(config),
        "",
        "Next:",
        f"  {command} doctor",
        f"  {command} serve",
        f"  {command} peer card",
    ]


def _lonely(config: Config) -> list[str]:
    """A node that only this machine reaches has its peers here too, and calls none of them unless it is told that it may."""
    host = urlsplit(config.dataspace.public_url).hostname or ""
    if config.outbound.allow_private or not (host == "localhost" or host.startswith("127.") or host == "::1"):
        return []
    return ["  peers     none on this machine can be called without: init --allow-private 127.0.0.0/8 (or outbound.allow_private)"]


def _claims(given: Sequence[str]) -> dict[str, list[str]]:
    """`role=recycler` as a claim; several values of one name add up."""
    from connector.errors import Malformed

    claims: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise Malformed(f"{text!r} is no claim.", next="Write it as NAME=VALUE: --claim role=recycler", code="input.invalid")
        claims.setdefault(name.strip(), []).append(value.strip())
    return claims


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """A private folder inside the home that vanishes at the end; with it a home that was made for nothing."""
    from connector.errors import Misconfigured

    existed = home.is_dir()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not existed or not any(home.iterdir()):
            home.chmod(0o700)
        made = Path(tempfile.mkdtemp(prefix=".init-", dir=home))
    except OSError as error:
        raise Misconfigured(f"{home} cannot be made.", error.strerror or str(error), "Choose a --home you may write to.") from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if not existed and not any(home.iterdir()):
            home.rmdir()


def _make_keys(config: Config) -> None:
    from connector.config import DEMO_MARK
    from connector.offline import make_keys

    make_keys(config.keys)
    if config.profile == "demo":
        (config.keys / DEMO_MARK).write_text("Made for a demo: profile = production refuses these keys.\n", encoding="utf-8")


def _make_database(config: Config) -> None:
    from connector.offline import make_database

    if config.database is not None:
        make_database(config.database)


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)


def _toml(value: str | list[str]) -> str:
    """A basic string or an array of them; JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
