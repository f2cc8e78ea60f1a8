"""What can go wrong, as one tree; every error knows how it is answered.

    SaltbridgeError
    |-- Refused                 they are wrong: answer, change nothing
    |   |-- Malformed       400   cannot be read: JSON, schema, field, value
    |   |-- Illegal         400   readable, but not allowed in this state
    |   |-- Unauthenticated 401   no token, or one that does not hold
    |   |-- Denied          403   known and readable, but policy or grant says no
    |   |   `-- PeerRefused 403   the other node said no to us (operator side only)
    |   |-- Hidden          404   unknown, foreign or hidden: one text for all three
    |   |-- Clash           409   the operator's write meets another one (never on DSP)
    |   |-- Gone            410   a passport that was here and has ceased; a signed statement comes with it
    |   |-- TooLarge        413   over a limit
    |   `-- Unsupported     415   media type or encoding
    |-- Unavailable         503   the world is: try again later
    |   `-- PeerUnreachable 503   the other node did not answer (CLI exit code 5)
    `-- Misconfigured             we are: stop at start-up

Every error says what happened, why, and what to do next.  Raising one means that nothing was changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class SaltbridgeError(Exception):
    """An error a person can act on: what, why, next; `code` is the stable name, `decision` the number to talk about."""

    status = 500
    default_code = "internal"

    def __init__(
        self,
        what: str,
        why: str = "",
        next: str = "",
        *,
        code: str = "",
        where: str = "",
        decision: str = "",
        details: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.code = code or self.default_code
        self.where = where
        self.decision = decision
        self.details = tuple(details)
        self.retry_after = retry_after
        self.value: str | None = None  # what was wrong with the input, where it may be repeated

    def reasons(self) -> list[str]:
        """The strings of a DSP `reason`: what, where, why, details, next, decision; never empty."""
        named = [self.what, f"at {self.where}" if self.where else "", self.why, *self.details, self.next]
        numbered = f"decision {self.decision}" if self.decision else ""
        return [text for text in [*named, numbered] if text]

    def __str__(self) -> str:
        return " - ".join(self.reasons())


class Refused(SaltbridgeError):
    """They are wrong: answer with `status`, change nothing."""

    status = 400
    default_code = "refused"


class Malformed(Refused):
    """The input cannot be read (400)."""

    default_code = "message.malformed"


class Illegal(Refused):
    """The message is readable but not allowed in the present state (400)."""

    default_code = "state.illegal"


class Unauthenticated(Refused):
    """No token, or one that does not hold (401); the text is fixed so that it says nothing to a prober."""

    status = 401
    default_code = "identity.unknown"

    def __init__(self, why_for_the_log: str = "") -> None:
        super().__init__("Not authenticated.", next="Send a valid token for this node.")
        self.why_for_the_log = why_for_the_log


class Denied(Refused):
    """A policy or a grant says no (403 at the data endpoint, exit code 3 in the CLI)."""

    status = 403
    default_code = "policy.denied"


class PeerRefused(Denied):
    """The other node said no to us: who, in which process; shown to our operator, never sent on."""

    def __init__(
        self,
        what: str,
        why: str = "",
        next: str = "",
        *,
        code: str = "",
        decision: str = "",
        details: Sequence[str] = (),
        by: str = "",
        process_kind: str = "",
        process: str = "",
    ) -> None:
        super().__init__(what, why, next, code=code, decision=decision, details=details)
        self.by = by
        self.process_kind = process_kind
        self.process = process


class Hidden(Refused):
    """Unknown, foreign or hidden (404): one text, so that the three cannot be told apart."""

    status = 404
    default_code = "not.found"

    def __init__(self, what: str = "No such thing here.", next: str = "") -> None:
        super().__init__(what, next=next)


class Clash(Refused):
    """The operator's write meets something that stands in its way (409)."""

    status = 409
    default_code = "conflict"


class Gone(Refused):
    """A passport that was published here and has ceased to exist (410); `told` says when, why and what follows, signed."""

    status = 410
    default_code = "passport.ceased"

    def __init__(self, what: str, why: str = "", next: str = "", *, code: str = "", told: Mapping[str, object] | None = None) -> None:
        super().__init__(what, why, next, code=code)
        self.told = dict(told or {})


class TooLarge(Refused):
    """Over a limit of size, depth or count (413)."""

    status = 413
    default_code = "limit.exceeded"


class Unsupported(Refused):
    """A media type or encoding that is not read here (415)."""

    status = 415
    default_code = "media.unsupported"


class Unavailable(SaltbridgeError):
    """The world does not play along just now (503 with Retry-After)."""

    status = 503
    default_code = "unavailable"


class PeerUnreachable(Unavailable):
    """The other node did not answer, or answered nonsense."""

    default_code = "peer.unreachable"


class Misconfigured(SaltbridgeError):
    """We are wrong: stop at start-up and say what to change."""

    default_code = "config.invalid"
