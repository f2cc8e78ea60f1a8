"""What all batteries of the model EV-72 share: chemistry, pack, materials, hazards, suppliers, as value trees by part.

Numbers that depend on each other are computed (masses from the cell chemistry, energy from voltage and capacity), so
that the battery is consistent by construction.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.sample_documents import PAPERS
from scripts.lib.sample_paper import Paper
from submodels.table import PARTS, submodel

Json = dict[str, Any]

MODEL = "EV-72"
GTIN = "09506000172040"  # of GS1's range for examples
FACILITY = "https://id.halden-cells.example/414/9506000172118"
OPERATOR = "https://id.halden-cells.example/417/9506000172125"
MAKER = "https://id.halden-cells.example/417/9506000172132"

# The cell and the pack: 96 in series, two in parallel, eight modules of twelve by two.
SERIES, PARALLEL, MODULES = 96, 2, 8
CELL_VOLTAGE, CELL_LOWEST, CELL_HIGHEST = 3.67, 2.81, 4.19
CAPACITY = 204.85  # Ah
VOLTAGE = round(SERIES * CELL_VOLTAGE, 2)
ENERGY = round(VOLTAGE * CAPACITY / 1000, 2)  # kWh
POWER = 150270.5  # W
CELL_OHM = 0.001473
MODULE_OHM = round(SERIES / MODULES * CELL_OHM / PARALLEL + 0.000215, 6)  # twelve pairs and their links
PACK_OHM = round(MODULES * MODULE_OHM + 0.004372, 6)  # eight modules, contactors and busbars
EFFICIENCY, EFFICIENCY_HALFWAY = 95, 92

# NMC 622, LiNi(0.6)Mn(0.2)Co(0.2)O2: grams of each element per mole of the active material.
_NMC = {"nickel": 0.6 * 58.693, "cobalt": 0.2 * 58.933, "manganese": 0.2 * 54.938, "lithium": 6.94, "oxygen": 2 * 15.999}
_ACTIVE = 124.613  # kg of active material in the pack
MASS = 412.37  # kg

MATERIALS: tuple[tuple[str, str, str, str, float, bool], ...] = (
    # name, CAS number, component, component id, mass in kg, critical raw material
    *(
        (name, cas, place, number, round(_ACTIVE * _NMC[element] / sum(_NMC.values()), 3), critical)
        for element, name, cas, place, number, critical in (
            ("nickel", "Nickel, battery grade", "7440-02-0", "Positive electrode coating, nickel share", "HC-CMP-3101", True),
            ("cobalt", "Cobalt from sulphate route", "7440-48-4", "Positive electrode coating, cobalt share", "HC-CMP-3102", True),
            ("manganese", "Manganese, battery grade", "7439-96-5", "Positive electrode coating, manganese share", "HC-CMP-3103", True),
            ("lithium", "Lithium from hydroxide", "7439-93-2", "Positive electrode coating, lithium share", "HC-CMP-3104", True),
            (
                "oxygen",
                "Oxygen bound in the oxide lattice",
                "7782-44-7",
                "Positive electrode coating, lattice oxygen",
                "HC-CMP-3105",
                False,
            ),
        )
    ),
    ("Natural graphite, spheroidised", "7782-42-5", "Negative electrode coating", "HC-CMP-3110", 71.846, True),
    ("Copper, electrolytic foil and busbars", "7440-50-8", "Negative collector foil and module links", "HC-CMP-3112", 23.917, True),
    ("Aluminium of housing and foil", "7429-90-5", "Housing shells, cold plates, positive collector foil", "HC-CMP-3114", 83.452, True),
    ("Ethylene carbonate blend", "96-49-1", "Liquid inside the cells", "HC-CMP-3120", 36.285, False),
    ("Polypropylene membrane", "9003-07-0", "Separator between the electrodes", "HC-CMP-3122", 7.638, False),
    ("Polyvinylidene fluoride binder", "24937-79-9", "Electrode binder", "HC-CMP-3124", 3.174, False),
    ("Polyamide 66 with glass fibre", "32131-17-2", "Module end frames", "HC-CMP-3126", 14.529, False),
    ("Polydimethylsiloxane gap filler", "63148-62-9", "Thermal paste below the modules", "HC-CMP-3128", 8.961, False),
    ("Muscovite mica sheet", "12001-26-2", "Fire barrier under the cover", "HC-CMP-3130", 5.382, False),
)
STEEL = ("Iron as high-strength steel", "7439-89-6", "Underbody plate, cross members, bolts", "HC-CMP-3132")

HAZARDS: tuple[tuple[str, str, str, float, tuple[str, ...], str, str], ...] = (
    # class, name, CAS number, concentration in % of the battery's mass, impacts, component, component id
    (
        "AcuteToxicity",
        "Lithium hexafluorophosphate",
        "21324-40-3",
        1.143,
        ("H301 Toxic if swallowed", "H372 Damages bone and teeth through long exposure"),
        "Conducting salt in the cell liquid",
        "HC-HAZ-5101",
    ),
    (
        "EyeDamageOrIrritation",
        "Ethyl methyl carbonate",
        "623-53-0",
        3.268,
        ("H226 Flammable liquid and vapour",),
        "Solvent of the cell liquid",
        "HC-HAZ-5102",
    ),
    (
        "SkinCorrosionOrIrritation",
        "Lithium nickel manganese cobalt oxide powder",
        "346417-97-8",
        round(100 * _ACTIVE / MASS, 3),
        ("H317 May cause an allergic skin reaction", "H351 Suspected of causing cancer when inhaled as dust"),
        "Set free when cells are shredded",
        "HC-HAZ-5103",
    ),
)

SUPPLIERS: tuple[Json, ...] = (
    {
        "name": "Tarnbeck Module Service",
        "code": "NO",
        "postal": "NO-1767 Tarnbeck",
        "street": "Quarry Lane 8",
        "email": "parts@tarnbeck-modules.example",
        "key": "ed25519 tarnbeck 9c41 77e0 b2d8",
        "web": "https://tarnbeck-modules.example/ev-72",
        "parts": (("Replacement module of twelve cell pairs", "TB-MOD-12P2"), ("Butyl sealing cord, 7 metres", "TB-SEAL-700")),
    },
    {
        "name": "Ostervik Power Electronics",
        "code": "DK",
        "postal": "DK-8420 Ostervik",
        "street": "Lighthouse Quay 31",
        "email": "service@ostervik-pe.example",
        "key": "ed25519 ostervik 20fa 5b13 e96c",
        "web": "https://ostervik-pe.example/spares",
        "parts": (
            ("Battery management unit, generation 4", "OV-BMU-0417"),
            ("Main contactor pair with pre-charge", "OV-CON-2290"),
            ("Service disconnect S1", "OV-SDS-0031"),
        ),
    },
)


def parts() -> dict[str, Json]:
    """What all batteries of the model share: part key -> value tree."""
    return {
        "nameplate": _nameplate(),
        "handover": {"Documents": [_entry(paper) for paper in PAPERS]},
        "carbon": _carbon(),
        "technical": _technical(),
        "materials": _materials(),
        "circularity": _circularity(),
        "metadata": {
            "granularity": "Item",
            "dppSchemaVersion": "EN 18223:2026, saltbridge sample",
            "dppStatus": "Active",
            "economicOperatorId": OPERATOR,
            "facilityId": FACILITY,
            "contentSpecificationIds": _specifications(),
        },
    }


def _nameplate() -> Json:
    return {
        "ManufacturerName": say("Halden Cells"),
        "AddressInformation": {
            "Street": say("Slipway Road 14"),
            "Zipcode": say("1771"),
            "CityTown": say("Halden Fjordside"),
            "NationalCode": say("NO"),
            "Email": {"EmailAddress": "passport@halden-cells.example"},
            "AddressOfAdditionalLink": "https://halden-cells.example/contact",
        },
        "UniqueFacilityIdentifier": FACILITY,
        "OperatorIdentifier": OPERATOR,
        "ManufacturerIdentifier": MAKER,
        "Markings": [
            {
                "MarkingName": "CE marking",
                "DesignationOfCertificateOrApproval": "HC-CE-2024-0072",
                "IssueDate": "2024-02-06",
                "MarkingFile": file("image/svg+xml", "https://halden-cells.example/marks/ce-0072.svg"),
                "MarkingAdditionalText": "Notified body 9999 (invented)",
            },
            {
                "MarkingName": "Separate collection symbol",
                "DesignationOfCertificateOrApproval": "HC-BIN-2024-0073",
                "IssueDate": "2024-02-07",
                "ExpiryDate": "2034-02-06",
                "MarkingFile": file("image/svg+xml", "https://halden-cells.example/marks/bin-0073.svg"),
                "MarkingAdditionalText": "The crossed-out bin stands on the lid, 5 cm wide",
            },
        ],
        "EUDeclarationOfConformity": referred("declaration-of-conformity"),
        "ResultsOfTestReportsProvingCompliance": referred("test-reports"),
    }


def _entry(paper: Paper) -> Json:
    return {
        "DocumentClassifications": [
            {"ClassName": say(paper.class_name), "ClassId": paper.class_id, "ClassificationSystem": "VDI 2770 Blatt 1:2020"}
        ],
        "DocumentIds": [{"DocumentDomainId": paper.domain, "DocumentIdentifier": paper.identifier, "DocumentIsPrimary": True}],
        "DocumentVersions": [
            {
                "Language": ["en"],
                "Version": paper.version,
                "Title": [{"en": paper.title}, {"de": paper.title_de}],
                "Subtitle": say(paper.subtitle),
                "Description": say(paper.description),
                "DigitalFiles": [file("application/pdf", f"documents/{paper.filename}")],
            }
        ],
    }


def _carbon() -> Json:
    return {
        "ProductCarbonFootprints": [
            {
                "PcfCalculationMethods": ["Regulation (EU) 2023/1542 Annex II"],
                "PcfCO2eq": 4893.62,
                "ReferenceImpactUnitForCalculation": "piece",
                "QuantityOfMeasureForCalculation": 1,
                "LifeCyclePhases": ["A1 - raw material supply (and upstream production)", "A3 - production"],
                "PerformanceClass": "Class B",
                "WebLinkToPublicCarbonFootprintStudy": referred("carbon-footprint-study"),
            },
            {
                "PcfCalculationMethods": ["ISO 14067 with cut-off at 1 %"],
                "PcfCO2eq": 211.47,
                "ReferenceImpactUnitForCalculation": "piece",
                "QuantityOfMeasureForCalculation": 1,
                "LifeCyclePhases": ["C2 - transport to recycler", "C3 - recycling, waste treatment"],
                "PerformanceClass": "Not classed: end of life",
                "WebLinkToPublicCarbonFootprintStudy": referred("carbon-footprint-study"),
            },
        ]
    }


def _technical() -> Json:
    return {
        "GeneralInformation": {
            "ManufacturerName": "Halden Cells",
            "CompanyLogo": file("image/svg+xml", "https://halden-cells.example/brand/logo.svg"),
            "ManufacturerIdentifier": MAKER,
            "BatteryCategory": "ev",
            "BatteryMass": MASS,
            "ProductImages": [
                file("image/png", "https://halden-cells.example/brand/ev-72-front.png"),
                file("image/png", "https://halden-cells.example/brand/ev-72-label.png"),
            ],
            "WarrantyInformation": {"WarrantyPeriod": "P96M"},
        },
        "TechnicalPropertyAreas": {
            "CapacityEnergyVoltage": {
                "NominalVoltage": VOLTAGE,
                "MinVoltage": round(SERIES * CELL_LOWEST, 2),
                "MaxVoltage": round(SERIES * CELL_HIGHEST, 2),
                "RatedCapacity": CAPACITY,
                "CertifiedUsableBatteryEnergy": ENERGY,
            },
            "RoundTripEnergyEfficiency": {
                "InitialRoundTripEnergyEfficiency": EFFICIENCY,
                "RoundTripEnergyEfficiencyAt50PercentOfCycleLife": EFFICIENCY_HALFWAY,
                "InitialSelfDischargingRate": 2,
            },
            "Resistance": {
                "InitialInternalResistanceOnBatteryCellLevel": CELL_OHM,
                "InitialInternalResistanceOnBatteryPackLevel": PACK_OHM,
                "InitialInternalResistanceOnBatteryModuleLevel": MODULE_OHM,
            },
            "PowerCapability": {
                "MaximumPermittedBatteryPower": POWER,
                "RatioNominalBatteryPowerAndBatteryEnergy": round(POWER / (ENERGY * 1000), 3),
                "OriginalPowerCapability": [
                    {"atSoc": 80, "powerCapabilityAt": 148210.5},
                    {"atSoc": 50, "powerCapabilityAt": 131875.25},
                    {"atSoc": 20, "powerCapabilityAt": 96430.75},
                ],
            },
            "Temperature": {"TemperatureRangeIdleState_LowerBoundary": -31.25, "TemperatureRangeIdleState_UpperBoundary": 58.75},
            "Lifetime": {
                "ExpectedNumberOfCycles": 1637,
                "CapacityThresholdExhaustion": 70.25,
                "CRateOfRelevantCycleLifeTest": 0.3333,
            },
        },
    }


def _materials() -> Json:
    listed = [*MATERIALS, (*STEEL, round(MASS - sum(row[4] for row in MATERIALS), 3), False)]
    return {
        "BatteryChemistry": {"ShortName": "NMC 622", "ClearName": "Lithium-ion with nickel-rich layered oxide"},
        "BatteryMaterials": [
            {
                "BatteryMaterialLocation": {"ComponentName": place, "ComponentId": number},
                "BatteryMaterialIdentifier": cas,
                "BatteryMaterialName": name,
                "BatteryMaterialMass": mass,
                "IsCriticalRawMaterial": critical,
            }
            for name, cas, place, number, mass, critical in listed
        ],
        "HazardousSubstances": [
            {
                "HazardousSubstanceClass": kind,
                "HazardousSubstanceName": name,
                "HazardousSubstanceConcentration": share,
                "HazardousSubstanceImpact": list(impacts),
                "HazardousSubstanceLocation": {"ComponentName": place, "ComponentId": number},
                "HazardousSubstanceIdentifier": cas,
            }
            for kind, name, cas, share, impacts, place, number in HAZARDS
        ],
    }


def _circularity() -> Json:
    return {
        "DismantlingAndRemovalInformation": referred("dismantling-manual"),
        "SparePartSources": [
            {
                "NameOfSupplier": say(one["name"]),
                "AddressOfSupplier": {"NationalCode": say(one["code"]), "PostalCode": say(one["postal"]), "Street": say(one["street"])},
                "EmailAddressOfSupplier": {
                    "EmailAddress": one["email"],
                    "PublicKey": say(one["key"]),
                    "TypeOfEmailAddress": "office",
                    "TypeOfPublicKey": say("Ed25519"),
                },
                "SupplierWebAddress": one["web"],
                "Components": [{"PartName": name, "PartNumber": number} for name, number in one["parts"]],
            }
            for one in SUPPLIERS
        ],
        "RecycledContentInformation": [
            {"RecycledMaterial": "Cobalt", "PreConsumerShare": 9.415, "PostConsumerShare": 7.382},
            {"RecycledMaterial": "Nickel", "PreConsumerShare": 5.274, "PostConsumerShare": 2.951},
            {"RecycledMaterial": "Lithium", "PreConsumerShare": 3.826, "PostConsumerShare": 2.637},
            {"RecycledMaterial": "Lead", "PostConsumerShare": 0},  # there is none in the battery, and the law asks
        ],
        "SafetyMeasures": {
            "SafetyInstructions": referred("safety-measures"),
            "ExtinguishingAgents": ["Water in large amounts through flooding port F1", "Water mist for fires beside the pack"],
        },
        "EndOfLifeInformation": {
            "WastePrevention": referred("waste-prevention"),
            "SeparateCollection": referred("separate-collection"),
            "InformationOnCollection": referred("collection-second-life"),
        },
        "RenewableContent": 3.417,
    }


def say(text: str, language: str = "en") -> list[Json]:
    return [{language: text}]


def file(media_type: str, place: str) -> Json:
    return {"contentType": media_type, "value": place}


def referred(kind: str) -> list[str]:
    return [paper.identifier for paper in PAPERS if paper.kind == kind]


def _specifications() -> list[str]:
    return [submodel(part).semantic_id for part in PARTS if part != "metadata"]
