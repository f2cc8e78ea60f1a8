"""What the official kit expects a connector to do by itself, as data: dataset or agreement id -> state -> actions, one a visit.

A state that is not named, or whose actions are used up, holds.  Ids that are not in the table behave as a node does.
Rows follow the kit's sequences (reference: Dataspace TCK 1.0.1, suites CN, CN_C, TP, TP_C).
"""

from __future__ import annotations

from collections.abc import Mapping

Script = Mapping[str, tuple[str, ...]]

# Actions by short names; `decider` turns them into messages.
OFFER, AGREE, FINALIZE, TERMINATE = "offer", "agree", "finalize", "terminate"
REQUEST, ACCEPT, VERIFY = "request", "accept", "verify"
START, SUSPEND, COMPLETE = "start", "suspend", "complete"

PROVIDER_NEGOTIATIONS: Mapping[str, Script] = {
    "ACN0101": {"REQUESTED": (OFFER,)},
    "ACN0102": {"REQUESTED": (OFFER, TERMINATE)},
    "ACN0103": {"REQUESTED": (OFFER,), "ACCEPTED": (AGREE,), "VERIFIED": (FINALIZE,)},
    "ACN0104": {"REQUESTED": (AGREE,), "VERIFIED": (FINALIZE,)},
    "ACN0201": {"REQUESTED": (TERMINATE,)},
    "ACN0202": {},
    "ACN0203": {"REQUESTED": (AGREE,)},
    "ACN0204": {"REQUESTED": (OFFER,)},
    "ACN0205": {"REQUESTED": (OFFER,), "OFFERED": (TERMINATE,)},
    "ACN0206": {"REQUESTED": (OFFER,), "ACCEPTED": (TERMINATE,)},
    "ACN0207": {"REQUESTED": (AGREE,), "VERIFIED": (TERMINATE,)},
    "ACN0301": {"REQUESTED": (AGREE,), "VERIFIED": (FINALIZE,)},
    "ACN0302": {"REQUESTED": (OFFER,)},
    "ACN0303": {"REQUESTED": (OFFER,)},
    "ACN0304": {"REQUESTED": (OFFER,)},
}

CONSUMER_NEGOTIATIONS: Mapping[str, Script] = {
    "ACNC0101": {"OFFERED": (ACCEPT,), "AGREED": (VERIFY,)},
    "ACNC0102": {"OFFERED": (REQUEST,)},
    "ACNC0103": {"OFFERED": (TERMINATE,)},
    "ACNC0104": {"AGREED": (VERIFY,)},
    "ACNC0201": {},
    "ACNC0202": {"REQUESTED": (TERMINATE,)},
    "ACNC0203": {"AGREED": (TERMINATE,)},
    "ACNC0204": {},
    "ACNC0205": {"OFFERED": (ACCEPT,)},
    "ACNC0206": {"AGREED": (VERIFY,)},
    "ACNC0301": {},
    "ACNC0302": {},
    "ACNC0303": {},
    "ACNC0304": {"OFFERED": (ACCEPT,)},
    "ACNC0305": {"OFFERED": (ACCEPT,)},
    "ACNC0306": {"OFFERED": (ACCEPT,)},
}

PROVIDER_TRANSFERS: Mapping[str, Script] = {
    "ATP0101": {"REQUESTED": (START,), "STARTED": (TERMINATE,)},
    "ATP0102": {"REQUESTED": (START,), "STARTED": (COMPLETE,)},
    "ATP0103": {"REQUESTED": (START,), "STARTED": (SUSPEND,), "SUSPENDED": (TERMINATE,)},
    "ATP0104": {"REQUESTED": (START,), "STARTED": (SUSPEND, COMPLETE), "SUSPENDED": (START,)},
    "ATP0105": {"REQUESTED": (TERMINATE,)},
    "ATP0201": {"REQUESTED": (START,)},
    "ATP0202": {"REQUESTED": (START,)},
    "ATP0203": {"REQUESTED": (START,)},
    "ATP0204": {"REQUESTED": (START,)},
    "ATP0205": {},
    "ATP0301": {},
    "ATP0302": {},
    "ATP0303": {"REQUESTED": (START,)},
    "ATP0304": {"REQUESTED": (START,)},
    "ATP0305": {"REQUESTED": (START,)},
    "ATP0306": {"REQUESTED": (START,)},
}

CONSUMER_TRANSFERS: Mapping[str, Script] = {
    "ATPC0101": {},
    "ATPC0102": {},
    "ATPC0103": {},
    "ATPC0104": {},
    "ATPC0105": {},
    "ATPC0201": {"STARTED": (TERMINATE,)},
    "ATPC0202": {"STARTED": (COMPLETE,)},
    "ATPC0203": {"STARTED": (SUSPEND,), "SUSPENDED": (TERMINATE,)},
    "ATPC0204": {"STARTED": (SUSPEND, COMPLETE), "SUSPENDED": (START,)},
    "ATPC0205": {"REQUESTED": (TERMINATE,)},
    "ATPC0301": {},
    "ATPC0302": {},
    "ATPC0303": {},
    "ATPC0304": {},
    "ATPC0305": {},
    "ATPC0306": {},
}

DATASETS = ("CAT0101", "CAT0102", *PROVIDER_NEGOTIATIONS, *CONSUMER_NEGOTIATIONS, "ATP0101")
KIT = "TCK_PARTICIPANT"
ANSWER_AFTER = 0.3  # seconds: the kit registers its handlers only after the step that triggers us
