"""What the configuration says about users, rules and tokens, and what is told of mistakes."""

import dataclasses
import json
import re

import pytest

from qmq.config import Config, make
from qmq.errors import ConfigError, QmqError
from qmq.policies import check_not_open, policy_of, reloaded
from qmq.session.auth import ANONYMOUS, Kind, Principal
from qmq.session.passwords import hashed
from qmq.session.policy import Policy
from tests.tokens import jwk, key_file, private_pem, public_pem

HASH = hashed("right", cost=4)
ALICE = {"name": "alice", "password": HASH}
RULE = {"who": "alice", "allow": ["publish", "subscribe"], "on": "/topic/{name}.#"}


@pytest.fixture
def key(tmp_path):
    def key(data, name="key"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return key


def policy(**values):
    return policy_of(make({name.replace("__", "."): value for name, value in values.items()}))


def test_without_anything_everybody_may_do_everything():
    found = policy()
    assert found.rights(ANONYMOUS).principal is ANONYMOUS
    assert not found.has_logins
    assert found.access.rights(ANONYMOUS).allows("publish", "/queue/a")


def test_users_and_rules():
    found = policy(users=(ALICE,), rules=(RULE,))
    alice = found.by_password("alice", "right")
    rights = found.access.rights(alice)
    assert rights.allows("publish", "/topic/alice.x")
    assert not rights.allows("publish", "/topic/bob.x")
    with pytest.raises(QmqError, match="login-required"):
        found.rights(ANONYMOUS)


@pytest.mark.parametrize("values", [{"users": (ALICE,)}, {"users": (ALICE,), "rules": ()}])
def test_once_there_are_users_what_no_rule_allows_is_forbidden(values):
    found = policy(**values)
    assert not found.access.rights(found.by_password("alice", "right")).allows("publish", "/topic/a")


def test_rules_alone_are_for_those_who_come_without_login():
    found = policy(rules=({"kind": "anonymous", "allow": "publish", "on": "/topic/a"},))
    rights = found.rights(ANONYMOUS)
    assert rights.allows("publish", "/topic/a")
    assert not rights.allows("publish", "/topic/b")


def test_anonymous_clients_may_be_let_in_besides():
    found = policy(users=(ALICE,), allow_anonymous=True, rules=(RULE,))
    assert not found.rights(ANONYMOUS).allows("publish", "/topic/a")


def test_certificates_alone_change_nothing_and_with_rules_they_are_a_login(authority):
    tls = {
        "tls__certificate": authority.certificate(),
        "tls__client_ca": authority.file,
        "tls__client_certificates": "optional",
    }
    assert policy(**tls).access.rights(Principal("svc", Kind.CERTIFICATE)).allows("publish", "/topic/a")
    found = policy(**tls, tls__client_name="uri", rules=({"kind": ["certificate"], "allow": "publish", "on": "#"},))
    assert found.by_uri
    assert found.access.rights(Principal("svc", Kind.CERTIFICATE)).allows("publish", "/topic/a")
    with pytest.raises(QmqError, match="login-required"):
        found.rights(ANONYMOUS)


def test_keys_of_tokens_come_from_files_of_all_kinds(key):
    files = (
        key(key_file("HS256"), "secret"),
        key(public_pem("RS256"), "rsa.pem"),
        key(json.dumps({"keys": [jwk("ES256", "a"), jwk("EdDSA", "b")]}).encode(), "set.json"),
    )
    found = policy(tokens__keys=files, tokens__issuer="us", tokens__grace=5.0)
    assert [each.algorithm for each in found.tokens.keys] == ["HS256", "RS256", "ES256", "EdDSA"]
    assert (found.tokens.issuer, found.grace) == ("us", 5.0)


BAD = [
    ({"users": ({"name": "a"},)}, r"\[\[users\]\] number 1: password is missing, or no string"),
    ({"users": ({"password": HASH},)}, "number 1: name is missing"),
    ({"users": ({"name": "", "password": HASH},)}, "name must have 1 to 255"),
    ({"users": ({"name": "a\n", "password": HASH},)}, "name must have 1 to 255"),
    ({"users": ({"name": "a", "password": "SECRET"},)}, "password must be a hash"),
    ({"users": ({**ALICE, "pasword": "SECRET"},)}, "there is no key 'pasword'"),
    ({"users": (ALICE, ALICE)}, "'alice' is there twice"),
    ({"rules": ({"on": "/topic/a"},)}, r"\[\[rules\]\] number 1: allow is missing"),
    ({"rules": ({"allow": "publish"},)}, "on is missing"),
    ({"rules": ({**RULE, "allow": "fly"},)}, "allow has only publish, subscribe, consume, manage, not 'fly'"),
    ({"rules": ({**RULE, "allow": 1},)}, "allow must be a string or a list of strings"),
    ({"rules": ({**RULE, "on": ["/topic/a", "/nope/a"]},)}, "on: '/nope/a' is none of"),
    ({"rules": ({**RULE, "on": "/topic/a*"},)}, "on: .* whole words"),
    ({"rules": ({**RULE, "kind": "robot"},)}, "kind has only anonymous, user, token, certificate, not 'robot'"),
    ({"rules": ({**RULE, "claims": {"a": [1]}},)}, "claims must be a table"),
    ({"rules": ({**RULE, "who": [1]},)}, "who must be a string or a list of strings"),
    ({"rules": ({**RULE, "hwo": "x"},)}, "there is no key 'hwo'"),
    ({"tokens.algorithms": ("none",)}, "tokens.algorithms has only HS256, RS256, ES256, EdDSA, not 'none'"),
    ({"tokens.keys": ("/nowhere/x",)}, "tokens.keys: cannot read /nowhere/x: No such file"),
    ({"tokens.keys": ("x\0",)}, "tokens.keys: cannot read"),
]


@pytest.mark.parametrize(("values", "told"), BAD)
def test_mistakes(values, told):
    with pytest.raises(ConfigError) as error:
        policy_of(make(values))
    assert re.search(told, str(error.value)), error.value
    assert "SECRET" not in str(error.value)
    assert "\n" not in str(error.value)


def test_mistakes_in_files_with_keys(key):
    for data, told in ((b"short", "at least 32 octets"), (b"x" * (1 << 20) + b"y", "[lL]arger than 1048576 bytes")):
        file = key(data)
        with pytest.raises(ConfigError, match=f"tokens.keys.* {file}: .*{told}"):
            policy(tokens__keys=(file,))
    with pytest.raises(ConfigError, match=r"no key for any of tokens\.algorithms"):
        policy(tokens__keys=(key(key_file("HS256")),), tokens__algorithms=("RS256",))


def test_a_private_key_will_do(key):
    assert policy(tokens__keys=(key(private_pem("ES256")),)).tokens.keys[0].algorithm == "ES256"


def test_what_a_running_node_takes_from_another_configuration():
    running = make({"name": "a", "limits.queues": 5, "limits.body": 10})
    wanted = make({"name": "b", "limits.queues": 6, "limits.body": 20, "users": (ALICE,)})
    found, fixed = reloaded(running, wanted)
    assert (found.name, found.limits.queues, found.limits.body, found.users) == ("a", 5, 20, (ALICE,))
    assert fixed == ["name", "limits.queues"]
    assert reloaded(running, running) == (running, [])


def test_login_that_is_required_must_be_possible(key):
    with pytest.raises(ConfigError, match="require_login: anybody could come in"):
        policy(require_login=True)
    with pytest.raises(ConfigError, match="require_login"):
        policy(require_login=True, allow_anonymous=True, tokens__keys=(key(key_file("HS256")),))
    assert not policy(require_login=True, tokens__keys=(key(key_file("HS256")),)).anonymous


WHOLE = """# who may come
allow_anonymous = true

[[users]]
name = "a"
password = "x"

[[users]]
name = "b"
password = "x"
"""


def kept(before, after):
    """Whether a reload may be, by the text of the file alone."""
    try:
        check_not_open(Policy(), Policy(), *(dataclasses.replace(Config(), source=each) for each in (before, after)))
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("at", range(len(WHOLE) - 1))
def test_beginning_of_the_file_that_was_read_is_no_file(at):
    told = "the file ends where it went on before; if that is all of it, end it with a line '# end'"
    assert kept(WHOLE, WHOLE[:at]) == told
    assert kept(WHOLE + "\n# end\n", WHOLE[:at]) == "the file is cut off: its last line was '# end'"


def test_file_that_says_so_is_whole():
    assert kept(WHOLE, WHOLE) is None
    assert kept(WHOLE, WHOLE + "\n") is None
    assert kept(WHOLE, WHOLE.replace("users", "rules")) is None
    assert kept(WHOLE, WHOLE[: WHOLE.rindex("[[users]]")] + "# end\n") is None
    assert kept(WHOLE + "# end", WHOLE + "  # end  \n") is None
    assert kept("", WHOLE) is None  # there was none before
