"""Which sample of the matrix the tests try: another one each day, the same in every worker, and any of them again by its number."""

from __future__ import annotations

import os
from datetime import date

VARIABLE = "SALTBRIDGE_FAULTS_SEED"


def seed() -> int:
    return int(os.environ.get(VARIABLE, date.today().toordinal()))
