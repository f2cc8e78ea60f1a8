"""Which assets a contract definition selects.

View assets are only ever named one by one: by the definition's list, or by a criterion on the id.  No selector, however
wide, reaches one by its properties, so that a slip in a selector cannot offer a view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from .criteria import Criterion, parse_criterion

Json = dict[str, Any]


class Definition(Protocol):
    @property
    def assets(self) -> Sequence[str]: ...
    @property
    def selector(self) -> Sequence[Json]: ...


class Asset(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def form(self) -> str: ...  # view | plain
    @property
    def properties(self) -> Mapping[str, Any]: ...


def parse_selector(json: Iterable[Any], where: str = "assetsSelector") -> tuple[Criterion, ...]:
    """The criteria of a selector; raises Invalid naming the one that cannot be read."""
    return tuple(parse_criterion(item, f"{where}/{index}") for index, item in enumerate(json))


def selects(definition: Definition, asset: Asset) -> bool:
    """True when the definition offers the asset; raises Invalid when its selector cannot be read.

    All criteria have to match.  A definition without criteria and without named assets means "all", as in EDC: all
    plain ones.  One that names assets means these and no more.
    """
    if asset.id in definition.assets:
        return True
    criteria = parse_selector(definition.selector)
    named = any(one.path == ("id",) and one.operator in ("=", "in") for one in criteria)
    if asset.form != "plain" and not named:
        return False
    if not criteria:
        return not definition.assets
    return all(one.matches(asset.id, asset.properties) for one in criteria)
