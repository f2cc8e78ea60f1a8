"""Make the sample battery EV-72 of `scripts/sample/`: a folder as an operator could have written it, and one item as AASX.

    python -m scripts.lib.sample            writes scripts/sample/EV-72 and scripts/sample/EV-72.aasx again

`tests/submodels/test_sample.py` proves from the files alone that the battery is consistent in itself and that text is
unique leaf by leaf: the leak check of the demo looks for it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from scripts.lib.sample_documents import PAPERS
from scripts.lib.sample_items import ITEMS, Item
from scripts.lib.sample_model import (
    CAPACITY,
    EFFICIENCY,
    ENERGY,
    FACILITY,
    GTIN,
    MAKER,
    MODEL,
    OPERATOR,
    PACK_OHM,
    VOLTAGE,
    Json,
    parts,
    referred,
)
from submodels.aasx import write_aasx
from submodels.batch import Batch
from submodels.documents import PassportDocument
from submodels.folder import read_folder
from submodels.passport import Passport, merge
from submodels.table import PARTS

HERE = Path(__file__).resolve().parents[1] / "sample"


def item_parts(item: Item) -> dict[str, Json]:
    """What one battery says of itself: part key -> value tree, to be laid over the model's."""
    product = f"https://id.halden-cells.example/01/{GTIN}/21/{item.serial}"
    return {
        "nameplate": {
            "URIOfTheProduct": product,
            "SerialNumber": item.serial,
            "DateOfManufacture": item.manufactured,
            "DateOfPuttingIntoService": item.in_service,
            "LifeCycleStage": item.stage,
        },
        "technical": {
            "TechnicalPropertyAreas": {
                "CapacityEnergyVoltage": {"CapacityFade": item.capacity_fade},
                "RoundTripEnergyEfficiency": {"EnergyRoundTripEfficiencyFade": item.efficiency_fade},
                "Resistance": {
                    "InternalResistanceIncreaseOfBatteryCellLevel": item.resistance[0],
                    "InternalResistanceIncreaseOfBatteryPackLevel": item.resistance[1],
                    "InternalResistanceIncreaseOfBatteryModuleLevel": item.resistance[2],
                },
                "PowerCapability": {"PowerFade": item.power_fade},
                "Lifetime": {"ExpectedLifetimeInCalendarYears": item.expected_years},
            }
        },
        "condition": _condition(item),
        "metadata": {
            "digitalProductPassportId": f"https://passport.halden-cells.example/{MODEL}/{item.passport}",
            "uniqueProductIdentifier": product,
            "lastUpdate": item.moment(40),
        },
    }


def _condition(item: Item) -> Json:
    charge = round(item.cycles * CAPACITY + item.spare_charge, 2)  # Ah drawn since the first use
    return {
        "EnergyThroughput": _measured("EnergyThroughputValue", round(charge * VOLTAGE / 1000, 2), item, 1),
        "StateOfCharge": _measured("StateOfChargeValue", item.charge, item, 2),
        "CapacityThroughput": _measured("CapacityThroughputValue", charge, item, 3),
        "NumberOfFullCycles": _measured("NumberOfFullCyclesValue", item.cycles, item, 4),
        "StateOfCertifiedEnergy": _measured("StateOfCertifiedEnergyValue", item.certified, item, 5),
        "RemainingEnergy": _measured("RemainingEnergyValue", round(ENERGY * item.certified / 100, 2), item, 6),
        "RatedCapacity": _measured("RatedCapacityValue", item.rated_capacity, item, 7),
        "NegativeEvents": [
            {"NegativeEventValue": text, "LastUpdate": item.moment(20 + place)} for place, text in enumerate(item.negative_events)
        ],
        "InformationOnAccidents": referred("accidents") if item.accident else [],
        "TemperatureInformation": {
            "MeasuredTemp": item.temperature[0],
            "TimeExtremeHighTemp": item.temperature[1],
            "TimeExtremeLowTemp": item.temperature[2],
            "TimeExtremeHighTempCharging": item.temperature[3],
            "TimeExtremeLowTempCharging": item.temperature[4],
            "LastUpdate": item.moment(8),
        },
        "RemainingPowerCapability": {
            "RemainingPowerCapabilityDynamicAt": {
                "RPCLastUpdated": item.moment(9),
                "AtSoC": item.power_at,
                "PowerCapabilityAt": round(100 - item.power_fade, 3),
            },
            "LastUpdate": item.moment(10),
        },
        "InternalResistance": _measured("InternalResistanceValue", round(PACK_OHM * (1 + item.resistance[1] / 100), 6), item, 11),
        "ExpectedNumberOfCycles": _measured("ExpectedNumberOfCyclesValue", item.expected_cycles, item, 12),
        "RemainingRoundTripEnergyEfficiency": _measured(
            "RemainingRoundTripEnergyEfficiencyValue", round(EFFICIENCY - item.efficiency_fade, 3), item, 13
        ),
    }


def _measured(name: str, value: float, item: Item, step: int) -> Json:
    return {name: value, "LastUpdate": item.moment(step)}


def folder() -> dict[str, bytes]:
    """Every file of the sample: path inside the folder -> bytes."""
    files: dict[str, bytes] = {"model.toml": _model().encode(), "documents.csv": _listing()}
    files |= {f"parts/{part}.json": _json(tree) for part, tree in parts().items()}
    for item in ITEMS:
        files |= {f"items/{item.serial}/{part}.json": _json(tree) for part, tree in item_parts(item).items()}
    return files | {f"documents/{paper.filename}": paper.pdf for paper in PAPERS}


def _model() -> str:
    return f"""# The sample battery of Saltbridge: invented from end to end, consistent in itself.
model = "{MODEL}"
category = "ev"  # ev | lmt | industrial | stationary

[identifiers]
manufacturer = "{MAKER}"
operator = "{OPERATOR}"
facility = "{FACILITY}"
"""


def _listing() -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("owner", "identifier", "kind", "title", "file", "media_type", "language"))
    for paper in PAPERS:
        writer.writerow(("", paper.identifier, paper.kind, paper.title, f"documents/{paper.filename}", "application/pdf", "en"))
    return text.getvalue().encode()


def _json(tree: Mapping[str, Any]) -> bytes:
    return (json.dumps(tree, ensure_ascii=False, indent=2) + "\n").encode()


def passport(batch: Batch, serial: str) -> Passport:
    """One item of a batch as the node would read it: the item's values over the model's."""
    layers = {part: [each.tree for each in batch.layers if each.part == part and each.owner in ("", serial)] for part in PARTS}
    return Passport(
        battery=f"{batch.model}.{serial}",
        model=batch.model,
        category=batch.category,
        revision="1",
        identifiers=batch.identifiers,
        parts={part: merge(trees) for part, trees in layers.items() if trees},
        documents=tuple(
            PassportDocument(
                id=f"{batch.model}.doc-{PurePosixPath(each.filename).stem}",
                identifier=each.identifier,
                kind=each.kind,
                title=each.title,
                filename=each.filename,
                media_type=each.media_type,
                language=each.language,
                size=len(each.content),
                sha256=hashlib.sha256(each.content).hexdigest(),
            )
            for each in batch.documents
            if each.owner in ("", serial)
        ),
    )


def package(batch: Batch, serial: str) -> bytes:
    """One item of a batch as an AASX package."""
    whole = passport(batch, serial)
    contents = {each.filename: each.content for each in batch.documents}
    return write_aasx(whole, {each.id: contents[each.filename] for each in whole.documents})


def write(place: Path = HERE) -> None:
    """Write the folder and the package of the first item again."""
    files = folder()
    for name, content in files.items():
        target = place / MODEL / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (place / f"{MODEL}.aasx").write_bytes(package(read_folder(files), ITEMS[0].serial))


if __name__ == "__main__":
    write()
