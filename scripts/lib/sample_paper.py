"""One document of the sample battery EV-72: its place in Part 2 and the PDF made of it.

Everything here is invented; the companies exist only under `.example`.  Each document carries a control code of its
own, on a line by itself, so that a search over bytes can tell whether that document was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.lib.pdf import Section, document

BRAND = "Halden Cells"


@dataclass(frozen=True)
class Paper:
    """One document: its place in Part 2 (Handover Documentation) and its content."""

    kind: str
    identifier: str
    filename: str
    title: str
    title_de: str
    subtitle: str
    description: str
    version: str
    issued: str  # YYYY-MM-DD
    code: str  # the control code printed on it
    class_id: str
    class_name: str
    domain: str
    sections: Sequence[Section]

    @property
    def pdf(self) -> bytes:
        facts = [
            ("Document", self.identifier),
            ("Version", self.version),
            ("Issued", self.issued),
            ("Battery model", "EV-72, traction battery for passenger cars"),
            ("Control code", self.code),
        ]
        return document(
            title=self.title,
            brand=BRAND,
            facts=facts,
            sections=self.sections,
            footer=f"{self.identifier} - {self.code}",
            date=self.issued.replace("-", ""),
        )
