"""The documents of the sample battery EV-72: one of each of the twelve kinds.

Everything here is invented; the companies exist only under `.example`.
"""

from __future__ import annotations

from scripts.lib.pdf import Section
from scripts.lib.sample_paper import Paper

PAPERS: tuple[Paper, ...] = (
    Paper(
        kind="due-diligence-report",
        identifier="HC-DD-0725",
        filename="due-diligence-report.pdf",
        title="Supply chain due diligence report 2025",
        title_de="Bericht zur Sorgfaltspflicht in der Lieferkette 2025",
        subtitle="Cobalt, natural graphite, lithium and nickel",
        description="Findings of the yearly review of mines, refiners and precursor plants behind the EV-72.",
        version="DD-1.3",
        issued="2026-03-31",
        code="grey-heron-0725",
        class_id="02-04",
        class_name="Certificates, declarations: due diligence",
        domain="https://docs.halden-cells.example/due-diligence",
        sections=(
            Section(
                "Scope",
                ("This report covers the four raw materials named in Article 49 of Regulation (EU) 2023/1542 for 2025.",),
            ),
            Section(
                "Risks found and what was done",
                bullets=(
                    "Graphite: one refiner could not show its waste water permits in time; deliveries were paused for eleven weeks.",
                    "Cobalt: two artisanal sites are visited each quarter together with a local association.",
                    "Nickel and lithium: no high risk was found in the reporting year.",
                ),
            ),
            Section("Complaints", ("Concerns can be raised without giving a name through the grievance desk of the company.",)),
        ),
    ),
    Paper(
        kind="third-party-assurances",
        identifier="HC-TA-0731",
        filename="third-party-assurance.pdf",
        title="Assurance letter of a recognised due diligence scheme",
        title_de="Bestätigung eines anerkannten Sorgfaltspflichtsystems",
        subtitle="Limited assurance engagement by Fjordmark Assurance",
        description="Letter of the scheme auditor on the management system for responsible sourcing.",
        version="TA-2.0",
        issued="2026-05-19",
        code="slate-plover-0731",
        class_id="02-04",
        class_name="Certificates, declarations: third-party assurance",
        domain="https://docs.halden-cells.example/assurance",
        sections=(
            Section("Conclusion", ("Nothing came to our attention that would make us doubt the sourcing statements made for the EV-72.",)),
            Section(
                "What was examined",
                bullets=("Two site visits", "Forty-one supplier questionnaires", "Chain of custody records of six refiners"),
            ),
        ),
    ),
    Paper(
        kind="dismantling-manual",
        identifier="HC-DM-7204",
        filename="dismantling-manual.pdf",
        title="Dismantling manual EV-72",
        title_de="Demontagehandbuch EV-72",
        subtitle="Removal from the vehicle and disassembly down to the cell",
        description="Step by step: making safe, lifting out, opening the housing, taking out eight modules.",
        version="DM-4.2",
        issued="2026-02-17",
        code="amber-lantern-7204",
        class_id="03-01",
        class_name="Assembly, disassembly",
        domain="https://docs.halden-cells.example/dismantling",
        sections=(
            Section(
                "Before you start",
                ("Two trained people, class 0 gloves, face shield, insulated tools to 1000 V, a lifting table for 500 kg.",),
                bullets=(
                    "Pull the service disconnect S1 under the rear seat and lock it away.",
                    "Wait ten minutes, then prove absence of voltage at X2: less than 5 V between both poles and to the housing.",
                    "Check the housing for heat with a thermal camera. Above 45 degrees Celsius: stop and move the vehicle to quarantine.",
                ),
            ),
            Section(
                "Removal from the vehicle",
                bullets=(
                    "Drain the coolant at V4 (about 3.5 litres of glycol mixture).",
                    "Unplug high voltage X2, low voltage X7 and the two coolant couplings.",
                    "Support the pack at the four marked points and loosen the 28 bolts M10 from the outside in.",
                ),
            ),
            Section(
                "Opening the housing and taking out the modules",
                ("The cover is bolted and sealed with a soft butyl cord; it is not glued.",),
                bullets=(
                    "Loosen 64 screws M6 (Torx 30) of the cover, cut the cord with a plastic blade.",
                    "Remove the seven module links with the insulated 13 mm socket; cap each pole at once.",
                    "Lift the modules with tool LT-12. Each weighs about 38 kg and stays charged: treat it as live.",
                ),
            ),
            Section(
                "Fasteners and torques",
                rows=(
                    ("Joint", "Fastener", "Torque for reassembly"),
                    ("Pack to body", "28 x M10", "58 Nm"),
                    ("Cover", "64 x M6", "9 Nm"),
                    ("Module to tray", "32 x M8", "24 Nm"),
                    ("Module links", "14 x M8", "18 Nm, then 30 degrees"),
                ),
            ),
        ),
    ),
    Paper(
        kind="safety-measures",
        identifier="HC-SM-7211",
        filename="safety-measures.pdf",
        title="Safety sheet EV-72",
        title_de="Sicherheitsblatt EV-72",
        subtitle="Handling, storing, transporting and fighting fire",
        description="For workshops, recyclers and transport companies: hazards of the pack and how to meet them.",
        version="SM-3.6",
        issued="2026-01-23",
        code="copper-sluice-7211",
        class_id="03-03",
        class_name="General safety instructions for the pack",
        domain="https://docs.halden-cells.example/safety",
        sections=(
            Section(
                "Hazards",
                bullets=(
                    "Up to 402 V direct current, also when the service disconnect is pulled.",
                    "Electrolyte vapour is flammable; with water the conducting salt forms hydrogen fluoride.",
                    "A damaged cell can go into thermal runaway hours later.",
                ),
            ),
            Section(
                "Fire",
                bullets=(
                    "Water in large amounts, at least 200 litres a minute, through the marked flooding port F1.",
                    "Self-contained breathing apparatus. Keep people 30 metres away, upwind.",
                    "Afterwards quarantine outdoors for five days, five metres from anything that burns.",
                ),
            ),
            Section("Storage", ("Dry, at 0 to 35 degrees Celsius, at 20 to 40 % state of charge, not stacked, with the poles capped.",)),
        ),
    ),
    Paper(
        kind="waste-prevention",
        identifier="HC-WP-7218",
        filename="waste-prevention.pdf",
        title="Making your traction battery last",
        title_de="So hält Ihre Traktionsbatterie länger",
        subtitle="What drivers can do against waste",
        description="Advice for end-users on charging habits, parking and repair before replacement.",
        version="WP-2.1",
        issued="2025-11-12",
        code="green-wicket-7218",
        class_id="03-02",
        class_name="Operation: the end-user and waste prevention",
        domain="https://docs.halden-cells.example/end-users/prevention",
        sections=(
            Section(
                "Four habits",
                bullets=(
                    "Charge to 80 % on ordinary days and to 100 % before long trips only.",
                    "Do not leave the car for weeks with a nearly empty or a full battery.",
                    "Prefer the wallbox to the fast charger when there is time.",
                    "Have single modules replaced: the EV-72 can be repaired.",
                ),
            ),
        ),
    ),
    Paper(
        kind="separate-collection",
        identifier="HC-SC-7219",
        filename="separate-collection.pdf",
        title="Why this battery is collected separately",
        title_de="Warum diese Batterie getrennt gesammelt wird",
        subtitle="The crossed-out bin and what end-users have to do",
        description="End-users hand waste batteries over separately from other waste, free of charge.",
        version="SC-1.8",
        issued="2025-11-13",
        code="white-gannet-7219",
        class_id="03-02",
        class_name="Operation: the end-user and separate collection",
        domain="https://docs.halden-cells.example/end-users/collection",
        sections=(
            Section(
                "In short",
                (
                    "A traction battery never belongs in household waste or scrap. Any dealer of the brand takes it back free of charge, "
                    "whatever its condition. Do not remove it yourself.",
                ),
            ),
        ),
    ),
    Paper(
        kind="collection-second-life",
        identifier="HC-CS-7223",
        filename="collection-and-second-life.pdf",
        title="Collection, second life and treatment of the EV-72",
        title_de="Sammlung, Zweitnutzung und Behandlung der EV-72",
        subtitle="Take-back points and what happens to returned packs",
        description="Where packs are returned, how they are graded for stationary storage, and how the rest is treated.",
        version="CS-2.4",
        issued="2026-04-08",
        code="blue-tern-7223",
        class_id="03-02",
        class_name="Operation: collection, second life and end of life",
        domain="https://docs.halden-cells.example/end-users/second-life",
        sections=(
            Section(
                "Take-back", ("Call the take-back desk; a carrier licensed for class 9 goods collects the pack within ten working days.",)
            ),
            Section(
                "Grades",
                rows=(
                    ("Grade", "State of certified energy", "Use"),
                    ("A", "above 80 %", "vehicle, after module service"),
                    ("B", "65 to 80 %", "stationary storage"),
                    ("C", "below 65 %", "recycling"),
                ),
            ),
            Section(
                "Treatment",
                ("Modules are discharged, shredded under nitrogen and leached; nickel, cobalt, lithium and copper are recovered.",),
            ),
        ),
    ),
    Paper(
        kind="accidents",
        identifier="HC-AB-7226",
        filename="accident-bulletin.pdf",
        title="Accident bulletin: kerb strike inspection",
        title_de="Unfallmeldung: Prüfung nach Bordsteinkontakt",
        subtitle="Findings after low-speed underbody contact",
        description="What was looked at after an underbody contact, which packs are concerned and how they were judged.",
        version="AB-1.1",
        issued="2025-09-30",
        code="rust-harrier-7226",
        class_id="03-04",
        class_name="Inspection after accidents",
        domain="https://docs.halden-cells.example/accidents",
        sections=(
            Section(
                "Event",
                ("On 9 September 2025 a vehicle struck a kerb at 12 km/h. The underbody plate was dented by 4 mm, no cell deformed.",),
            ),
            Section(
                "Judgement",
                ("Insulation 4.1 megohm, no coolant loss, no change of module voltages within 72 hours: released for further use.",),
            ),
        ),
    ),
    Paper(
        kind="declaration-of-conformity",
        identifier="HC-DC-7230",
        filename="declaration-of-conformity.pdf",
        title="EU declaration of conformity EV-72",
        title_de="EU-Konformitätserklärung EV-72",
        subtitle="According to Annex IX of Regulation (EU) 2023/1542",
        description="The manufacturer declares that the battery model EV-72 conforms to Articles 6 to 10, 12 and 13.",
        version="DC-1.2",
        issued="2024-02-05",
        code="navy-capstan-7230",
        class_id="02-04",
        class_name="Certificates, declarations: EU conformity",
        domain="https://docs.halden-cells.example/conformity",
        sections=(
            Section("1. Battery model", ("EV-72, lithium-ion traction battery, 96 cells in series, two in parallel.",)),
            Section(
                "2. Manufacturer",
                ("Halden Cells, Slipway Road 14, Halden. This declaration is issued under the sole responsibility of the manufacturer.",),
            ),
            Section("3. Object of the declaration", ("The battery model named above is in conformity with Regulation (EU) 2023/1542.",)),
            Section("4. Signed", ("Halden, 5 February 2024, for the manufacturer: Ingrid Solvang, head of product conformity.",)),
        ),
    ),
    Paper(
        kind="test-reports",
        identifier="HC-TR-7233",
        filename="test-report.pdf",
        title="Test report: proof of compliance EV-72",
        title_de="Prüfbericht: Nachweis der Konformität EV-72",
        subtitle="Safety and performance tests at Nordkai Laboratory",
        description="Results of the tests behind the declaration of conformity; for authorities and notified bodies only.",
        version="TR-5.0",
        issued="2024-01-18",
        code="black-guillemot-7233",
        class_id="02-04",
        class_name="Certificates, declarations: laboratory results",
        domain="https://docs.halden-cells.example/laboratory",
        sections=(
            Section("Sample", ("Two packs of pilot series P3, taken from the line by the laboratory.",)),
            Section(
                "Results",
                rows=(
                    ("Test", "Requirement", "Result"),
                    ("External short circuit", "no fire, no explosion", "passed, 61 degrees Celsius at most"),
                    ("Overcharge protection", "charging stops", "passed at 4.23 V per cell"),
                    ("Thermal propagation", "5 minutes of warning", "passed, 11 minutes 40 seconds"),
                    ("Vibration", "no leak, insulation kept", "passed, 2.7 megohm"),
                    ("Drop, 1 metre", "no fire", "passed"),
                ),
            ),
            Section(
                "Remark", ("Sample two showed a loose busbar bolt after vibration; the torque was raised to 18 Nm and the test repeated.",)
            ),
        ),
    ),
    Paper(
        kind="carbon-footprint-study",
        identifier="HC-CF-7236",
        filename="carbon-footprint-study.pdf",
        title="Carbon footprint study EV-72, public version",
        title_de="CO2-Fußabdruck der EV-72, öffentliche Fassung",
        subtitle="Plant Halden, production year 2025",
        description="Method, system boundary, data quality and results of the footprint calculation.",
        version="CF-2.2",
        issued="2026-02-26",
        code="pale-osprey-7236",
        class_id="02-04",
        class_name="Certificates, declarations: carbon footprint",
        domain="https://docs.halden-cells.example/carbon",
        sections=(
            Section(
                "System boundary",
                ("Raw materials, production of cells, modules and pack, distribution and recycling. The use phase is left out.",),
            ),
            Section(
                "Electricity",
                ("The plant buys hydropower under a contract of ten years; the residual mix was used for suppliers without proof.",),
            ),
        ),
    ),
    Paper(
        kind="cycle-life-test",
        identifier="HC-CL-7239",
        filename="cycle-life-test.pdf",
        title="Cycle-life reference test EV-72",
        title_de="Referenzprüfung der Zyklenlebensdauer EV-72",
        subtitle="At one third of the capacity per hour and 25 degrees Celsius",
        description="Reference test behind the stated number of cycles: set-up, procedure and the fitted curve.",
        version="CL-1.5",
        issued="2024-01-29",
        code="silver-skua-7239",
        class_id="03-02",
        class_name="Operation: cycle-life reference test",
        domain="https://docs.halden-cells.example/cycle-life",
        sections=(
            Section("Procedure", ("Twelve modules were cycled between 5 and 95 % state of charge; capacity was measured each 50 cycles.",)),
            Section(
                "Result", ("The threshold was reached after 1,637 cycles in the mean; the spread between modules was below four per cent.",)
            ),
        ),
    ),
)
