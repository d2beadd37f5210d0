"""What a client says before it is known whether it may come in waits, in order and bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.session.access import EVERYTHING, Access
from qmq.session.auth import Kind, Principal
from qmq.session.stomp_rules import State
from qmq.wire import stomp
from tests.worlds import World


class Gate:
    """Takes its time, until the test has it say something."""

    def __init__(self):
        self.asked = []

    def login(self, session, login, passcode):
        self.asked.append((login, passcode))

    def refresh(self, session, token):
        return 5


@pytest.fixture
def entering():
    """A client that has sent CONNECT and waits: `client, gate = entering()`."""

    def entering(**limits):
        client, gate = World(**limits).client(connect=False), Gate()
        client.session.gate = gate
        client.frame("CONNECT", {"accept-version": "1.2", "host": "x", "login": "me", "passcode": "secret"})
        assert gate.asked == [("me", "secret")]
        return client, gate

    return entering


def send(number):
    return stomp.encode("SEND", {"destination": "/topic/a", "receipt": str(number)}, b"x", "1.2")


def test_nothing_is_said_or_done_until_it_is_known(entering):
    client, _ = entering()
    client.receive(send(1))
    assert client.got() == []
    assert (client.session.state, client.session.open) == (State.CHECKING, False)
    assert client.world.hub.offset == 0
    client.session.admit(EVERYTHING, 1500)
    (_, connected, _), (_, receipt, _) = client.got()
    assert (connected["expires-in"], receipt["receipt-id"]) == ("1500", "1")
    assert client.world.hub.offset == 1


def test_who_is_refused_has_done_nothing(entering):
    client, _ = entering()
    client.receive(send(1))
    client.session.fail(QmqError("bad-login"))
    client.receive(send(2))
    client.refused("bad-login")
    assert client.world.hub.offset == 0


def test_what_waits_is_bounded(entering):
    client, _ = entering(max_body=1000, max_header_bytes=1000)
    for number in range(100):
        client.receive(send(number))
    client.refused("not-now")


def test_what_is_no_frame_is_told_after_what_was(entering):
    client, _ = entering()
    client.receive(send(1) + b"nonsense\n\n\0")
    client.session.admit(EVERYTHING)
    assert [command for command, *_ in client.got()] == ["CONNECTED", "RECEIPT", "ERROR"]


def test_a_goodbye_that_waits_ends_it(entering):
    client, _ = entering()
    client.receive(send(1) + stomp.encode("DISCONNECT", {"receipt": "bye"}) + send(2))
    client.session.admit(EVERYTHING)
    assert [command for command, *_ in client.got()] == ["CONNECTED", "RECEIPT", "RECEIPT"]
    assert client.world.hub.offset == 1


def test_rights_count_for_what_has_waited(entering):
    client, _ = entering()
    client.receive(send(1))
    client.session.admit(Access(guarded=True).rights(Principal("me", Kind.USER)))
    client.refused("forbidden")
    assert client.world.hub.offset == 0


CONNECT = stomp.encode("CONNECT", {"accept-version": "1.2", "host": "x"}, b"", "1.2")


@given(st.integers(1, 6), st.lists(st.integers(1, 200), max_size=8), st.integers(0, 8))
def test_however_it_is_cut_and_whenever_it_is_known(count, cuts, known_after):
    client, gate = World().client(connect=False), Gate()
    client.session.gate = gate
    octets = CONNECT + b"".join(map(send, range(count)))
    pieces = []
    for cut in cuts:
        pieces.append(octets[:cut])
        octets = octets[cut:]
    for number, piece in enumerate([*pieces, octets]):
        client.receive(piece, text=bool(number % 2))
        if number >= known_after and client.session.state is State.CHECKING:
            client.session.admit(EVERYTHING)
    if client.session.state is State.CHECKING:
        client.session.admit(EVERYTHING)
    while client.session.behind:  # on a machine that is busy one turn may not do
        client.session.go_on()
    frames = client.got()
    assert [command for command, *_ in frames] == ["CONNECTED"] + ["RECEIPT"] * count
    assert [headers["receipt-id"] for _, headers, _ in frames[1:]] == [str(number) for number in range(count)]


def test_without_a_gate_there_is_nothing_to_renew():
    client = World().client()
    client.frame("SEND", {"destination": "/manage/refresh"}, b"x")
    client.refused("bad-token")
