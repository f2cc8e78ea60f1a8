"""What is shown: tables for eyes, tabs for pipes, one shape for refusals, and no word of a peer does harm."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from connector.cli import table
from connector.cli.table import Column
from connector.errors import Denied, Malformed, PeerRefused

COLUMNS = (Column("id", "ID", table.show_id), Column("size", "SIZE", lambda value: f"{value} B", right=True))
ROWS = [{"id": "urn:uuid:7c1e0000-1111-2222-3333-444444444444", "size": 5}, {"id": "x", "size": None}]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_whole_values_between_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    table.table(ROWS, COLUMNS, title="not for a program", empty="none")
    assert capsys.readouterr().out == "urn:uuid:7c1e0000-1111-2222-3333-444444444444\t5\nx\t\n"


def test_a_terminal_gets_a_table_with_short_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    table.table(ROWS, COLUMNS, title="two things")
    lines = shown.getvalue().splitlines()
    assert lines[0] == "two things"
    assert lines[1].split() == ["ID", "SIZE"]
    assert lines[2].split() == ["7c1e0000", "5", "B"]
    assert lines[3].split() == ["x", "-"]


@pytest.mark.parametrize("width", [44, 60, 200])
def test_lines_break_between_words_only(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("COLUMNS", str(width))
    row = {"a": "dismantling", "b": "to recyclers · for dismantling · to 2027-12-31", "c": "yes, if maker confirms role=recycler"}
    table.table([row], [Column("a", "VIEW"), Column("b", "TERMS"), Column("c", "FOR YOU")])
    words = set(shown.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").split())
    assert words == {*" ".join(row.values()).split(), "VIEW", "TERMS", "FOR", "YOU"}
    assert max(len(line) for line in shown.getvalue().splitlines()[1:]) <= width


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    table.table(ROWS, COLUMNS)
    assert "\x1b" not in shown.getvalue()


def test_foreign_text_cannot_use_the_terminal_or_the_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    table.table([{"a": "[red]x\x1b]0;evil\x07\u202e"}], [Column("a", "A")])
    row = shown.getvalue().splitlines()[1]
    assert "[red]x" in row
    assert not {"\x1b", "\x07", "\u202e"} & set(row)


def test_a_refusal_answers_what_why_next_and_code() -> None:
    error = PeerRefused(
        'your request for "dismantling · model EV-72"',
        "permission 1, constraint 1: role eq recycler - no role is vouched for",
        "ask maker to vouch",
        code="policy.constraint.false",
        decision="d-51f0",
        by="maker",
        process_kind="negotiation",
        process="urn:uuid:7c1e0000-1111-2222-3333-444444444444",
    )
    assert table.error_lines(error) == [
        "refused by maker · negotiation 7c1e0000",
        '  what  your request for "dismantling · model EV-72"',
        "  why   permission 1, constraint 1: role eq recycler - no role is vouched for",
        "  next  ask maker to vouch",
        "  code  policy.constraint.false · decision d-51f0          saltbridge contract timeline 7c1e0000",
    ]
    assert set(table.error_json(error)) >= {"what", "why", "next", "code", "decision", "by", "process", "process_kind"}


def test_other_errors_have_at_most_three_lines() -> None:
    many = Malformed("The body is wrong.", "a", "Repair it.", where="/x", details=[f"field {n}" for n in range(9)])
    lines = table.error_lines(many)
    assert [line.split()[0] for line in lines] == ["what", "why", "next"]
    assert "and 6 more" in lines[1]
    assert table.error_lines(Denied("No.")) == ["what  No."]


def test_without_a_terminal_a_question_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(typer.BadParameter):
        table.confirm("Really?", yes=False)
    table.confirm("Really?", yes=True)
