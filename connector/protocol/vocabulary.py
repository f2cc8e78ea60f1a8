"""The words of DSP 2025-1 and of its neighbours that go over the wire, each said once."""

from __future__ import annotations

DSP_VERSION = "2025-1"
DSP_CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
ODRL_CONTEXT = "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"  # imported by the DSP context, never sent
EDC_CONTEXT = "https://w3id.org/edc/dspace/v0.0.1"  # on every message of an EDC
CATENAX_ODRL_CONTEXT = "https://w3id.org/catenax/2025/9/policy/odrl.jsonld"
CATENAX_CONTEXT = "https://w3id.org/catenax/2025/9/policy/context.jsonld"
W3C_ODRL_CONTEXT = "http://www.w3.org/ns/odrl.jsonld"  # inside policies at the management door, never on DSP
PINNED_CONTEXTS = frozenset({DSP_CONTEXT, EDC_CONTEXT, CATENAX_ODRL_CONTEXT, CATENAX_CONTEXT})
CONTEXT = (DSP_CONTEXT,)  # what we send

EDC_NS = "https://w3id.org/edc/v0.0.1/ns/"
NIL_PID = "urn:uuid:00000000-0000-0000-0000-000000000000"  # the pid of a process that does not exist
HTTP_PULL = "HttpData-PULL"  # the transfer format we offer and ask for
ENDPOINT_TYPE = "https://w3id.org/idsa/v4.1/HTTP"
BEARER = "bearer"

ID_LENGTH = 2048  # characters of any id; longer ones are refused, not cut

# Arrays that the schemas want to have an item: absent instead of empty in what we write.
NEVER_EMPTY = frozenset(
    {
        "permission", "prohibition", "obligation", "profile", "constraint", "reason", "filter",
        "dataset", "catalog", "distribution", "service", "hasPolicy", "servesDataset", "endpointProperties",
    }
)  # fmt: skip
