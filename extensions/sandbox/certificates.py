# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS for the simulated providers: a certificate authority, a valid certificate, and invalid ones of every kind."""

from __future__ import annotations

import ipaddress
import shutil
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
LOOPBACK_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
OTHER_NAMES = (x509.DNSName("other.example.com"),)
KINDS = ("good", "expired", "not_yet_valid", "self_signed", "other_name", "other_ca")


@dataclass(frozen=True)
class _Pair:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Certificates:
    """A directory with ca.pem and one file per kind of certificate. Validity is in real time, not sandbox time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, exist_ok=True)
        now = datetime.now(timezone.utc)
        ca, other_ca = (_authority(name, now) for name in ("Sandbox CA", "Another CA"))
        current_period = (now - DAY, now + 365 * DAY)
        pairs = {
            "good": _certificate(LOOPBACK_NAMES, ca, current_period),
            "expired": _certificate(LOOPBACK_NAMES, ca, (now - 30 * DAY, now - DAY)),
            "not_yet_valid": _certificate(LOOPBACK_NAMES, ca, (now + DAY, now + 30 * DAY)),
            "self_signed": _certificate(LOOPBACK_NAMES, None, current_period),
            "other_name": _certificate(OTHER_NAMES, ca, current_period),
            "other_ca": _certificate(LOOPBACK_NAMES, other_ca, current_period),
        }
        self.ca_path = directory / "ca.pem"
        self.ca_path.write_bytes(_pem(ca.certificate))
        for kind, pair in pairs.items():
            path = self.path(kind)
            path.touch(mode=0o600)
            path.write_bytes(_pem(pair.certificate) + pair.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def path(self, kind: str) -> Path:
        """Return the file with this kind's certificate and key."""
        return self._directory / f"{kind}.pem"

    def selector(self) -> CertificateSelector:
        return CertificateSelector(self)

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


class CertificateSelector:
    """Selects the certificate for each handshake with one provider. `context` is for its port."""

    def __init__(self, certificates: Certificates) -> None:
        self._contexts = {kind: _context(certificates.path(kind)) for kind in KINDS}
        self.context = _context(certificates.path("good"))
        self.context.sni_callback = self._choose  # called in every handshake, also without SNI
        self._kind = "good"
        self._times: int | None = None

    def select(self, kind: str, times: int | None) -> None:
        """Use this kind for the next `times` handshakes; None means until the next call. Raises ValueError for an unknown kind."""
        if kind not in KINDS or not (times is None or (isinstance(times, int) and times > 0)):
            raise ValueError(f"a certificate is one of: {', '.join(KINDS)}; times is an integer from 1 up, or null for always")
        self._kind, self._times = kind, times

    def _choose(self, connection: Any, dummy_name: str | None, dummy_context: ssl.SSLContext) -> None:
        connection.context = self._contexts[self._kind]
        if self._times is not None:
            self._times -= 1
            if not self._times:
                self._kind, self._times = "good", None


def _context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.num_tickets = 0  # a resumed session shows no certificate
    context.options |= ssl.OP_NO_TICKET
    return context


def _authority(name: str, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    usage = x509.KeyUsage(digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                          key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    builder = _builder(subject, subject, key, (now - 60 * DAY, now + 365 * DAY))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _certificate(names: tuple[x509.GeneralName, ...], issuer: _Pair | None, valid: tuple[datetime, datetime]) -> _Pair:
    """Sign by the issuer, or self-sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("Sandbox cloud")
    signer = issuer.key if issuer else key
    builder = _builder(subject, issuer.certificate.subject if issuer else subject, key, valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    return _Pair(builder.sign(signer, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key(),
                                      serial_number=x509.random_serial_number(), not_valid_before=valid[0], not_valid_after=valid[1])
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
