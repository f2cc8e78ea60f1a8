"""What few nodes need, or a node only now and then, is imported when it is needed: a start is under a second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LATE = ("pyld", "rdflib", "requests", "lxml", "basyx", "aas_core3", "asyncpg", "prometheus_client")


def test_a_node_is_wired_without_the_heavy_libraries() -> None:
    code = f"import connector.node, sys; print(*(name for name in {LATE!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stdout.split() == []
