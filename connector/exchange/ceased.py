"""What is left of a passport that has ceased to exist: when, why and what follows, signed by this node; never a bare 404."""

from __future__ import annotations

from datetime import UTC

from connector.errors import Gone
from connector.ports import World
from connector.records import Battery, Json, Model
from submodels.lifecycle import State

CODE = "passport.ceased"
TYPE = "saltbridge-passport-end+jwt"  # of the statement: no token of a call is taken for one, nor the other way


def gone(world: World, model: Model, battery: Battery) -> Gone:
    """The answer to whoever asks for it.  `statement` is a compact JWS (ES256) by the key on this node's card (did.json)."""
    end = battery if battery.status == State.CEASED else model
    at = (end.ended or end.changed).astimezone(UTC).isoformat(timespec="seconds")
    told: Json = {"passport": f"{world.me.public_url}/passports/{battery.id}", "ceased": at, "why": end.why, "successor": end.successor}
    if world.sign is not None:
        claims = {"iss": world.me.id, "sub": told["passport"], "iat": int(world.clock.now().timestamp())}
        told["statement"] = world.sign(claims | {key: told[key] for key in ("ceased", "why", "successor")}, TYPE)
    next = f"Ask for the passport that follows: {end.successor}" if end.successor else ""
    return Gone(f"The passport {battery.id} has ceased to exist.", f"On {at}: {end.why}", next, code=CODE, told=told)
