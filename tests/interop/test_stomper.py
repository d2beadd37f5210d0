"""stomper 0.4, a STOMP 1.1 client of old, over a bare WebSocket.

It only makes and reads frames. Its frames end in a line feed, its DISCONNECT lacks the
blank line, and its reader takes a body of one line, without escapes.
"""

import pytest
import stomper

from qmq.wire import websocket
from qmq.wire.websocket import BINARY, TEXT
from tests.helpers import Closed, Peer, until, ws


class Stomper:
    """Sends what stomper makes and reads with stomper."""

    def __init__(self, peer):
        self.peer = peer
        self.engine = stomper.Engine(testing=True)

    @classmethod
    async def connect(cls, node):
        client = cls(await Peer.open(node.listen[0]["port"]))
        await client.peer.upgrade(Sec_WebSocket_Protocol="v11.stomp")
        await client.tell(stomper.connect("login", "passcode", "localhost", (0, 0)))
        answer = await client.read()
        assert (answer["cmd"], answer["headers"]["version"]) == ("CONNECTED", "1.1")
        assert client.engine.react(answer) == stomper.NO_RESPONSE_NEEDED
        assert client.engine.sessionId == answer["headers"]["session"]
        return client

    async def tell(self, frame, opcode=TEXT):
        await self.peer.send(ws(frame.encode(), opcode))

    async def read(self):
        opcode, payload = await self.peer.event()
        if opcode == websocket.CLOSE:
            raise Closed(websocket.close_code(payload))
        return stomper.unpack_frame(payload.decode())


@pytest.fixture
def clients():
    found = []
    yield found
    for client in found:
        client.peer.close()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.gen_test(timeout=20)
async def test_a_whole_conversation(start_node, clients, opcode):
    node = await start_node()
    client = await Stomper.connect(node)
    clients.append(client)
    await client.tell(stomper.subscribe("/topic/news.*", "one"), opcode)
    await client.tell(stomper.send("/topic/news.today", "hello there"), opcode)
    message = await client.read()
    assert (message["cmd"], message["body"]) == ("MESSAGE", "hello there")
    assert message["headers"]["destination"] == "/topic/news.today"
    assert message["headers"]["subscription"] == "one"
    assert message["headers"]["content-type"] == "text/plain"
    assert message["headers"]["message-id"] in client.engine.react(message)
    await client.tell(stomper.send("/topic/news.today", "zwöi", content_type="text/x"), opcode)
    message = await client.read()
    assert (message["body"], message["headers"]["content-type"]) == ("zwöi", "text/x")
    await client.tell(stomper.unsubscribe("one"), opcode)
    await client.tell(stomper.send("/topic/news.today", "nobody hears"), opcode)
    await client.tell(stomper.disconnect("bye"), opcode)
    receipt = await client.read()
    assert (receipt["cmd"], receipt["headers"]) == ("RECEIPT", {"receipt-id": "bye"})
    assert client.engine.react(receipt) == "receipt"
    with pytest.raises(Closed) as closed:
        await client.read()
    assert closed.value.code == 1000
    assert node.hub.offset == 3
    assert node.stats["connections_closed_closed"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_two_clients_talk_to_each_other(start_node, clients):
    node = await start_node()
    for _ in range(2):
        clients.append(await Stomper.connect(node))
    one, other = clients
    await one.tell(stomper.subscribe("/topic/a", "x"))
    await one.tell(stomper.send("/topic/mark", "subscribed"))
    await until(lambda: node.hub.offset == 1)
    await other.tell(stomper.send("/topic/a", "from the other"))
    assert (await one.read())["body"] == "from the other"


@pytest.mark.gen_test(timeout=20)
async def test_a_packed_frame_of_its_own(start_node, clients):
    client = await Stomper.connect(await start_node())
    clients.append(client)
    await client.tell(stomper.subscribe("/topic/a", "1"))
    frame = stomper.Frame()
    frame.cmd = "SEND"
    frame.headers = {"destination": "/topic/a", "custom": "value"}
    frame.body = "packed"
    await client.tell(frame.pack())
    heard = stomper.Frame()
    opcode, payload = await client.peer.event()
    heard.unpack(payload.decode())
    assert (opcode, heard.cmd, heard.body, heard.headers["custom"]) == (TEXT, "MESSAGE", "packed", "value")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.gen_test(timeout=20)
async def test_a_queue_with_acknowledgements_that_its_engine_makes(start_node, clients, opcode):
    node = await start_node()
    client = await Stomper.connect(node)
    clients.append(client)
    await client.tell(stomper.subscribe("/queue/jobs", "one", ack="client-individual"), opcode)
    for number in range(3):
        await client.tell(stomper.send("/queue/jobs", f"job {number}"), opcode)
        message = await client.read()
        assert (message["body"], message["headers"]["subscription"]) == (f"job {number}", "one")
        await client.tell(client.engine.react(message), opcode)
    jobs = node.registry.queues["/queue/jobs"]
    await until(lambda: jobs.acked == 3)
    await client.tell(stomper.send("/queue/jobs", "again"), opcode)
    headers = (await client.read())["headers"]
    await client.tell(stomper.nack(headers["message-id"], "one"), opcode)
    message = await client.read()
    assert (message["body"], message["headers"]["redelivered"]) == ("again", "true")
    await client.tell(stomper.unsubscribe("one"), opcode)
    await until(lambda: (len(jobs), jobs.unsettled) == (1, 0))


@pytest.mark.gen_test(timeout=20)
async def test_transactions(start_node, clients):
    node = await start_node()
    client = await Stomper.connect(node)
    clients.append(client)
    await client.tell(stomper.subscribe("/queue/jobs", "one", ack="client"))
    for name, end in (("a", stomper.abort), ("b", stomper.commit)):
        await client.tell(stomper.begin(name))
        await client.tell(stomper.send("/queue/jobs", f"job {name}", transactionid=name))
        await client.tell(end(name))
    message = await client.read()
    assert message["body"] == "job b"
    await client.tell(stomper.begin("c"))
    await client.tell(stomper.ack(message["headers"]["message-id"], "one", "c"))
    await client.tell(stomper.commit("c"))
    jobs = node.registry.queues["/queue/jobs"]
    await until(lambda: (jobs.acked, jobs.published) == (1, 1))


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (stomper.ack("1", "2"), "unknown-delivery"),
        (stomper.commit("t"), "unknown-transaction"),
        (stomper.send("/queue/a", "x", transactionid="t"), "unknown-transaction"),
        (stomper.subscribe("/queue/a", "1", ack="sometimes"), "bad-header"),
        (stomper.send("/nowhere/a", "x"), "bad-destination"),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_wrong_is_an_error_that_it_can_read(start_node, clients, logged, frame, code):
    client = await Stomper.connect(await start_node())
    clients.append(client)
    await client.tell(frame)
    error = await client.read()
    assert (error["cmd"], error["headers"]["code"]) == ("ERROR", code)
    logged.expect("stomper.Engine: Received server error")
    assert client.engine.react(error) == "error"
    with pytest.raises(Closed):
        await client.read()
