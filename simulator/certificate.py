"""The certificate authority that clients are told to trust.

A folder keeps its authority, so that a client that trusted it once still does after the simulator is started again.
"""

import ssl
from pathlib import Path

import trustme

CERTIFICATE = "ca.pem"
_KEY = "ca.key"


def authority_in(folder: Path) -> trustme.CA:
    """The authority kept in the folder, or a new one written there. The key is readable by its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / CERTIFICATE, folder / _KEY
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(certificate))
    key.touch(mode=0o600)
    authority.private_key_pem.write_to_path(str(key))
    return authority


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS for a server that goes by these names and addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = authority.issue_cert(*names)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - it also takes pyOpenSSL's contexts
    return context
