"""What speaks STOMP has all that a connection asks of a conversation."""

import inspect

from qmq.gateway.conversation import Conversation, Timing
from tests.worlds import World


def test_a_stomp_session_is_a_conversation():
    session = World().client(connect=False).session
    members = {name for name in vars(Conversation) if not name.startswith("_")} | set(Conversation.__annotations__)
    assert {"receive", "fail", "close", "beat", "describe", "open", "publishes", "ending"} <= members
    for name in members:
        wanted, found = inspect.getattr_static(Conversation, name, None), getattr(session, name)
        if inspect.isfunction(wanted):
            assert list(inspect.signature(found).parameters)[: len(inspect.signature(wanted).parameters) - 1] == [
                each for each in inspect.signature(wanted).parameters if each != "self"
            ]


def test_silence_is_noticed_before_a_goodbye_is_given_up():
    timing = Timing()
    assert 0 < timing.linger < timing.connect < timing.ping
