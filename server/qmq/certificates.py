"""Certificates and keys: PEM files in, TLS contexts out, for the server and for its clients.

Whatever is wrong with a file is one line that names the option and the file. A key
with a passphrase is refused instead of asked for: nobody sits at a server's terminal.
Nothing here opens a socket, and no word of a key ever gets into an error.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from qmq.errors import ConfigError
from qmq.files import read_file
from qmq.sections import Tls

# For TLS 1.2: keys that are forgotten after use, and ciphers that notice changes. TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_VERIFY = {"no": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

_CERTIFICATE, _KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"

# What OpenSSL calls it, and what we do.
_REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "KEY_TYPE_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    "CA_MD_TOO_WEAK": "the signature is too weak to be safe",
}


def server_context(tls: Tls, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    """How a listener speaks TLS: 1.2 or later, not compressed, not renegotiated.

    Args:
        tls: Files, and what is asked of clients.
        protocols: Names that are offered to clients (ALPN), best first.

    Raises:
        ConfigError: If a file cannot be read or is not what it should be.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_CIPHERS)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    _load_chain(context, tls.certificate, tls.key, "tls.certificate", "tls.key")
    if tls.client_ca:
        _load_authorities(context, tls.client_ca, "tls.client_ca")
    context.verify_mode = _VERIFY[tls.client_certificates]
    return context


def client_context(ca: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """How a client speaks TLS: it checks the server's certificate and name.

    Args:
        ca: PEM file with the authorities to believe; by default those of the system.
        certificate: PEM file with the client's own certificate, if it has one.
        key: PEM file with its key, if that is not in the same file.

    Raises:
        ConfigError: If a file cannot be read or is not what it should be.

    """
    context = ssl.create_default_context() if not ca else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        _load_authorities(context, ca, "--ca")
    if certificate:
        _load_chain(context, certificate, key, "--cert", "--key")
    return context


def _load_chain(context: ssl.SSLContext, certificate: str, key: str, name: str, key_name: str) -> None:
    """Gives a context its certificate; the names are those of the options, for errors."""
    _check_pem(certificate, name, _CERTIFICATE, "certificate")
    _check_pem(key or certificate, key_name if key else name, _KEY, "private key")

    def no_password() -> str:
        raise ConfigError(f"{key_name if key else name} {key or certificate}: the key has a passphrase; remove it")

    _load(lambda: context.load_cert_chain(certificate, key or None, no_password), f"{name} {certificate}")


def _load_authorities(context: ssl.SSLContext, file: str, name: str) -> None:
    _check_pem(file, name, _CERTIFICATE, "certificate")
    _load(lambda: context.load_verify_locations(file), f"{name} {file}")


def _check_pem(file: str, name: str, mark: bytes, what: str) -> None:
    """Says which file it is that cannot be read or holds something else, which OpenSSL does not."""
    try:
        found = read_file(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    if mark not in found:
        raise ConfigError(f"{name}: there is no {what} in {file}, or it is not PEM")


def _load(load: Callable[[], None], place: str) -> None:
    try:
        load()
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        raise ConfigError(f"{place}: {_REASONS.get(reason, f'OpenSSL does not accept it ({reason})')}") from error
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror}") from error
