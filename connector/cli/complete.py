"""Completion of names and ids from the running node; silent and quick when there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from connector.errors import SaltbridgeError
from connector.text import short

from .client import Client

SECONDS = 1.0


def _from(path: str, key: str, about: str) -> Callable[[str], list[tuple[str, str]]]:
    """A completer over a list of the operator API: the value under `key`, with the value under `about` as help."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        try:
            rows = replace(Client.from_home(), timeout=SECONDS).get(path)
        except (SaltbridgeError, OSError):
            return []
        found = [(short(str(row.get(key, ""))), str(row.get(about, ""))) for row in rows]
        return [each for each in found if each[0].startswith(incomplete)]

    return complete


peers = _from("/peers", "name", "id")
negotiations = _from("/negotiations", "id", "title")
transfers = _from("/transfers", "id", "state")
models = _from("/passports", "model", "status")
views = _from("/views", "view", "title")
policies = _from("/policies", "policy", "terms")


def batteries(incomplete: str) -> list[tuple[str, str]]:
    """Our own batteries, by id."""
    try:
        rows = replace(Client.from_home(), timeout=SECONDS).get("/passports")
    except (SaltbridgeError, OSError):
        return []
    ids = [(str(each["battery"]), str(row["model"])) for row in rows for each in row["batteries"]]
    return [each for each in ids if each[0].startswith(incomplete)]
