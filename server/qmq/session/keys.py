"""Keys of tokens: files in, keys out, each bound to the one algorithm that it is for.

A file holds a shared secret (HS256), a key or certificate in PEM, or a JWK or a set of
them (RFC 7517). RSA is for RS256, P-256 for ES256, Ed25519 for EdDSA. That the key says
which algorithm, and never the token, is what keeps a public key from being taken for a
shared secret. All but shared secrets need the package cryptography.

Nothing here reads a file, and no word of a key gets into an error or a `repr`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms, has_crypto
from jwt.exceptions import PyJWTError

from qmq.errors import ConfigError

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
_LEAST_SECRET = 32  # octets (RFC 7518, section 3.2)
_LEAST_RSA = 2048  # bits (RFC 7518, section 3.3)

# Keys are told from one another by a digest that is of no use to anybody else.
_PROOFS = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that tokens are verified with.

    Attributes:
        algorithm: The only one it is used for.
        id: Its `kid`; empty if it has none.
        material: What PyJWT verifies with.
        signing: What PyJWT signs with; None if it is a public key.
        proof: Tells it from others.

    """

    algorithm: str
    id: str = ""
    material: Any = field(default=None, repr=False, hash=False)
    signing: Any = field(default=None, repr=False, hash=False)
    proof: str = field(default="", repr=False)


def proof_of(material: bytes) -> str:
    """What tells one secret from another as long as this process lives, and says nothing about it."""
    return hashlib.blake2b(material, key=_PROOFS, digest_size=16).hexdigest()


def read(data: bytes) -> list[Key]:
    """The keys in a file; those of a set that are not for signatures, or for other algorithms, are left out.

    Raises:
        ConfigError: If there is none, or one is too short to be safe, or cryptography is missing.

    """
    text = data.strip()
    if text.startswith(b"-----BEGIN "):
        return [_read_pem(text)]
    if text.startswith((b"{", b"[")):
        return _read_set(text)
    return [_secret(text)]


def _secret(secret: bytes, name: str = "") -> Key:
    if len(secret) < _LEAST_SECRET:
        raise ConfigError(f"a shared secret has at least {_LEAST_SECRET} octets")
    return Key("HS256", name, secret, secret, proof_of(secret))


def _need_crypto() -> None:
    if not has_crypto:
        raise ConfigError("all keys but shared secrets need the package cryptography: pip install 'qmq[tokens]'")


def _read_pem(text: bytes) -> Key:
    _need_crypto()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import load_pem_x509_certificate

    private: Any = None
    try:
        if b"PRIVATE KEY-----" in text:
            private = serialization.load_pem_private_key(text, None)
            public: Any = private.public_key()
        elif text.startswith(b"-----BEGIN CERTIFICATE-----"):
            public = load_pem_x509_certificate(text).public_key()
        else:
            public = serialization.load_pem_public_key(text)
    except TypeError:
        raise ConfigError("the key has a passphrase; remove it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("there is no key that can be read, or it is damaged") from None
    return _asymmetric(public, private)


def _asymmetric(public: Any, private: Any, name: str = "") -> Key:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        algorithm = "RS256"
        if public.key_size < _LEAST_RSA:
            raise ConfigError(f"an RSA key has at least {_LEAST_RSA} bits")
    elif isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        algorithm = "ES256"
    elif isinstance(public, ed25519.Ed25519PublicKey):
        algorithm = "EdDSA"
    else:
        raise ConfigError("keys are RSA, P-256 or Ed25519")
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Key(algorithm, name, public, private, proof_of(der))


def _read_set(text: bytes) -> list[Key]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError("this is neither a JWK nor a set of them: no JSON") from None
    entries = tree.get("keys", [tree]) if isinstance(tree, dict) else tree
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("this is neither a JWK nor a set of them")
    found = [key for entry in entries if (key := _read_jwk(entry)) is not None]
    if not found:
        raise ConfigError(f"there is no key for {', '.join(ALGORITHMS)} in the set")
    return found


def _read_jwk(entry: dict[str, Any]) -> Key | None:
    algorithm = _algorithm_of(entry)
    if algorithm is None or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    name = entry.get("kid", "")
    if not isinstance(name, str):
        raise ConfigError("a key's kid must be text")
    try:
        if algorithm == "HS256":
            return _secret(jwt.PyJWK(entry, algorithm).key, name)
        _need_crypto()
        private = get_default_algorithms()[algorithm].from_jwk(entry) if "d" in entry else None
        public = get_default_algorithms()[algorithm].from_jwk({k: v for k, v in entry.items() if k not in _PRIVATE})
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"the key {name!r} of the set is damaged") from None
    return _asymmetric(public, private, name)


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def _algorithm_of(entry: dict[str, Any]) -> str | None:
    kinds = {("oct", None): "HS256", ("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
    kind, curve = entry.get("kty"), entry.get("crv")
    return kinds.get((str(kind), str(curve) if curve is not None else None))
