"""What floor 0 cannot read becomes an error of ours: its `Invalid` says where, what and next, and so does `Malformed`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time

import catalog.errors
import policies.errors
import submodels.errors
from connector.errors import Malformed

# Ids that we mint, and names that go into them (decisions.md, *Names and addresses*).
_ID = re.compile(r"[A-Za-z0-9._~:-]{1,120}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
END_OF_DAY = time(23, 59, 59)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise Malformed in place of the `Invalid` of floor 0; `what` names the thing that is read."""
    try:
        yield
    except (submodels.errors.Invalid, policies.errors.Invalid, catalog.errors.Invalid) as error:
        raise Malformed(f"{what} cannot be read.", error.what, error.next, code="input.invalid", where=error.where) from error


def checked_id(what: str, text: str) -> str:
    """An id of our alphabet; Malformed otherwise."""
    if not _ID.fullmatch(text):
        raise Malformed(
            f"{what} cannot be an id here: {text!r}.", "Ids are letters, digits and -._~: only, at most 120.", code="input.invalid"
        )
    return text


def checked_name(what: str, text: str) -> str:
    """A short name: small letters, digits and hyphens; it becomes a part of ids."""
    if not _NAME.fullmatch(text):
        raise Malformed(
            f"{what} cannot be a name here: {text!r}.",
            "Names are small letters, digits and hyphens, at most 64.",
            "Choose one like dismantling or second-life.",
            code="input.invalid",
        )
    return text


def instant(text: str, *, field: str = "until") -> datetime:
    """An aware instant; a bare date means its last second in UTC (`2027-12-31` is 2027-12-31T23:59:59Z)."""
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(datetime.fromisoformat(text).date(), END_OF_DAY, UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Malformed(
            f"{field} is not a date: {text!r}.",
            next="Write 2027-12-31, or an instant with its offset like 2027-12-31T12:00:00Z.",
            code="input.invalid",
            where=field,
        )
    return moment.astimezone(UTC)
