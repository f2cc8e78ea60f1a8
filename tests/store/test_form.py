"""Records as text: quickly written, and the same text that pydantic would write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter

from connector.records import Letter, Negotiation, Peer, Place
from connector.storage.form import dump, load

NOW = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)


def negotiation(**more: Any) -> Negotiation:
    given: dict[str, Any] = {
        "id": "urn:uuid:1", "side": "provider", "peer": "did:web:r", "address": "https://r.example", "dataset": "d", "offer": {"@id": "o"},
        "place": Place(state="REQUESTED", heard=("a", "b")), "opened": NOW, "changed": NOW + timedelta(microseconds=1),
    }  # fmt: skip
    return Negotiation(**{**given, **more})


@pytest.mark.parametrize(
    "record",
    [
        negotiation(),
        negotiation(opened=NOW.astimezone(timezone(timedelta(hours=2))), purpose=("dismantling", "Zerlegung \u00fc \U0001f50b")),
        negotiation(offer={"a": [1, 2.5, None, True, '\n"\\'], "\u00e4": {}}, why_waiting=("x",)),
        Peer(
            id="did:web:r", name="r", address="https://r", origins=("https://r",), key={"kty": "EC"}, claims={"role": ("a", "b")}, added=NOW
        ),
        Letter(id="l", process_kind="transfer", process="p", purpose="send", body='{"a":"b"}', posted=NOW, due=NOW),
    ],
)
def test_the_quick_writer_writes_what_pydantic_writes(record: Negotiation | Peer | Letter) -> None:
    assert dump(record) == TypeAdapter(type(record)).dump_json(record).decode()
    assert load(type(record), dump(record)) == record


def test_what_the_quick_writer_does_not_take_is_written_all_the_same() -> None:
    record = Peer(id="p", name="p", address="a", origins=(), key={"n": 2**70}, added=NOW)
    assert load(Peer, dump(record)) == record


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        dump(negotiation(view="\ud800"))
