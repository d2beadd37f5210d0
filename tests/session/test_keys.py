"""Keys are found in files of all kinds, each for one algorithm, and never shown."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import ConfigError
from qmq.session import keys
from tests.tokens import SECRET, jwk, key_file, private_pem, public_pem


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_one_key_in_a_file(algorithm):
    (key,) = keys.read(key_file(algorithm))
    assert (key.algorithm, key.id) == (algorithm, "")
    assert (key.signing is not None) == (algorithm == "HS256")
    (again,) = keys.read(key_file(algorithm))
    assert again.proof == key.proof
    assert SECRET not in repr(key)
    assert "0x" not in repr(key)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_private_key_verifies_as_its_public_one_and_signs(algorithm):
    (private,), (public,) = keys.read(private_pem(algorithm)), keys.read(public_pem(algorithm))
    assert private.proof == public.proof
    assert private.algorithm == algorithm
    assert private.signing is not None


def test_a_certificate_holds_a_key(authority):
    certificate, _ = authority.pair()
    with open(certificate, "rb") as file:
        (key,) = keys.read(file.read())
    assert key.algorithm in keys.ALGORITHMS


def test_a_set_of_keys():
    entries = [jwk(algorithm, f"key-{algorithm}") for algorithm in keys.ALGORITHMS]
    left_out = [jwk("RS256", use="enc"), {**jwk("RS256"), "alg": "PS256"}, {"kty": "nobody knows"}]
    found = keys.read(json.dumps({"keys": [*entries, *left_out]}).encode())
    assert [(key.algorithm, key.id) for key in found] == [(name, f"key-{name}") for name in keys.ALGORITHMS]
    for key in found:
        (same,) = keys.read(key_file(key.algorithm))
        assert same.proof == key.proof
    (alone,) = keys.read(json.dumps(entries[0]).encode())
    assert alone == found[0]


BAD = {
    "empty": (b"", "at least 32 octets"),
    "short": (b"x" * 31, "at least 32 octets"),
    "short rsa": (pem(rsa.generate_private_key(65537, 1024)), "at least 2048 bits"),
    "another curve": (pem(ec.generate_private_key(ec.SECP384R1())), "RSA, P-256 or Ed25519"),
    "another edwards curve": (pem(ed448.Ed448PrivateKey.generate()), "RSA, P-256 or Ed25519"),
    "damaged": (public_pem("RS256")[:200], "damaged"),
    "damaged private": (private_pem("ES256")[:100] + b"\n-----END PRIVATE KEY-----\n", "damaged"),
    "no JSON": (b"{", "no JSON"),
    "no set": (b'{"keys": 1}', "neither a JWK"),
    "no objects": (b"[1, 2]", "neither a JWK"),
    "empty set": (b'{"keys": []}', "no key for"),
    "short in a set": (json.dumps({"kty": "oct", "k": "AAAA"}).encode(), "at least 32 octets"),
    "damaged in a set": (json.dumps({"kty": "RSA", "n": "!", "e": 1}).encode(), "damaged"),
    "half a key": (json.dumps({"kty": "EC", "crv": "P-256", "x": "AAAA"}).encode(), "damaged"),
    "kid": (json.dumps({**jwk("HS256"), "kid": 1}).encode(), "kid must be text"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name):
    data, told = BAD[name]
    with pytest.raises(ConfigError, match=told):
        keys.read(data)


def test_a_key_with_a_passphrase():
    key = ec.generate_private_key(ec.SECP256R1())
    hidden = serialization.BestAvailableEncryption(b"x")
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    with pytest.raises(ConfigError, match="passphrase"):
        keys.read(data)


def test_without_cryptography_only_shared_secrets(monkeypatch):
    monkeypatch.setattr(keys, "has_crypto", False)
    assert keys.read(key_file("HS256"))
    for data in (public_pem("RS256"), json.dumps(jwk("ES256")).encode()):
        with pytest.raises(ConfigError, match="need the package cryptography"):
            keys.read(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ENTRY = st.fixed_dictionaries(
    {"kty": st.sampled_from(["oct", "RSA", "EC", "OKP"])},
    optional=dict.fromkeys(("crv", "k", "n", "e", "x", "y", "d", "use", "alg", "kid"), JSON)
    | {"crv": st.sampled_from(["P-256", "Ed25519"])},
)


@given(
    st.binary()
    | st.binary().map(lambda data: b"-----BEGIN PUBLIC KEY-----\n" + data)
    | st.binary().map(lambda data: b"-----BEGIN PRIVATE KEY-----\n" + data + b"\n-----END PRIVATE KEY-----")
    | (JSON | ENTRY | st.fixed_dictionaries({"keys": st.lists(ENTRY, max_size=3)})).map(
        lambda tree: json.dumps(tree).encode()
    )
)
def test_any_file_holds_keys_or_is_refused(data):
    try:
        assert all(key.algorithm in keys.ALGORITHMS for key in keys.read(data))
    except ConfigError as error:
        assert "\n" not in str(error)
