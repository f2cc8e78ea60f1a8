"""Errors as the AAS API tells them: a Result and nothing beside it (IDTA 01002, v3.1: `Result`, `Message`)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from connector.errors import SaltbridgeError


def result(error: SaltbridgeError) -> bytes:
    """The error's body; the decision's number, where there is one, is the correlation id."""
    message = {
        "messageType": "Error" if error.status < 500 else "Exception",
        "text": " ".join(error.reasons()),
        "code": error.code,
        "correlationId": error.decision,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return json.dumps({"messages": [message]}, ensure_ascii=False).encode()
