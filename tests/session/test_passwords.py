"""Passwords are recognised, and bad hashes are refused without being shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import ConfigError
from qmq.session.passwords import MAX_PASSWORD, Argon2, hashed, parse


@pytest.mark.parametrize("password", ["x", "a long one, with blanks: öäü €", "\ud800", "x" * MAX_PASSWORD])
def test_a_password_is_recognised_and_no_other(password):
    kept = hashed(password, cost=4)
    assert re.fullmatch(r"\$scrypt\$ln=4,r=8,p=1\$[\w+/]{22}\$[\w+/]{43}", kept)
    found = parse(kept)
    assert str(found) == kept
    assert found.matches(password)
    for other in ("", password + "x", password[1:] + "y", password + "\0"):
        assert not found.matches(other)
    assert password not in repr(found) or len(password) == 1
    assert kept.rsplit("$", 1)[1] not in repr(found)


def test_the_same_password_twice_is_two_hashes():
    assert hashed("x", cost=4) != hashed("x", cost=4)


def test_the_default_costs_what_it_should():
    assert hashed("x").startswith("$scrypt$ln=15,r=8,p=1$")


def test_a_hash_that_others_made():  # RFC 7914, section 12, cut to 32 octets
    found = parse("$scrypt$ln=10,r=8,p=16$TmFDbFRhQ2w$/bq+HJ00cgB4VucZDQHp/nxq18vII4gw52N+Cu0tEfw")
    assert not found.matches("Password")


def test_argon2():
    argon2 = pytest.importorskip("argon2")
    kept = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("x")
    found = parse(kept)
    assert isinstance(found, Argon2)
    assert (found.matches("x"), found.matches("y")) == (True, False)
    assert kept not in repr(found)


GOOD = hashed("x", cost=4)
_, _, HOW, SALT, HASH = GOOD.split("$")
BAD = [
    "",
    "x",
    "plain text",
    "$2b$12$abcdefghijklmnopqrstuv",
    "$argon2id$nonsense",
    f"$scrypt$ln=30,r=8,p=1${SALT}${HASH}",
    f"$scrypt$ln=15,r=999,p=1${SALT}${HASH}",
    f"$scrypt$ln=0,r=8,p=1${SALT}${HASH}",
    f"$scrypt$ln=4,r=0,p=1${SALT}${HASH}",
    f"$scrypt${HOW}${SALT}",
    f"$scrypt${HOW}$AA${HASH}",
    f"$scrypt${HOW}${SALT}$AAAA",
    f"$scrypt${HOW}${SALT}${HASH}AA",
    f"$scrypt${HOW}${SALT}${HASH * 3}",
    GOOD + "\n",
]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_hashes(text):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert str(error.value).startswith("password ")
    assert not text or text not in str(error.value)


@given(st.text() | st.text().map(lambda text: f"$scrypt${text}") | st.text().map(lambda text: f"$argon2id${text}"))
def test_any_text_is_a_hash_or_an_error(text):
    try:
        parse(text)
    except ConfigError as error:
        assert str(error).startswith("password ")


@pytest.mark.parametrize("password", ["", "x\0", "x" * (MAX_PASSWORD + 1)])
def test_what_is_no_password(password):
    with pytest.raises(ConfigError, match="1 to 1024 octets"):
        hashed(password, cost=4)
