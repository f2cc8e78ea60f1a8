"""The figures of `scripts/bench`, in the order of its table: a module each, or one for figures that come out of the same runs.

A module says which figures it makes (`NAMES`) and makes them (`measure(plan, stores)`, a generator of `figure.Figure`).  Figures of
its own beside the two stores are made once where it says `STORES = ("postgres",)`.  Adding one: write the module, add its row here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from scripts.lib.bench_pair import Stores

from .figure import Figure, Plan

MODULES = ("start", "alone", "crowd", "pulls", "values", "imports", "lookups", "pages", "processes")
STORES = ("sqlite", "postgres")


@dataclass(frozen=True, slots=True)
class Group:
    """What is measured together."""

    names: tuple[str, ...]
    measure: Callable[[Plan, Stores], Generator[Figure, None, None]]
    stores: tuple[str, ...]


def groups(modules: Sequence[str] = MODULES) -> tuple[Group, ...]:
    """Every module's figures; ValueError when two make one of the same name."""
    found: list[Group] = []
    for name in modules:
        module = importlib.import_module(f"{__name__}.{name}")
        found.append(Group(module.NAMES, module.measure, getattr(module, "STORES", STORES)))
    names = [name for group in found for name in group.names]
    if len(names) != len(set(names)):
        raise ValueError(f"two figures of one name among {', '.join(sorted(names))}")
    return tuple(found)
