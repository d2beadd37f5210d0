"""Keys and tokens for tests, of every algorithm that there is, and of some that there must not be."""

import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "0123456789abcdef0123456789abcdef"
_PRIVATE = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def signing_key(algorithm):
    """What a token is signed with."""
    return SECRET if algorithm == "HS256" else _PRIVATE[algorithm]


def private_pem(algorithm):
    """The same as PEM."""
    key = _PRIVATE[algorithm]
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def public_pem(algorithm):
    """What goes with it."""
    key = _PRIVATE[algorithm].public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_file(algorithm):
    """What is in the file that the configuration names."""
    return SECRET.encode() + b"\n" if algorithm == "HS256" else public_pem(algorithm)


def jwk(algorithm, name="", **more):
    """The same as a JWK."""
    maker = jwt.algorithms.get_default_algorithms()[algorithm]
    key = SECRET if algorithm == "HS256" else _PRIVATE[algorithm].public_key()
    found = json.loads(maker.to_jwk(key))
    found.pop("key_ops", None)
    return {**found, "alg": algorithm, **({"kid": name} if name else {}), **more}


def token(name="alice", algorithm="HS256", *, lasts=86_400.0, key=None, headers=None, **claims):
    """A token that lasts so many seconds, by default longer than any run; a claim that is None is left out."""
    said = {"sub": name, "exp": time.time() + lasts, **claims}
    said = {claim: value for claim, value in said.items() if value is not None}
    return jwt.encode(said, key or signing_key(algorithm), algorithm, headers)


def with_header(token, **header):
    """A token with another header, its signature as it was."""
    _, rest = token.split(".", 1)
    return f"{jwt.utils.base64url_encode(json.dumps(header).encode()).decode()}.{rest}"
