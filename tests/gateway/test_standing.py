"""What stands in every answer, whoever gives it."""

from email.utils import parsedate_to_datetime
from time import time

import pytest
from tornado.httputil import HTTPHeaders

from qmq.gateway.standing import add_standing, date
from tests.gateway.poll_peer import Http
from tests.helpers import plain


def test_the_date_is_that_of_now():
    assert abs(parsedate_to_datetime(date()).timestamp() - time()) < 2
    assert date().endswith(" GMT")


def test_what_is_missing_is_added_and_the_rest_is_left():
    headers = HTTPHeaders({"Server": "TornadoServer/6.6.1", "Date": "yesterday", "Location": "/"})
    add_standing(headers)
    assert dict(headers) == {"Server": "qmq", "Date": "yesterday", "Location": "/", "X-Content-Type-Options": "nosniff"}


# Redirects, refusals of every kind, files, calls.
PATHS = [
    "/demo",
    "/demo/",
    "/",
    "/nothing",
    "/stomp",
    "/api/v1/stats",
    "/api/v1/nothing",
    "/poll",
    "/avro",
    "/info.json",
]


@pytest.mark.one_thread("each thread has a server of its own, all alike")
@pytest.mark.gen_test(timeout=20)
async def test_every_answer_has_it(start_node, dial):
    node = await start_node({"demo": True})
    for path in PATHS:
        answer = await (await dial(node)).ask(plain(path))
        assert (answer.headers["server"], answer.headers["x-content-type-options"]) == ("qmq", "nosniff"), path
        assert answer.headers["date"].endswith("GMT"), path
    peer = await dial(node)
    await peer.send(b"GARBAGE\r\n\r\n")
    answer = await peer.answer()
    assert (answer.status, answer.headers["server"]) == (400, "qmq")
    assert answer.headers["date"].endswith("GMT")


@pytest.mark.one_thread("each thread has a server of its own, all alike")
@pytest.mark.parametrize("stream", ["", "&stream=1"])
@pytest.mark.gen_test(timeout=20)
async def test_what_waited_has_a_date_too(start_node, stream):
    from tests.gateway.poll_peer import Poller

    poller = await Poller.open(await start_node())
    http = await Http.open(poller.port)
    http.ask(f"{poller.path}/receive?ack=0{stream}")
    status, headers = await http.head()
    assert (status, headers["server"]) == (200, "qmq")
    assert headers["date"].endswith("gmt")
    http.close()
    poller.close()
