"""The frames of requests, and what becomes of those that were sent."""

import pytest

from qmq.client.journal import Journal
from qmq.client.requests import REPLIES, Requests
from qmq.errors import QmqError
from qmq.wire import stomp

TIMES = [(3, "2250"), (10, "9000"), (0.0001, "1"), (-1, "0"), (float("inf"), "1000000000000")]


@pytest.mark.parametrize(("seconds", "told"), TIMES)
def test_a_request_says_where_to_reply_and_how_long_it_is_of_use(seconds, told):
    data = Requests().frame("7", "/queue/a", [1], {"k": "v", "reply-to": "x"}, seconds)
    ((head, body),) = stomp.Decoder().feed(data)
    headers = head.headers
    assert (head.command, body, headers["content-type"], headers["k"]) == ("SEND", b"[1]", "application/json", "v")
    assert (headers["reply-to"], headers["correlation-id"], headers["expiration"]) == (REPLIES, "7", told)


@pytest.mark.gen_test
async def test_what_was_sent_is_lost_and_what_waits_is_not():
    requests, journal = Requests(), Journal(10, 1000)
    sent, waits = requests.answers.expect("1"), requests.answers.expect("2")
    journal.add("2", [b"x"], kept=False)
    requests.lose(QmqError("connection-lost"), journal)
    with pytest.raises(QmqError, match="connection-lost"):
        await sent
    assert not waits.done()
