"""Certificate files (PEM): until when one serves, and what is wrong with one that does not.

Asked by the listeners when they start, by `doctor` before that, and by the metrics while the node runs.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from connector.errors import Misconfigured

SOON = timedelta(days=14)  # time to renew


@dataclass(frozen=True, slots=True)
class Certificate:
    """The first certificate of a chain: the listener's own."""

    path: Path
    begins: datetime
    ends: datetime

    def left(self, now: datetime) -> timedelta:
        """How long it still serves; negative once it has expired."""
        return self.ends - now


def read(chain: Path) -> Certificate:
    """The listener's certificate in a PEM chain; Misconfigured when there is none."""
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _unfit(chain, why, "Give a PEM certificate chain, the listener's own certificate first.") from error
    return Certificate(chain, first.not_valid_before_utc, first.not_valid_after_utc)


def check(certificate: Certificate, now: datetime) -> None:
    """Misconfigured when it serves no more, or not yet: no peer would connect."""
    if now >= certificate.ends:
        why = f"it expired at {certificate.ends:%Y-%m-%d %H:%M} UTC, and peers refuse to connect"
        raise _unfit(certificate.path, why, "Renew it, put the new chain and key in place and start again.", "certificate.expired")
    if now < certificate.begins:
        why = f"it is valid from {certificate.begins:%Y-%m-%d %H:%M} UTC on, and the clock here says {now:%Y-%m-%d %H:%M}"
        raise _unfit(certificate.path, why, "Set the clock, or wait.", "certificate.early")


def server_context(chain: Path, key: Path, now: datetime) -> ssl.SSLContext:
    """What a listener speaks TLS with; Misconfigured names the file that does not serve, and why."""
    check(read(chain), now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or error.strerror or str(error)
        raise _unfit(chain, f"with the key {key}: {why}", "Give a PEM certificate chain and the key that belongs to it.") from error
    return context


class Served:
    """A listener's TLS, renewed from its files while it listens."""

    def __init__(self, chain: Path, key: Path, now: datetime) -> None:
        self.context = server_context(chain, key, now)
        self.chain, self._key = chain, key
        self._loaded = self._stamp()

    def renew(self, now: datetime) -> bool:
        """Take up files that have changed, for connections from now on; whether they had.  Misconfigured keeps the ones in use."""
        found = self._stamp()
        if found == self._loaded:
            return False
        server_context(self.chain, self._key, now)  # looked over apart: a context that fails half-way would serve nobody
        self.context.load_cert_chain(self.chain, self._key)
        self._loaded = found
        return True

    def _stamp(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in (self.chain, self._key))
        except OSError:
            return ()


def client_context(authorities: Path | None) -> ssl.SSLContext:
    """What a call trusts: the system's authorities, and those of a PEM file beside them."""
    context = ssl.create_default_context()
    if authorities is not None:
        try:
            context.load_verify_locations(authorities)
        except (OSError, ssl.SSLError) as error:
            why = getattr(error, "reason", None) or error.strerror or str(error)
            raise Misconfigured(
                f"The authorities in {authorities} cannot be read.", why, "Give a PEM file of certificates in [outbound] tls_ca."
            ) from error
    return context


def _unfit(chain: Path, why: str, next: str, code: str = "certificate.unfit") -> Misconfigured:
    return Misconfigured(f"The certificate {chain} does not serve.", why, next, code=code)
