"""
A throw-away certificate authority for one simulator's life, and certificates with the flaws clients have to refuse.

The authority's key signs one certificate and is forgotten; nothing is added to any trust store. A client is told of
the authority through environment variables that belong to its own process.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["CA_VARIABLES", "Certificates", "Flaw", "issue_certificates"]

CA_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""Environment variables through which common clients take one more authority."""

Flaw = Literal["none", "expired", "wrong_host", "unknown_authority"]

_LIFE: Final = datetime.timedelta(days=7)


class Certificates(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of PEM files: the authority clients may trust, and the server's certificate and key."""

    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """A TLS context that serves with these."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def environment(self) -> dict[str, str]:
        """The variables of ``CA_VARIABLES``, for a client's process."""
        return dict.fromkeys(CA_VARIABLES, str(self.ca))


@contextmanager
def issue_certificates(*, flaw: Flaw = "none") -> Iterator[Certificates]:
    """
    Certificates for ``127.0.0.1``, ``::1`` and ``localhost``, valid for a week; the files are gone afterwards.

    Args:
        flaw: ``expired``, ``wrong_host`` (another name and address), or ``unknown_authority`` (signed by another
            authority than the one the file names), for clients that must refuse.
    """
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    signing_key = ec.generate_private_key(ec.SECP256R1()) if flaw == "unknown_authority" else authority_key
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server(key, signing_key, authority, now, flaw)
    with TemporaryDirectory(prefix="holdfast-simulator-") as folder:
        issued = Certificates(
            ca=Path(folder) / "ca.pem", certificate=Path(folder) / "server.pem", key=Path(folder) / "server.key"
        )
        issued.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        yield issued


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    name = _name("holdfast simulator test authority")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        # Stricter verifiers (Python 3.13 and newer) insist on both key identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    signing_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    now: datetime.datetime,
    flaw: Flaw,
) -> x509.Certificate:
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    if flaw == "wrong_host":
        names = [x509.DNSName("elsewhere.invalid"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    ends = now - datetime.timedelta(days=1) if flaw == "expired" else now + _LIFE
    return (
        x509.CertificateBuilder()
        .subject_name(_name("holdfast simulator"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
