"""The benchmark measures what it says: medians and spreads are right, and a small run of it goes through real nodes."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from connector.ports import SystemClock
from connector.storage.sqlite import open_sqlite
from scripts.lib import bench_seed
from scripts.lib.bench import NAMES, _until, table
from scripts.lib.bench_driver import _wider
from scripts.lib.bench_http import Reply
from scripts.lib.bench_pair import Trouble, check_logs, workplace
from scripts.lib.bench_seed import next_link
from scripts.lib.figures import Group, groups
from scripts.lib.figures.figure import Figure, Plan, figure

ROOT = Path(__file__).resolve().parents[2]

ASKED_FOR = (
    "ready_seconds",
    "rss_idle_mib",
    "negotiation_ms_p50",
    "negotiation_ms_p99",
    "negotiations_per_s",
    "negotiations_six_per_s",
    "negotiations_lost",
    "cpu_ms_per_negotiation",
    "rss_after_mib",
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


def test_no_two_modules_make_a_figure_of_one_name() -> None:
    with pytest.raises(ValueError, match="two figures of one name"):
        groups(("start", "start"))


def test_what_comes_after_the_last_wanted_figure_is_not_measured() -> None:
    told: list[str] = []

    def measure(_: Plan, __: object) -> Generator[Figure, None, None]:
        try:
            for name in ("first", "second", "third"):
                told.append(name)
                yield figure(name, "s", [1.0], "so")
        finally:
            told.append("put away")

    group = Group(("first", "second", "third"), measure, ("sqlite",))
    assert [each.name for each in _until(group, ["second"], Plan(), lambda _: "")] == ["second"]
    assert told == ["first", "second", "put away"]


def test_a_table_has_a_row_for_each_figure_in_the_order_of_the_list() -> None:
    lost, ready = figure("negotiations_lost", "", [0.0, 0.0], "how many"), figure("ready_seconds", "s", [1.0, 2.0, 3.0], "so")
    rows = table([lost, ready]).splitlines()[2:]
    assert rows == ["| `ready_seconds` | 2 s | 1 to 3 (3) | so |", "| `negotiations_lost` | 0 | 0 to 0 (2) | how many |"]


def test_a_table_keeps_what_was_not_measured_anew_and_nothing_that_is_no_figure() -> None:
    stood = table([figure("ready_seconds", "s", [9.0], "old"), figure("rss_idle_mib@postgres", "MiB", [80.0], "old")])
    rows = table([figure("ready_seconds", "s", [1.0], "new")], f"{stood}\n| `of_old` | 1 s | 1 to 1 (1) | old |\n").splitlines()[2:]
    assert rows == ["| `ready_seconds` | 1 s | 1 to 1 (1) | new |", "| `rss_idle_mib@postgres` | 80 MiB | 80 to 80 (1) | old |"]


def test_a_workplace_goes_unless_something_went_wrong_in_it() -> None:
    with workplace() as folder:
        pass
    assert not folder.exists()
    with pytest.raises(Trouble) as caught, workplace() as folder:
        (folder / "node.log").write_text("what happened")
        raise ValueError("maker answered 500")
    assert "maker answered 500" in str(caught.value)
    assert str(folder) in str(caught.value)
    assert (folder / "node.log").read_text() == "what happened"
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "line",
    ['{"level": "error", "event": "bug"}', '{"level": "info", "event": "request", "status": 500}', "Traceback (most recent call last):"],
)
def test_an_error_in_a_log_stops_the_benchmark(line: str, tmp_path: Path) -> None:
    (tmp_path / "node.log").write_text('{"level": "info", "event": "request", "status": 200}\n')
    check_logs(tmp_path)
    (tmp_path / "node.log").write_text(f"{line}\n")
    with pytest.raises(Trouble, match="logged an error"):
        check_logs(tmp_path)


def test_a_dataset_written_by_sql_is_as_the_store_writes_it(tmp_path: Path) -> None:
    path = str(tmp_path / "one.db")
    asyncio.run(_put(path, "0000007"))
    stored = _rows(path)
    other = sqlite3.connect(tmp_path / "one.db")
    other.executescript("DELETE FROM record; DELETE FROM record_key")
    for statement, texts in bench_seed.statements(bench_seed.SQLITE):
        other.execute(statement, {**texts, "low": 7, "high": 8})
    other.commit()
    other.close()
    assert _rows(path) == stored


async def _put(path: str, number: str) -> None:
    store = open_sqlite(path, SystemClock())
    async with store.transaction() as tx:
        tx.put(bench_seed.dataset(number, "bench-7"))
    await store.close()


def _rows(path: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        records = connection.execute("SELECT kind, id, version, body FROM record").fetchall()
        return [*records, *connection.execute("SELECT kind, name, value, id FROM record_key ORDER BY name").fetchall()]
    finally:
        connection.close()


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
