"""Where in a partner's request an id may stand: taken from the description, so that none is forgotten."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from auth.channel_requests import Channel
from auth.guard import CALLERS, Partner
from tests.web.recording import operations_of, resolve

NAMED = {
    ("path", "carriage"): "carriage",
    ("path", "issuance"): "issuance",
    ("path", "request"): "request",
    ("path", "made_up_card"): "made_up_card",
    ("query", "out_request_no"): "number",
    ("body", "out_request_no"): "number",
    ("body", "card"): "subject",
    ("body", "header_fields"): "signed header",
    ("header", "Idempotency-Key"): "key",
}
"""What names something that a channel has."""
CURSORS = {
    "GET /v1/carriages": "carriage",
    "GET /v1/carriage/uses": "use",
    "GET /v1/channel/requests": "request",
    "GET /v1/news": "position",
}
"""What ``after`` is, by operation."""
VALUES = {
    *(("query", name) for name in ("limit", "state", "seen")),
    *(("body", name) for name in ("seen", "reason", "class", "kind", "audience")),
    *(("body", name) for name in ("social_security_number", "name", "phone")),  # of whom it is about, not of a channel
    *(("body", name) for name in ("public_key", "proof")),
    *(("path", name) for name in ("day",)),
    *(("query", name) for name in ("part",)),
    *(("body", name) for name in ("act", "state", "nonce", "redirect_uri", "code_challenge", "dpop_jkt")),  # of a page
    *(("body", name) for name in ("answers", "news")),  # switches of the sender's own sandbox
    *(("body", name) for name in ("level", "act", "decision", "code", "offset_seconds")),  # of the sender's sandbox
    *(("body", name) for name in ("method", "target", "body", "body_base64", "base_string", "base_string_base64")),
}
"""What names nothing that anybody has."""
MISSING = {"carriage", "issuance", "request", "use", "made_up_card"}
"""What is looked for: another channel's looks like what never was. All else means something to its sender alone."""


@dataclass(frozen=True)
class Place:
    """One place of one operation."""

    label: str
    where: str
    name: str

    @property
    def kind(self) -> str | None:
        """Tell what stands there; None for a mere value. A place that nobody has thought about is a fault."""
        if (self.where, self.name) in VALUES:
            return None
        if (self.where, self.name) == ("query", "after"):
            found = CURSORS.get(self.label)
        else:
            found = NAMED.get((self.where, self.name))
        assert found is not None, f"{self.label} takes {self.name} in its {self.where}: say in tests/isolation whose"
        return found

    @property
    def is_looked_for(self) -> bool:
        return self.kind in MISSING or (self.where, self.name) == ("query", "out_request_no")


def operations_of_partners(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """List what a channel calls with its signature, or its software with a token."""
    callers = {CALLERS[Channel], CALLERS[Partner]}
    found = operations_of(dict(description)).items()
    return {label: operation for label, operation in found if operation["x-caller"] in callers}


def places_of(description: Mapping[str, Any], label: str, operation: Mapping[str, Any]) -> Iterator[Place]:
    """List every member of path, query, header and body."""
    _, _, path = label.partition(" ")
    around = description["paths"][path].get("parameters", [])
    for parameter in [*around, *operation.get("parameters", [])]:
        given = resolve(dict(description), parameter)
        yield Place(label, given["in"], given["name"])
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name in resolve(dict(description), content["schema"]).get("properties", {}):
            yield Place(label, "body", name)
