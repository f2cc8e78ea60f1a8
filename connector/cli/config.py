"""`saltbridge config show`: every setting, its value, and where that came from."""

from __future__ import annotations

from .init import Home
from .table import Column, Json, print_json, table


def config_show(home: Home = None, as_json: Json = False) -> None:
    """Show every setting, its value, and where it came from (default, file and line, environment).

    Example: saltbridge --home maker config show
    """
    from connector.config import load, rows

    from .client import home_dir

    shown = rows(load(home or home_dir()))
    if as_json:
        print_json(shown)
        return
    table(shown, [Column("key", "SETTING"), Column("value", "VALUE"), Column("origin", "FROM")])
