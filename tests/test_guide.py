"""The guide to security says what is true: its example is a configuration, and does what it says."""

import re
from pathlib import Path

import pytest

from qmq.config import load
from qmq.policies import policy_of
from qmq.session.auth import Kind, Principal
from tests.tokens import jwk

GUIDE = (Path(__file__).parents[1] / "docs/security.md").read_text("utf-8")


@pytest.fixture
def policy(tmp_path, authority):
    """That of the example, whose files are there."""
    (text,) = re.findall(r"```toml\n(\[?listen.*?)```", GUIDE, re.DOTALL)
    certificate, key = authority.pair()
    (tmp_path / "keys.json").write_text(str(jwk("ES256")).replace("'", '"'))
    for name, file in (("keys.json", str(tmp_path / "keys.json")), ("server.pem", certificate), ("server.key", key)):
        text = text.replace(f'"{name}"', f'"{file}"')
    file = tmp_path / "qmq.toml"
    file.write_text(text)
    return policy_of(load(file=str(file), environ={}))


ALLOWED = [
    (Principal("bob", Kind.USER), "subscribe", "/topic/news.#", True),
    (Principal("bob", Kind.USER), "subscribe", "/topic/#", False),
    (Principal("bob", Kind.USER), "publish", "/topic/news.eu", False),
    (Principal("alice", Kind.USER), "consume", "/queue/jobs.eu", True),
    (Principal("svc-1", Kind.TOKEN), "publish", "/exchange/logs/eu.1", True),
    (Principal("svc-1", Kind.TOKEN), "publish", "/exchange/logs/us", False),
    (Principal("ed", Kind.TOKEN, {"role": "editor"}), "publish", "/topic/user.ed.x", True),
    (Principal("root", Kind.USER), "manage", "/manage/stats", True),
    (Principal("root", Kind.USER), "publish", "/topic/system.x", False),
]


@pytest.mark.parametrize(("principal", "action", "destination", "allowed"), ALLOWED)
def test_the_example(policy, principal, action, destination, allowed):
    assert policy.access.rights(principal).allows(action, destination) is allowed
    assert not policy.anonymous
