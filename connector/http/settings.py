"""What the two listeners need to know besides the world: plain values that `connector.node` takes from the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    card: Callable[[], Mapping[str, Any]]  # this node's peer card (its DID document), as it is now
    token: str  # the operator's
    hosts: tuple[str, ...]  # `Host` values the operator listener answers to, with or without a port
    upload_bytes: int = 256 * 1024 * 1024  # an import
    json_bytes: int = 4 * 1024 * 1024  # any other write of the operator
