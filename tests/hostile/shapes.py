"""What every error looks like, by the address that was called; and JSON of every kind, from nowhere and out of good messages."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests import official

from .node import Answer, Node

NAMES = {"catalog": "CatalogError", "negotiations": "ContractNegotiationError", "transfers": "TransferError"}
AAS = ("aas", "shell-descriptors", "submodel-descriptors", "lookup")
LONG = int(os.environ.get("SALTBRIDGE_HOSTILE", "1"))  # times as many examples, and not the same as last time

# One node is shared by all examples of a test: nothing of one may be seen by the next, which is what is tested.
hostile = settings(
    deadline=None,
    derandomize=LONG == 1,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def examples(count: int) -> settings:
    return settings(hostile, max_examples=count * LONG)


# --- answers -------------------------------------------------------------------------------------


def is_in_shape(path: str, answer: Answer) -> None:
    """A refusal of the dataspace listener in the words of what was called; no error is a fault of the node."""
    assert answer.status != 500, answer.body
    if answer.status < 400:
        return
    said = answer.json
    steps = [step for step in path.split("?", maxsplit=1)[0].split("/") if step]
    if steps[:1] == ["dsp"]:
        family = NAMES.get(steps[2] if len(steps) > 2 else "", "CatalogError")
        assert said["@type"] == family and said["code"] and said["reason"] and isinstance(said["@context"], list), said
        assert official.faults(said) == []
    elif steps[:1] and steps[0] in AAS:
        [told] = said["messages"]
        assert told["code"] and told["text"] and told["messageType"] in ("Error", "Exception"), said
    else:
        assert {"code", "reason", "decision"} <= set(said) and all(isinstance(text, str) for text in said["reason"]), said
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["server"] == "saltbridge" and answer.headers["x-content-type-options"] == "nosniff"


def is_in_operators_shape(path: str, answer: Answer) -> None:
    """The same at the operator listener: EDC's array, an AAS Result, or ours."""
    assert answer.status != 500, (path, answer.body)
    if answer.status < 400:
        return
    said = answer.json
    if path.startswith("/management/aas/") or ("/saltbridge/registry/" in path and path.split("/")[4] in AAS):
        assert [told["messageType"] for told in said["messages"]] == ["Error" if answer.status < 500 else "Exception"], said
    elif not path.startswith(("/management/saltbridge/", "/management/openapi")):
        assert [set(each) for each in said] == [{"message", "type", "path", "invalidValue"}] and said[0]["message"], said
    else:
        assert said["what"] and said["code"] and said["reason"] and said["next"] is not None, said


class Still:
    """What the node holds; a refusal must not have changed it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = node.at_rest()

    def after(self, answer: Answer) -> None:
        """Nothing moved, unless the answer says that something was done."""
        if answer.status < 400:
            self._before = self._node.at_rest()
        else:
            assert self._node.stored() == self._before, answer.body


# --- JSON ----------------------------------------------------------------------------------------

ODD = [
    "",
    " ",
    "/",
    "..",
    "../..",
    "a/b",
    "%2e%2e",
    "%00",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "ä",
    "日本",
    "\U0001f50b",
    "'",
    '"',
    "' OR 1=1 --",
    "${x}",
    "urn:uuid:00000000-0000-0000-0000-000000000000",
    "null",
    "0",
    "-1",
    "x" * 3000,
    "\ud800",
    "@id",
    "@context",
    "__proto__",
    "did:web:x",
    "http://[::1",
    "https://user:pw@h/",
    "file:///etc/passwd",
    "2027-13-45T99:99:99Z",
    "9" * 400,
]
text = st.sampled_from(ODD) | st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12)


def written(value: Any) -> bytes:
    """JSON as a careless writer has it: NaN, lone surrogates and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw: Callable[..., Any], good: Any) -> Any:
    """A good value with one to three things wrong, or at least different."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(anything)
        holder, key = draw(st.sampled_from(places))
        match draw(st.integers(0, 6)):
            case 0:
                del holder[key]
            case 1:
                holder[key] = draw(anything)
            case 2:
                holder[key] = [holder[key]]
            case 3:
                holder[key] = {draw(text): holder[key]}
            case 4:
                holder[key] = draw(text)
            case 5 if isinstance(holder, dict):
                holder[draw(text)] = holder.pop(key)
            case _ if isinstance(holder, list):
                holder.insert(key, draw(anything))
            case _:
                holder[draw(text)] = draw(anything)
    return value


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
