"""Who may come in."""

import time

import pytest

from qmq.errors import QmqError
from qmq.session import keys
from qmq.session.auth import ANONYMOUS, Kind, Principal
from qmq.session.passwords import hashed, parse
from qmq.session.policy import OPEN, Policy, User
from qmq.session.tokens import Tokens
from tests.tokens import key_file, token

TOKENS = Tokens(keys.read(key_file("HS256")))
USERS = {"alice": User(parse(hashed("right", cost=4)), "proof-of-alice")}
POLICY = Policy(users=USERS, nobody=parse(hashed("x", cost=4)), tokens=TOKENS, anonymous=False)


def code_of(call, *arguments):
    with pytest.raises(QmqError) as error:
        call(*arguments)
    return error.value.code.name


def test_passwords():
    principal = POLICY.by_password("alice", "right")
    assert (principal.name, principal.kind, principal.proof) == ("alice", Kind.USER, "proof-of-alice")
    for login, passcode in (("alice", "wrong"), ("bob", "right"), ("bob", "x"), ("", ""), ("ALICE", "right")):
        assert code_of(POLICY.by_password, login, passcode) == "bad-login"
    assert code_of(OPEN.by_password, "alice", "right") == "bad-login"


class Counting:
    """A password that counts how often it is tried."""

    def __init__(self):
        self.tried = 0

    def matches(self, password):
        self.tried += 1
        return True


def test_a_name_that_nobody_has_is_tried_too_and_never_right():
    nobody = Counting()
    policy = Policy(users=USERS, nobody=nobody)
    assert code_of(policy.by_password, "bob", "x") == "bad-login"
    assert nobody.tried == 1


def test_tokens():
    assert POLICY.by_token(token("carol"), time.time()).name == "carol"
    assert code_of(OPEN.by_token, token("carol"), time.time()) == "bad-token"


def test_nobody_in_particular():
    assert OPEN.rights(ANONYMOUS).principal is ANONYMOUS
    assert code_of(POLICY.rights, ANONYMOUS) == "login-required"


@pytest.mark.parametrize(
    ("users", "tokens", "login", "passcode", "is_token"),
    [
        (USERS, TOKENS, "alice", token(), False),  # a user's password may look like anything
        (USERS, TOKENS, "bob", token(), True),
        (USERS, TOKENS, "", token(), True),
        (USERS, TOKENS, "bob", "secret", False),
        (USERS, TOKENS, "token", "secret", True),
        ({}, TOKENS, "bob", "secret", True),
        (USERS, None, "token", token(), False),
    ],
)
def test_what_is_taken_for_a_token(users, tokens, login, passcode, is_token):
    assert Policy(users=users, tokens=tokens).takes_for_token(login, passcode) is is_token


def test_who_is_still_known_after_a_reload():
    user, holder = POLICY.by_password("alice", "right"), POLICY.by_token(token("carol"), time.time())
    certificate = Principal("svc", Kind.CERTIFICATE)
    for principal in (user, holder, certificate):
        assert POLICY.knows(principal)
    assert not OPEN.knows(user)
    assert not OPEN.knows(holder)
    changed = {"alice": User(USERS["alice"].password, "another proof")}
    assert not Policy(users=changed).knows(user)


def test_nothing_secret_is_shown():
    assert "scrypt" not in repr(POLICY).lower()
    assert "proof-of" not in repr(POLICY)
    assert "proof-of" not in repr(USERS)
