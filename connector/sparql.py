"""RDF in a process of its own: triples come in, a question is answered or another form is written, and it ends.

So a question cannot hold up the node, outlive its time, or take more memory than it is given; and the node itself never loads rdflib.
Read-only by what it is: it has no store and no file, refuses SERVICE and FROM, and its sockets are taken away before a question is
read.  `python -m connector.sparql`: one line of JSON (`Order`), then N-Triples, on stdin; one JSON object on stdout.
"""

from __future__ import annotations

import importlib
import json
import re
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any

CPU = 20  # seconds
MEMORY = 1024 * 1024 * 1024  # bytes of address space
CELL = 4000  # characters of one value

_FORMS = {"turtle": "turtle", "json-ld": "json-ld", "ntriples": "nt"}


_WHOLE = (
    "ssl",
    "urllib.request",
    "rdflib",
    "rdflib.plugins.sparql",
    "rdflib.plugins.serializers.jsonld",
    "rdflib.plugins.serializers.turtle",
)


class Refused(Exception):
    """A question that is not answered: what, and what to do instead."""


def answer(order: Mapping[str, Any], triples: str) -> dict[str, Any]:
    """Write the triples in `form`, or answer `query`: {"columns", "rows", "more"}, {"answer"} or {"text"}."""
    import rdflib

    graph = rdflib.Graph(bind_namespaces="none")
    for prefix, namespace in order.get("prefixes", {}).items():
        graph.bind(prefix, namespace)
    rdflib.NORMALIZE_LITERALS = False  # a number keeps its token
    graph.parse(data=triples, format="nt")
    if order.get("form"):
        return {"text": _written(graph, _FORMS[order["form"]], order.get("prefixes", {}))}
    return _asked(graph, str(order["query"]), int(order.get("rows", 1000)), order.get("prefixes", {}))


def _written(graph: Any, form: str, prefixes: Mapping[str, str]) -> str:
    context = {"context": dict(prefixes)} if form == "json-ld" else {}
    return str(graph.serialize(format=form, **context))


def _asked(graph: Any, query: str, rows: int, prefixes: Mapping[str, str]) -> dict[str, Any]:
    from pyparsing.exceptions import ParseException
    from rdflib.plugins import sparql

    sparql.SPARQL_LOAD_GRAPHS = False  # FROM would fetch
    try:
        prepared = sparql.prepareQuery(query, initNs=dict(prefixes))
    except ParseException as error:
        raise Refused(f"not SPARQL, line {error.lineno}, column {error.column}: {error.msg}") from None
    except Exception as error:  # noqa: BLE001 - whatever its translator says of a question is the asker's to read
        raise Refused(f"not a question that is understood: {str(error)[:300]}") from None
    parts = set(_names(prepared.algebra))
    if "ServiceGraphPattern" in parts:
        raise Refused("SERVICE asks elsewhere, and nothing is fetched here")
    if prepared.algebra.get("datasetClause"):
        raise Refused("FROM names another graph, and there is one here: leave it out")
    found = graph.query(prepared)
    if found.type == "ASK":
        return {"answer": bool(found.askAnswer)}
    if found.type != "SELECT":
        for prefix, namespace in prefixes.items():
            found.graph.bind(prefix, namespace)
        return {"text": _written(found.graph, "turtle", prefixes)}
    told: list[list[Any]] = []
    for row in found:
        if len(told) == rows:
            return {"columns": [str(name) for name in found.vars], "rows": told, "more": True}
        told.append([_cell(value) for value in row])
    return {"columns": [str(name) for name in found.vars or ()], "rows": told, "more": False}


def _cell(value: Any) -> dict[str, str] | None:
    """A value with what it is; None for none."""
    import rdflib

    if value is None:
        return None
    if isinstance(value, rdflib.Literal):
        more = {"datatype": str(value.datatype)} if value.datatype else {"lang": value.language} if value.language else {}
        return {"type": "literal", "value": str(value)[:CELL], **more}
    return {"type": "bnode" if isinstance(value, rdflib.BNode) else "uri", "value": str(value)[:CELL]}


def _names(node: Any) -> Iterator[str]:
    """The name of every part of a question."""
    from rdflib.plugins.sparql.parserutils import CompValue

    if isinstance(node, CompValue):
        yield node.name
        for value in node.values():
            yield from _names(value)
    elif isinstance(node, list | tuple | set):
        for value in node:
            yield from _names(value)


def _no_socket(*_: Any, **__: Any) -> Any:
    raise Refused("nothing is fetched here")


def main() -> None:
    """Answer one order."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    for module in _WHOLE:  # what is imported later meets the sockets that are left
        importlib.import_module(module)
    socket.socket = _no_socket  # type: ignore[assignment,misc]
    socket.create_connection = _no_socket
    order = json.loads(sys.stdin.readline())
    try:
        told = answer(order, sys.stdin.read())
    except Refused as refused:
        told = {"refused": str(refused)}
    except (MemoryError, RecursionError):
        told = {"refused": "it takes more memory than a question is given"}
    except Exception as error:  # noqa: BLE001 - whatever a question makes of a value is told, and the process ends anyway
        told = {"refused": re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")[:300]}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
