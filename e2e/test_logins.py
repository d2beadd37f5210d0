"""Pages that log in: with a password, with tokens that are renewed in time, and with too few rights."""

import json
import time

import jwt
import pytest
from running import Gateway, until

from qmq.session.passwords import hashed

SECRET = "a secret that page and gateway share"
RULES = [
    {"allow": ["publish", "subscribe"], "on": "/topic/open.#"},
    {"who": "alice", "allow": "subscribe", "on": "/topic/alice"},
]


@pytest.fixture
def gateway(tmp_path):
    """A node on which nobody may do anything without having logged in."""
    (tmp_path / "secret").write_text(SECRET)
    users = [{"name": "alice", "password": hashed("right", cost=4)}]
    running = Gateway(
        tmp_path, "--demo", "--drain", "0.5", "--users", json.dumps(users), "--rules", json.dumps(RULES),
        "--tokens-keys", str(tmp_path / "secret"), "--tokens-grace", "0.3",
    )  # fmt: skip
    yield running
    assert running.stop() == 0
    assert not [line for line in running.lines() if " WARNING " in line or " ERROR " in line or "Traceback" in line]
    running.log.close()


def token(end, name="bob"):
    return jwt.encode({"sub": name, "exp": end}, SECRET, "HS256")


CONNECT = """
const {connect} = await import('/qmq.mjs');
window.states = []; window.errors = []; window.got = []; window.asked = 0; window.tokens = arguments[1];
const options = Object.assign({
  onstate: (state) => states.push(state),
  onerror: (error) => errors.push({code: error.code, retry: error.retry}),
}, arguments[0]);
const fetchToken = async () => {
  const token = tokens[Math.min(asked++, tokens.length - 1)];
  if (!token) throw new Error('there is none now');
  return token;
};
if (tokens) options.token = fetchToken;
window.client = connect('/stomp', options);
window.sub = client.subscribe('/topic/open.a', (message) => got.push(message.text()));
"""


def said(page):
    return page.run("return {states, errors, got, asked, state: client.state}")


def test_a_password(pages):
    page = pages("/demo/")
    page.run(CONNECT, {"login": "alice", "passcode": "right"}, None)
    page.run("await client.publish('/topic/open.a', 'hello')")
    until(lambda: said(page)["got"] == ["hello"])


@pytest.mark.parametrize(
    ("options", "code"),
    [({}, "login-required"), ({"login": "alice", "passcode": "wrong"}, "bad-login"),
     ({"login": "token", "passcode": "x"}, "bad-token")],
)  # fmt: skip
def test_who_is_refused_does_not_come_back(pages, options, code):
    page = pages("/demo/")
    page.run(CONNECT, options, None)
    until(lambda: page.run("return client.state") == "closed")
    assert page.run("return client.closed.then((error) => error.code)") == code
    assert said(page)["errors"] == [{"code": code, "retry": False}]


def test_tokens_are_renewed_before_they_expire(pages):
    page, now = pages("/demo/"), time.time()
    page.run(CONNECT, {}, [token(now + 3), token(now + 6.5), token(now + 60)])
    page.run("await client.publish('/topic/open.a', 'first')")
    until(lambda: said(page)["asked"] == 3)
    until(lambda: time.time() > now + 7.5)  # the first two are over, and the grace time, too
    page.run("await client.publish('/topic/open.a', 'last')")
    told = said(page)
    assert (told["errors"], told["states"], told["got"]) == ([], ["open"], ["first", "last"])


def test_a_token_that_expires_ends_the_connection_and_a_new_one_begins_another(pages):
    page, now = pages("/demo/"), time.time()
    other = pages("/demo/")
    page.run(CONNECT, {}, [token(now + 2), None, token(now + 60)])
    page.run("await client.publish('/topic/open.a', 'first')")
    other.run(CONNECT, {"login": "alice", "passcode": "right"}, None)
    until(lambda: said(page)["errors"])
    other.run("await client.publish('/topic/open.a', 'meanwhile')")
    until(lambda: said(page)["got"] == ["first", "meanwhile"])
    assert (said(page)["errors"], said(page)["asked"]) == ([{"code": "token-expired", "retry": True}], 3)


def test_what_is_forbidden_is_refused_alone(pages):
    page = pages("/demo/")
    page.run(CONNECT, {}, [token(time.time() + 60)])
    page.run("await client.publish('/topic/open.a', 'hello'); window.sub = client.subscribe('/topic/alice', () => {})")
    assert page.run("return sub.ready.catch((error) => error.code + ': ' + error.detail)") == (
        "forbidden: token 'bob' may not subscribe /topic/alice"
    )
    assert page.run("return client.publish('/topic/alice', 'x').catch((error) => error.code)") == "forbidden"
    page.run("await client.publish('/topic/open.a', 'again')")
    until(lambda: said(page)["got"] == ["hello", "again"])
    assert said(page)["state"] == "open"
    # That of the subscription, which has no function of its own.
    assert said(page)["errors"] == [{"code": "forbidden", "retry": False}]
