"""A signed C2PA manifest for tests, by a certificate made on the spot."""

import datetime
import io
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC)


def signed(jpeg: bytes, source_type: str) -> bytes:
    """The JPEG with a manifest that says it was created from this IPTC digital source type."""
    import c2pa

    certificates, key = _chain()
    action = {
        "action": "c2pa.created",
        "digitalSourceType": f"http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}",
    }
    manifest = {
        "claim_generator_info": [{"name": "Test camera", "version": "1"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", certificates, key, None))
    out = io.BytesIO()
    with c2pa.Builder(manifest) as builder:
        builder.sign(signer, "image/jpeg", io.BytesIO(jpeg), out)
    return out.getvalue()


def _certificate(name: str, issuer: str, key: Any, number: int) -> x509.CertificateBuilder:
    subject, signer = (
        x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, one),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Newsroom"),
            ]
        )
        for one in (name, issuer)
    )
    builder = x509.CertificateBuilder(signer, subject, key.public_key(), number, _FROM, _UNTIL)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)


def _usage(signature: bool) -> x509.KeyUsage:
    """Of a leaf, to sign with; of a root, to sign certificates."""
    return x509.KeyUsage(signature, False, False, False, False, not signature, not signature, False, False)


@lru_cache(maxsize=1)
def _chain() -> tuple[bytes, bytes]:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Root", "Root", root_key, 1).add_extension(x509.BasicConstraints(True, None), True)
    root_certificate = root.add_extension(_usage(False), True).sign(root_key, hashes.SHA256())
    leaf = _certificate("Camera", "Root", key, 2).add_extension(x509.BasicConstraints(False, None), True)
    leaf = leaf.add_extension(_usage(True), True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
    pem = serialization.Encoding.PEM
    certificates = leaf.sign(root_key, hashes.SHA256()).public_bytes(pem) + root_certificate.public_bytes(pem)
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificates, private
