"""RDF and SPARQL for the operator: what was selected and nothing else, questions that only read, and an end to each."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import rdflib

from connector.errors import Clash, Malformed, Unavailable
from connector.operate import exporting, graphs, passports, views
from submodels.folder import Batch

from .conftest import Holder

BATTERY = "EV-72.000017"
SB, CONDITION = rdflib.Namespace("https://w3id.org/saltbridge/v1/"), rdflib.Namespace("https://w3id.org/saltbridge/v1/condition#")


async def test_a_passport_in_turtle_says_its_values_with_tokens_types_and_tags(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    file = await exporting.export(holder.world, BATTERY, "turtle")
    assert (file.media_type, file.name) == ("text/turtle", "EV-72.000017.ttl")
    found = rdflib.Graph().parse(data=file.content, format="turtle")
    battery = rdflib.URIRef("https://id.halden-cells.example/01/09506000172040/21/000017")
    charge = found.value(found.value(found.value(battery, SB.condition), CONDITION.StateOfCharge), CONDITION.StateOfChargeValue)
    assert charge == rdflib.Literal("43.71", datatype=rdflib.XSD.float)
    assert str(found.value(CONDITION.StateOfChargeValue, SB.unit)) == "%"
    assert rdflib.Literal("Halden Cells", lang="en") in set(found.objects())


async def test_json_ld_says_the_same_triples(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    turtle = await exporting.export(holder.world, BATTERY, "turtle")
    told = json.loads((await exporting.export(holder.world, BATTERY, "json-ld")).content)
    battery = next(each for each in told["@graph"] if each.get("@type") == "sb:Battery")
    assert battery["sb:battery"] == BATTERY
    assert told["@context"]["condition"] == str(CONDITION)
    subjects = {str(each) for each in rdflib.Graph().parse(data=turtle.content, format="turtle").subjects()}
    assert len(subjects) == len(told["@graph"])


@pytest.mark.parametrize("form", ["turtle", "json-ld"])
async def test_through_a_view_a_graph_holds_the_view_and_no_name_of_anything_else(holder: Holder, sample: Batch, form: str) -> None:
    await passports.import_batch(holder.world, sample)
    await views.put(holder.world, "condition")
    text = (await exporting.export(holder.world, "EV-72", form, view="condition")).content.decode()
    assert "43.71" in text
    for hidden in ("Halden Cells", "Nickel, battery grade", "HC-DM-7204", "412.37", "BatteryMaterial", "id.halden-cells", "NameOfSupplier"):
        assert hidden not in text, hidden


async def test_select_ask_and_construct(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    told = await graphs.query(
        holder.world,
        "SELECT ?id ?soc { ?b sb:battery ?id ; sb:condition/condition:StateOfCharge/condition:StateOfChargeValue ?soc } ORDER BY ?soc",
    )
    assert told["columns"] == ["id", "soc"] and not told["more"]
    assert [row[0]["value"] for row in told["rows"]] == ["EV-72.000017", "EV-72.000019", "EV-72.000018"]
    assert told["rows"][0][1] == {"type": "literal", "value": "43.71", "datatype": str(rdflib.XSD.float)}
    some = await graphs.query(holder.world, "SELECT ?id { ?b sb:battery ?id }", rows=2)
    assert len(some["rows"]) == 2 and some["more"]
    assert await graphs.query(holder.world, "ASK { ?b sb:model 'EV-72' }", name=BATTERY) == {"answer": True}
    made = await graphs.query(holder.world, "CONSTRUCT { ?b sb:is ?id } WHERE { ?b sb:battery ?id }", name=BATTERY)
    assert 'sb:is "EV-72.000017"' in made["text"]


ELSEWHERE = (
    "SELECT ?a {{ SERVICE <{url}> {{ ?a ?b ?c }} }}",
    "SELECT ?a {{ ?a sb:model ?m OPTIONAL {{ SERVICE <{url}> {{ ?a ?b ?c }} }} }}",
    "SELECT ?a {{ ?a sb:model ?m FILTER EXISTS {{ SERVICE SILENT <{url}> {{ ?a ?b ?c }} }} }}",
    "SELECT ?a {{ {{ SELECT ?a {{ SERVICE <{url}> {{ ?a ?b ?c }} }} }} }}",
    "SELECT ?a FROM <{url}> {{ ?a ?b ?c }}",
    "SELECT ?a FROM NAMED <{url}> {{ GRAPH ?g {{ ?a ?b ?c }} }}",
    "DESCRIBE <{url}>",
    "LOAD <{url}>",
    "INSERT DATA {{ <{url}> sb:x 1 }}",
    "DELETE WHERE {{ ?a ?b ?c }}",
    "CLEAR ALL",
)


@pytest.mark.parametrize("question", ELSEWHERE)
async def test_no_question_reaches_anything_else_or_writes(holder: Holder, sample: Batch, question: str) -> None:
    asked: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

        do_POST = do_GET

    await passports.import_batch(holder.world, sample)
    server = HTTPServer(("127.0.0.1", 0), Listening)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        text = question.format(url=f"http://127.0.0.1:{server.server_port}/x")
        if question.startswith("DESCRIBE"):
            assert (await graphs.query(holder.world, text))["text"].strip() == ""
        else:
            with pytest.raises(Malformed) as refused:
                await graphs.query(holder.world, text)
            assert refused.value.code == "query.refused"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert asked == []


async def test_a_question_without_end_is_ended(holder: Holder, sample: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    await passports.import_batch(holder.world, sample)
    monkeypatch.setattr(graphs, "SECONDS", 4.0)
    with pytest.raises(Unavailable) as ended:
        await graphs.query(holder.world, "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l } ORDER BY ?l")
    assert ended.value.code == "query.slow"


async def test_what_is_no_question_says_where(holder: Holder, sample: Batch) -> None:
    await passports.import_batch(holder.world, sample)
    with pytest.raises(Malformed, match="line 1, column"):
        await graphs.query(holder.world, "SELECT ?a WHERE { ?a }")
    with pytest.raises(Malformed):
        await graphs.query(holder.world, "")


async def test_too_many_batteries_are_refused(holder: Holder, sample: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    await passports.import_batch(holder.world, sample)
    monkeypatch.setattr(graphs, "BATTERIES", 2)
    with pytest.raises(Clash):
        await graphs.query(holder.world, "ASK { ?a ?b ?c }")
    assert await graphs.query(holder.world, "ASK { ?a ?b ?c }", name=BATTERY) == {"answer": True}
