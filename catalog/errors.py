"""The one exception of this package: something could not be read as an id, a filter, a selector or a cursor."""

from __future__ import annotations


class Invalid(Exception):
    """Where it stands (JSON pointer or name), what is wrong with it, and what to do next."""

    def __init__(self, where: str, what: str, next: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what
        self.next = next
