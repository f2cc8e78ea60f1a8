"""The benchmark measures what it says: medians and spreads are right, and a small run of it goes through real nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.bench import NAMES
from scripts.lib.bench_driver import _wider
from scripts.lib.bench_figures import Plan, figure
from scripts.lib.bench_http import Reply
from scripts.lib.bench_seed import next_link

ROOT = Path(__file__).resolve().parents[2]

ASKED_FOR = (
    "ready_seconds",
    "rss_idle_mib",
    "negotiation_ms_p50",
    "negotiation_ms_p99",
    "negotiations_per_s",
    "negotiations_lost",
    "catalog_page_per_s",
    "catalog_growth",
    "pulls_per_s",
)


def test_a_figure_is_the_median_of_its_runs_with_the_least_and_the_most() -> None:
    made = figure("x", "ms", [9.0, 1.23456, 2.0, 7.0, 3.0], "so")
    assert (made.value, made.spread, made.runs) == (3.0, (1.23, 9.0), 5)
    assert made.json() == {"value": 3.0, "unit": "ms", "spread": [1.23, 9.0], "runs": 5, "how": "so"}


def test_every_promised_figure_is_there_from_at_least_five_runs_and_two_thousand_negotiations() -> None:
    assert set(ASKED_FOR) <= set(NAMES)
    plan = Plan()
    assert plan.runs >= 5
    assert plan.runs * plan.busy >= 2000
    assert plan.at_once == 32
    assert plan.datasets == (1_000, 100_000, 1_000_000)


def test_the_next_page_is_read_from_the_link_header_only() -> None:
    head = b'HTTP/1.1 200 OK\r\nLink: <http://a/b?t=1>; rel="next"\r\nContent-Length: 0\r\n\r\n'
    assert next_link(Reply(head, b"")) == "http://a/b?t=1"
    assert next_link(Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"")) == ""


def test_a_wider_request_differs_in_its_end_alone() -> None:
    role = {"leftOperand": "role", "operator": "eq", "rightOperand": "recycler"}
    end = {"leftOperand": "odrl:dateTime", "operator": "lteq", "rightOperand": "2027-12-31T23:59:59Z"}
    wider = _wider({"@id": "o", "permission": [{"action": "use", "constraint": [role, end]}]})
    assert wider["permission"] == [{"action": "use", "constraint": [role, end | {"rightOperand": "2099-12-31T23:59:59Z"}]}]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the benchmark reads memory from /proc, which this system lacks")
def test_a_quick_run_negotiates_between_two_processes_and_loses_nothing() -> None:
    command = [sys.executable, "-m", "scripts.lib.bench", "--quick", "--json", "--store", "sqlite", "--only", "negotiations_lost"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=110)
    found = json.loads(done.stdout)
    assert list(found) == ["negotiations_lost"]
    assert found["negotiations_lost"]["value"] == 0
