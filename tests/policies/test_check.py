from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.check import check_text, findings, warnings
from policies.lines import lines_of
from policies.odrl import parse_policy

NOW = datetime(2026, 11, 24, tzinfo=UTC)

TEXT = """{
  "permission": [
    {
      "action": "use",
      "constraint": [
        {"leftOperand": "https://w3id.org/saltbridge/v1/rol",
         "operator": "eq", "rightOperand": "x"},
        {"leftOperand": "role", "operator": "eq",
         "rightOperand": "recyler"},
        {"leftOperand": "odrl:dateTime", "operator": "lteq",
         "rightOperand": "2027-02-30T00:00:00Z"},
        {"or": [{"leftOperand": "dateTime",
                 "operator": "isAnyOf", "rightOperand": "2027-02-20T00:00:00Z"}]},
        {"leftOperand": "role", "operator": "eq",
         "rightOperand": ["oem", "recycler"]},
        {"leftOperand": "dateTime", "operator": "lteq",
         "rightOperand": "2026-02-20T00:00:00Z"}
      ]
    }
  ],
  "prohibition": {"action": "use"}
}
"""


def test_everything_that_would_never_match_is_found_on_its_line() -> None:
    found = {(one.line, one.what.split(":")[0]) for one in check_text(TEXT, NOW)}
    assert found == {
        (6, "the operand https"),
        (9, 'there is no role "recyler"'),
        (11, '"2027-02-30T00'),
        (13, "isAnyOf cannot be asked of dateTime"),
        (15, "eq takes one value"),
        (17, "2026-02-20T00"),
        (21, "a prohibition without constraint refuses everybody"),
    }
    assert all(one.next for one in check_text(TEXT, NOW))


def test_findings_suggest_the_nearest_name() -> None:
    by_line = {one.line: one.next for one in check_text(TEXT)}
    assert by_line[6] == "did you mean https://w3id.org/saltbridge/v1/role?"
    assert by_line[9] == "did you mean recycler?"
    assert 17 not in by_line  # without a clock no date has passed


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('{"permission": [\n}', 2, "not JSON"),
        ('{"permission": [],\n"permission": []}', 1, "twice"),
        ("[" * 100_000, 1, "not JSON"),
        (
            '{\n"permission":\n[{"action": "use",\n"constraint": [{"leftOperand": "role", "operator": "eq",\n"rightOperand": 5}]}]}',
            5,
            "numbers",
        ),
        ('{"policy": {"permission": [\n{"action": "use",\n"refinement": []}]}}', 3, "not understood"),
        ('{"obligation": []}', 1, "at least one"),
        ('\n{"permission": [{"action":\n"launch"}]}', 2, "permits no use"),
        (
            '{"permission": [{"action": "use", "constraint": [\n'
            '{"leftOperand": "dateTime", "operator": "gteq", "rightOperand": "2027-01-01T00:00:00Z"},'
            '\n{"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2026-01-01T00:00:00Z"}]}]}',
            1,
            "nothing between",
        ),
        ('{"permission": [{"action": "use"},\n{"action": "use"}]}', 2, "several permissions"),
        ('{"permission": [{"action": "use"}],\n"profile": "urn:x"}', 2, "profile"),
    ],
)
def test_each_fault_has_a_line(text: str, line: int, what: str) -> None:
    (found,) = check_text(text)
    assert what in found.what
    assert found.line == line


def test_a_good_policy_and_its_definition_have_no_findings() -> None:
    policy = {"permission": [{"action": "use", "constraint": [{"leftOperand": "role", "operator": "isAnyOf", "rightOperand": "recycler"}]}]}
    assert check_text(json.dumps(policy), NOW) == check_text(json.dumps({"@id": "x", "policy": policy}, indent=1), NOW) == ()
    assert warnings(parse_policy(policy)) == ()


def test_warnings_name_the_place() -> None:
    policy = parse_policy(
        {"permission": [{"action": "use", "constraint": [{"leftOperand": "spatial", "operator": "eq", "rightOperand": "EU"}]}]}
    )
    (text,) = warnings(policy)
    assert text == "/permission/0/constraint/0/leftOperand: the operand spatial is not understood here: never satisfied"
    assert findings(policy)[0].line == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    # Keys without "/": the pointers are for people and are not escaped.
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4).filter(lambda key: "/" not in key), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.randoms(use_true_random=False))
def test_every_value_has_the_line_it_begins_on(value: object, random: Random) -> None:
    text, expected = "", {}

    def space() -> str:
        return random.choice(["", " ", "\n", "\n\n\t"])

    def write(node: object, pointer: str) -> None:
        nonlocal text
        expected.setdefault(pointer, text.count("\n") + 1)
        if not isinstance(node, list | dict):
            text += json.dumps(node)
            return
        text += "{" if isinstance(node, dict) else "["
        for n, (key, member) in enumerate(node.items() if isinstance(node, dict) else enumerate(node)):
            text += ("," if n else "") + space()
            if isinstance(node, dict):
                expected.setdefault(f"{pointer}/{key}", text.count("\n") + 1)
                text += json.dumps(key) + space() + ":" + space()
            write(member, f"{pointer}/{key}")
            text += space()
        text += "}" if isinstance(node, dict) else "]"

    write(value, "")
    assert lines_of(text) == expected
