"""What can be wrong: the one exception of this package, and the finding, which stops nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass


class Invalid(Exception):
    """Something a person wrote does not hold: where it stands, what is wrong, what to do next."""

    def __init__(self, where: str, what: str, next: str = "") -> None:
        super().__init__(where, what, next)
        self.where = where
        self.what = what
        self.next = next

    def __str__(self) -> str:
        return " - ".join(text for text in (f"{self.where}: {self.what}" if self.where else self.what, self.next) if text)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should look at: where it stands, what is wrong, what to do next."""

    where: str  # "materials/BatteryMaterials/2/BatteryMaterialMass"
    what: str
    next: str = ""
    severity: str = "warning"  # error: must not be published; warning: may
    rule: str = ""  # the rule that found it, as `submodels.rules` names it
    point: int = 0  # the data point it is about (`elements/points.csv`), 0 for none
