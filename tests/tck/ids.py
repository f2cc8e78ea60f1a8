"""The scenarios of the official Dataspace Protocol kit 1.0.1 by their ids, our own copy of the list."""

from __future__ import annotations

from pathlib import Path

IDS: tuple[str, ...] = tuple((Path(__file__).parent / "dsp-ids.txt").read_text("utf-8").split())
DISABLED = ("TP:02-04", "TP_C:02-04")  # marked @Disabled in the kit; it runs them when it is told to
