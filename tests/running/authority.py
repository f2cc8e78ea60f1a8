"""A certificate authority of a test's own: certificates for names, for as long or as short as the test wants."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


def _new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Authority:
    """Signs; `pem` in `folder` is what others have to trust."""

    folder: Path
    name: str = "Authority of a test"
    key: Key = field(default_factory=_new_key)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.certificate = self._sign(self.name, self.key, now - timedelta(days=1), now + timedelta(days=30), ca=True)
        self.pem = self.folder / "authority.pem"
        self.pem.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str = "node", *, days: float = 10, since: float = -1, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    ) -> tuple[Path, Path]:
        """(chain, key) files of a certificate for `hosts`, valid from `since` to `days` from now."""
        key, now = _new_key(), datetime.now(UTC)
        made = self._sign(name, key, now + timedelta(days=since), now + timedelta(days=days), hosts=hosts)
        chain, secret = self.folder / f"{name}-chain.pem", self.folder / f"{name}-key.pem"
        chain.write_bytes(made.public_bytes(Encoding.PEM) + self.certificate.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        secret.chmod(0o600)
        return chain, secret

    def _sign(
        self, name: str, key: Key, begins: datetime, ends: datetime, *, hosts: tuple[str, ...] = (), ca: bool = False
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), begins, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        return builder.sign(self.key, SHA256())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
