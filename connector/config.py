"""The node's settings: one file and the environment, read once into one frozen object.

`saltbridge.toml` in the home, over it `SALTBRIDGE_SECTION__KEY`.  A key nobody knows is refused with the nearest
one that exists; every value remembers where it came from.  Adapters receive plain values, never this object.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from .errors import Misconfigured
from .settings import DEMO_MARK, KEYS, KNOWN, SECTIONS, Address, Config, did_web, parse_address

__all__ = [
    "DEMO_MARK",
    "FILE",
    "KEYS",
    "Address",
    "Config",
    "check_profile",
    "demo_keys",
    "did_web",
    "load",
    "parse_address",
    "read",
    "read_token",
    "rows",
]

FILE = "saltbridge.toml"
PREFIX = "SALTBRIDGE_"


def load(home: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The settings of the node in `home`; raises Misconfigured naming the key, the place and the fix."""
    path = home / FILE
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except FileNotFoundError as error:
        raise Misconfigured(f"There is no node in {home}.", f"{path} does not exist.", f"saltbridge --home {home} init") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read.", str(error), "Mend that place in the file.") from error
    return read(tree, os.environ if environ is None else environ, home, _lines(text))


def read(tree: Mapping[str, Any], environ: Mapping[str, str], home: Path, lines: Mapping[str, int] | None = None) -> Config:
    """The same from a parsed file; `lines` says where each key stands."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value in _flat(tree):
        origins[key] = f"{FILE}:{lines[key]}" if lines and key in lines else FILE
        _known(key, origins[key])
        values[key] = value
    for name, value in sorted(environ.items()):
        key = _environment_key(name)
        if key:
            values[key], origins[key] = value, name
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    for key, source in (("dataspace.public_url", "dataspace.listen"), ("participant.id", "dataspace.public_url")):
        if not values.get(key):
            origins[key] = f"from {source}"
    try:
        config = Config(home=home, origins={key: origins.get(key, "default") for key in KNOWN}, **nested)
    except ValidationError as error:
        _refuse(error, origins)
    _consistent(config)
    return config


def rows(config: Config) -> list[dict[str, Any]]:
    """What `saltbridge config show` prints: key, value, origin; a password in the store's address is masked."""
    shown = []
    for key in KNOWN:
        value: Any = config
        for step in key.split("."):
            value = getattr(value, step)
        if key == "store.url":
            value = re.sub(r"(//[^:/@]*):[^@]*@", r"\1:***@", value)
        value = list(value) if isinstance(value, tuple) else value
        shown.append({"key": key, "value": value, "origin": config.origins[key]})
    return shown


def check_profile(config: Config, *, demo_keys: bool) -> None:
    """`profile = "production"` refuses what only a demo may do; names every reason.  Misconfigured."""
    if config.profile != "production":
        return
    found = []
    if demo_keys:
        found.append(f"the keys in {config.keys} were made for a demo: make new ones with a new home")
    if config.dataspace.tls == "off":
        found.append('dataspace.tls is "off": set "own" with certificate files, or "proxy" behind a TLS proxy')
    elif not config.dataspace.public_url.startswith("https:"):
        found.append("dataspace.public_url is not https")
    if not config.operator.address.loopback:
        if not config.operator.tls_cert:
            found.append(
                f"operator.listen {config.operator.listen} is reachable from outside without TLS: set operator.tls_cert and tls_key"
            )
        if not config.operator.exposed:
            found.append(f"operator.listen {config.operator.listen} is reachable from outside: say exposed = true if that is meant")
    if found:
        raise Misconfigured(
            'profile = "production" refuses to start.',
            "; ".join(found),
            f'Mend these, or set profile = "development" in {config.home / FILE}.',
            details=found[1:] and [f"{len(found)} reasons"],
        )


def demo_keys(config: Config) -> bool:
    """Were this home's keys made by `init --profile demo`?"""
    return (config.keys / DEMO_MARK).exists()


def read_token(config: Config) -> str:
    """The operator's token; Misconfigured when it is missing, too short, or readable by others."""
    path = config.home / config.operator.token_file
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        fix = f"Write a long random word into {path} and chmod 600 it."
        raise Misconfigured(f"The operator token {path} cannot be read.", str(error), fix) from error
    if mode & 0o077:
        raise Misconfigured(f"The operator token {path} can be read by others.", f"Its mode is {mode:04o}.", f"chmod 600 {path}")
    if len(token) < 16:
        raise Misconfigured(f"The operator token in {path} is too short to be safe.", next="Write at least 16 random characters into it.")
    return token


# --- keys and places -----------------------------------------------------------------------------


def _flat(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and name not in KNOWN:
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
            if not value and name not in SECTIONS:
                yield name, value
        else:
            yield name, value


def _lines(text: str) -> dict[str, int]:
    """Where each key stands: good for the plain layout; other layouts are named by file only."""
    found: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            section = head[1] + "."
            if section.startswith("participant.claims"):
                found.setdefault("participant.claims", number)
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            found.setdefault(section + key[1], number)
    return found


def _known(key: str, origin: str) -> None:
    if key in KNOWN:
        return
    if key in SECTIONS:
        raise Misconfigured(f"{key} in {origin} is a section, not a setting.", next=f"Write [{key}] and its settings below it.")
    section, _, name = key.rpartition(".")
    near = get_close_matches(key, KNOWN, n=1, cutoff=0.6)
    same = [known for known in KNOWN if known.rpartition(".")[2] == name]
    suggestion = (near or same or [""])[0]
    siblings = ", ".join(known for known in KNOWN if known.startswith(f"{section}.")) if section in SECTIONS else ""
    next = f"Did you mean {suggestion}?" if suggestion else f"Known here: {siblings or ', '.join(sorted(SECTIONS))}."
    raise Misconfigured(f"{origin} sets {key}, which is no setting.", next=next, code="config.unknown", where=origin)


def _environment_key(name: str) -> str:
    """The setting an environment variable means, or "" for one that is not ours; refuses a mistyped one."""
    if not name.startswith(PREFIX):
        return ""
    rest = name.removeprefix(PREFIX).lower()
    if "__" in rest:
        key = rest.replace("__", ".", 1)
        _known(key, name)
        return key
    if rest in KNOWN:
        return rest
    if meant := next((key for key in KNOWN if "." in key and rest == key.replace(".", "_")), ""):
        correct = PREFIX + meant.replace(".", "__").upper()
        raise Misconfigured(
            f"{name} is no setting.", "Section and key are joined by two underscores.", f"Did you mean {correct}?", code="config.unknown"
        )
    return ""  # SALTBRIDGE_HOME and what else the command line knows


# --- values --------------------------------------------------------------------------------------


def _refuse(error: ValidationError, origins: Mapping[str, str]) -> NoReturn:
    """The first value that does not fit, in words."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False):
        key = ".".join(str(step) for step in problem["loc"][:2])
        key = key if key in KNOWN else key.partition(".")[0]
        problems.append(f"{key} ({origins.get(key, 'default')}): {problem['msg'].removeprefix('Value error, ')}")
    raise Misconfigured("A setting has a value that does not fit.", problems[0], "Mend it and start again.", details=problems[1:])


def _consistent(config: Config) -> None:
    """What no profile allows: half a TLS set-up, or two listeners on one port."""
    dataspace, operator = config.dataspace, config.operator
    if dataspace.tls == "own" and not (dataspace.tls_cert and dataspace.tls_key):
        raise Misconfigured(
            'dataspace.tls is "own" without certificate files.', next="Set dataspace.tls_cert and dataspace.tls_key (PEM files)."
        )
    https = dataspace.public_url.startswith("https:")
    if dataspace.tls == "proxy" and not https:
        raise Misconfigured(
            'dataspace.tls is "proxy", but dataspace.public_url is not https.', next="Set public_url to the proxy's https address."
        )
    if dataspace.tls == "off" and https:
        next = 'Set tls = "proxy" if a proxy ends TLS for this node, or "own" with certificate files.'
        raise Misconfigured('dataspace.public_url is https, but dataspace.tls is "off".', next=next)
    if bool(operator.tls_cert) != bool(operator.tls_key):
        raise Misconfigured("operator.tls_cert and operator.tls_key go together.", "Only one of the two is set.", "Set both, or none.")
    both = {dataspace.address.host, operator.address.host}
    if dataspace.address.port == operator.address.port != 0 and (len(both) == 1 or dataspace.address.wildcard or operator.address.wildcard):
        raise Misconfigured(
            "Both listeners are set to one port.",
            f"dataspace.listen and operator.listen are both {operator.address.port}.",
            "Change one of them.",
        )
