"""Terms that tests ask for: rules with one constraint; what is left out stays as offered."""

from __future__ import annotations

from connector.records import Json

ROLE = "https://w3id.org/saltbridge/v1/role"
GRANT = "https://w3id.org/saltbridge/v1/grant"
PURPOSE = "https://w3id.org/saltbridge/v1/purpose"
DATE_TIME = "http://www.w3.org/ns/odrl/2/dateTime"


def only(operand: str, operator: str, right: str | list[str]) -> Json:
    return {"permission": [{"action": "use", "constraint": [{"leftOperand": operand, "operator": operator, "rightOperand": right}]}]}


LONGER = only(DATE_TIME, "lteq", "2029-12-31T23:59:59Z")
SHORTER = only(DATE_TIME, "lteq", "2027-01-31T23:59:59Z")
OTHERS = only(ROLE, "isAnyOf", "supplier")
