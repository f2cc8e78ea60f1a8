"""What the README's tour types, block by block, and which lines of long answers it shows.  Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNTIL = "2027-12-31"  # as shown; the run uses the end of next year
DEMO = "scripts/demo"
# Of the demo: not every node, offer, step and row, so that a page holds it.
DEMO_LINES = (
    r"^$|^\$|^Saltbridge|^\d|^Leak|^     (maker  |VIEW|dismantling|DATASET|REQUESTED|pulled|scanned|known|a path|the same pull|the token"
    r"|WHO|recycler +(dism\S+ of|mat)|oem +sup|stranger +dis)"
)
MAKER, RECYCLER = "saltbridge --home tour/maker", "saltbridge --home tour/recycler"
LOOPBACK = "--allow-private 127.0.0.0/8 --allow-private ::1/128"
FINGERPRINT = r"fingerprint (\S+)"


@dataclass(frozen=True, slots=True)
class Step:
    """One command.  `{name}` in it is what an earlier step has learnt; `keep` matches the lines shown (all when empty)."""

    command: str
    learn: Mapping[str, str] = field(default_factory=dict)  # name -> pattern whose group is found in the output
    code: int = 0  # the exit code it must have
    keep: str = ""
    until: str = ""  # pattern to wait for: the command is typed again until its output has it


TOUR: dict[str, tuple[Step, ...]] = {
    "nodes": (
        Step(f"{MAKER} init --port 7401 {LOOPBACK}", keep="^Made|^  [a-z]+  "),
        Step(f"{RECYCLER} init --port 7411 {LOOPBACK} --claim role=recycler", keep="^Made"),
        Step(f"{MAKER} serve"),
        Step(f"{RECYCLER} serve", keep="^ready"),
    ),
    "peers": (
        Step(f"{MAKER} peer card --out tour/maker.json", learn={"maker_key": FINGERPRINT}),
        Step(f"{RECYCLER} peer card --out tour/recycler.json", learn={"recycler_key": FINGERPRINT}),
        Step(f"{MAKER} peer add tour/recycler.json --claim role=recycler \\\n    --fingerprint {{recycler_key}}"),
        Step(f"{RECYCLER} peer add tour/maker.json \\\n    --fingerprint {{maker_key}}"),
    ),
    "publish": (
        Step(f"{MAKER} passport import scripts/sample/EV-72"),
        Step(f"{MAKER} passport publish EV-72"),
        Step(
            f"{MAKER} view preview dismantling --battery EV-72.000017",
            keep="^EV-72|^  Material|BatteryMaterialName|BatteryMaterialMass |IsCritical|Dismantling manual|test-reports",
        ),
        Step(f"{MAKER} view offer dismantling --model EV-72 --policy recycler --until {UNTIL}"),
        Step(f"{MAKER} view offer condition --battery EV-72.000017 --policy second-life", keep="^Terms"),
    ),
    "contract": (
        Step(f"{RECYCLER} catalog maker"),
        Step(f"{RECYCLER} negotiate maker dismantling --purpose dismantling", learn={"agreement": r"agreement ([0-9a-f]{8})"}),
    ),
    "pull": (
        Step(
            f"{RECYCLER} pull maker dismantling --battery EV-72.000017 --out tour/000017",
            learn={"negotiation": r"contract timeline ([0-9a-f]{8})"},
        ),
        Step(f"{RECYCLER} contract timeline {{negotiation}}"),
        Step(f"{RECYCLER} pull maker dismantling --battery EV-72.000018", keep="^pulled"),
    ),
    "label": (
        Step(f"{MAKER} qr EV-72.000019 --out tour/label.png --size-mm 20"),
        Step(f"{RECYCLER} pull --scan tour/label.png dismantling", keep="^the label|^it is|^pulled"),
    ),
    "refusals": (
        Step(f"{RECYCLER} negotiate maker condition", code=3, learn={"decision": r"decision (d-[0-9a-f]+)"}),
        Step(f"{MAKER} explain {{decision}}", keep="^(?!    |  facts)|^      "),
        Step(
            f"{RECYCLER} pull maker dismantling --battery EV-72.000017 \\\n    --path materials/BatteryMaterials/0/BatteryMaterialMass",
            code=3,
        ),
    ),
    "end": (
        Step(f'{MAKER} contract terminate {{agreement}} --reason "model recalled" --yes'),
        Step(f"{RECYCLER} pull maker dismantling --battery EV-72.000018", code=3),
        Step(f"{RECYCLER} contract list --agreements", until="RETIRED"),
        Step(f"{MAKER} view withdraw dismantling --yes"),
        Step(f"{MAKER} audit verify"),
    ),
    "life": (
        Step(f"{MAKER} passport status EV-72.000017 waste"),
        Step(f"{MAKER} passport diff EV-72.000017 1.1"),
        Step(f'{MAKER} passport cease EV-72.000017 --reason "recycled" --yes'),
        Step(f"{MAKER} passport history EV-72.000017"),
    ),
}
