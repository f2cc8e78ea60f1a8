"""Foreign software against our nodes."""

from __future__ import annotations

from tests.management.conftest import two as two
