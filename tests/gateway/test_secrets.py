"""What clients show as secret is found nowhere: not in the log, not in errors, not in what operators see, in no `repr`.

Nor is what the server keeps: hashes and keys.
"""

import base64
import gc
import logging

import pytest

from qmq.config import make
from qmq.errors import ConfigError
from qmq.node import Node
from qmq.session.passwords import hashed
from qmq.wire import stomp
from tests.gateway.api_peer import ApiPeer
from tests.gateway.entrances import TRANSPORTS, Refused, Shown, bearer, enter
from tests.helpers import logging_to
from tests.tokens import SECRET, token

pytestmark = pytest.mark.one_thread("what is written where does not depend on threads")

PASSWORD, WRONG = "swordfish-is-right", "swordfish-is-wrong"
HASH = hashed(PASSWORD, cost=4)


def basic(text):
    return Shown(headers={"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"})


class Everything(logging.Handler):
    """Keeps all that is logged, with tracebacks, and the arguments of each record."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.said = []

    def emit(self, record):
        self.said += [self.format(record), repr(record.args)]


@pytest.fixture
def said():
    """All that is logged, from `debug` on; tests add what is answered."""
    with logging_to(Everything()) as handler:
        yield handler.said


async def try_everything(node, said):
    """Every way in with every kind of credential, right and wrong, and then something wrong; what is answered."""
    good, foreign = token("bob"), token("bob", key=SECRET[::-1])
    expired, cookie = token("bob", lasts=-60), token("carol", lasts=500)
    own_page = {"Sec-Fetch-Site": "same-origin"}
    shown = [
        Shown("alice", PASSWORD), Shown("alice", WRONG), Shown("token", good), Shown("token", foreign),
        Shown(None, expired), bearer(good), bearer(foreign), basic(f"alice:{PASSWORD}"), basic(f"alice:{WRONG}"),
        Shown(query=f"access_token={good}"), Shown(query=f"access_token={foreign}"),
        *(Shown(headers={"Cookie": f"session={each}", **own_page}) for each in (cookie, foreign)),
    ]  # fmt: skip
    for transport in TRANSPORTS:
        for each in shown:
            try:
                client = await enter(node, transport, each)
                said.append(repr(client.connected))
                await client.tell("SEND", {"destination": "/nowhere", "passcode": PASSWORD})
                await client.sent_away()
                client.close()
            except Refused as refused:
                said.append(str(refused))
    http = await ApiPeer.open(node.listen[0]["port"])
    for each in shown:
        query = f"?{each.query}" if each.query else ""
        said.append(repr(await http.call("GET", f"/queues{query}", **each.headers)))
        http.ask(f"/nothing{query}", **each.headers)
        said.append(repr(await http.answer()))
    http.close()
    return [PASSWORD, WRONG, *(part for each in (good, foreign, expired, cookie) for part in each.split(".")[1:])]


@pytest.mark.gen_test(timeout=60)
async def test_nothing_secret_is_said_or_shown(start_node, tmp_path, said):
    (tmp_path / "secret").write_text(SECRET)
    node = await start_node(
        {
            "listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0"),
            "users": ({"name": "alice", "password": HASH},),
            "tokens.keys": (str(tmp_path / "secret"),),
            "tokens.cookie": "session",
            "limits.login_failures": 0,
            "limits.linger_seconds": 0.1,
            "rules": ({"allow": ["publish"], "on": "/topic/a", "who": "*"},),
        }
    )
    stays = [await enter(node, transport, Shown("alice", PASSWORD)) for transport in TRANSPORTS]
    secrets = await try_everything(node, said)
    said += [repr(node.gateway.describe()), repr(node.stats.snapshot()), repr(node.config)]
    ours = [each for each in gc.get_objects() if type(each).__module__.startswith("qmq.")]
    assert len(ours) > 50
    said += [repr(each) for each in ours]
    for client in stays:
        client.close()
    secrets += [SECRET, HASH, HASH.rpartition("$")[2], base64.b64encode(f"alice:{PASSWORD}".encode()).decode()]
    everything = "\n".join(said)
    assert "alice" in everything and "bob" in everything  # names are no secrets
    for secret in secrets:
        at = everything.find(secret)
        assert at < 0, everything[max(0, at - 300) : at + len(secret)]


@pytest.mark.parametrize(
    "values",
    [
        {"users": f"alice:{HASH}"},
        {"users": (f"alice:{HASH}",)},
        {"users": ({"name": "alice", "password": (HASH,)},)},
        {"users": ({"name": "alice", "password": HASH.replace("scrypt", "crypt")},)},
        {"users": ({"name": "alice", "password": HASH, "other": HASH},)},
        {"users": ({"name": "alice", "password": HASH}, {"name": "alice", "password": HASH})},
        {"users": ({"name": 7, "password": HASH},)},
    ],
)
def test_a_wrong_configuration_is_told_without_it(values):
    with pytest.raises(ConfigError) as wrong:
        Node(make(values)).open()
    assert HASH.rpartition("$")[2][:20] not in str(wrong.value)


def test_what_is_decoded_is_shown_without_what_it_says():
    ((head, _),) = stomp.Decoder().feed(stomp.encode("CONNECT", {"login": "alice", "passcode": PASSWORD}))
    assert repr(head) == "<CONNECT with login, passcode>"
