"""stomp.py 9 on work queues over TCP, in all three versions, which name what they settle in three ways."""

import pytest
import stomp

from tests.helpers import until
from tests.interop.listener import Listener, in_a_thread

CONNECTIONS = {
    "1.0": stomp.StompConnection10,
    "1.1": stomp.StompConnection11,
    "1.2": stomp.StompConnection12,
}

every_version = pytest.mark.parametrize("version", CONNECTIONS)


class Client:
    """A connection and what it has heard; settles a message as its version does."""

    def __init__(self, node, version, **options):
        self.version = version
        address = ("127.0.0.1", node.listen[0]["port"])
        self.connection = CONNECTIONS[version]([address], reconnect_attempts_max=1, **options)
        self.heard = Listener()
        self.connection.set_listener("", self.heard)
        self.connection.connect("login", "passcode", wait=True)
        self.heard.wait("CONNECTED")
        self.send = self.connection.send
        self.subscribe = self.connection.subscribe

    def messages(self, count, first=0):
        """So many messages, once they have come."""
        return self.heard.wait("MESSAGE", first + count)[first : first + count]

    def bodies(self, count, first=0):
        return [frame.body for frame in self.messages(count, first)]

    def settle(self, frame, method="ack", **more):
        headers = frame.headers
        if self.version == "1.0":
            names = [headers["message-id"]]
        elif self.version == "1.1":
            names = [headers["message-id"], headers["subscription"]]
        else:
            names = [headers["ack"]]
        getattr(self.connection, method)(*names, **more)

    def fence(self):
        """Returns when the server has done all that was asked of it, and what it sent then has come."""
        before = len(self.heard.of("RECEIPT"))
        self.send("/topic/fence", "", receipt=f"fence-{before}")
        self.heard.wait("RECEIPT", before + 1)

    def close(self):
        self.connection.disconnect(receipt="bye")
        self.heard.wait("disconnected")
        assert self.heard.of("RECEIPT")[-1].headers == {"receipt-id": "bye"}
        assert not self.heard.of("ERROR")


@pytest.fixture
def play(logged):
    """Runs a talk in a thread, with `connect` to make clients; what is still open at its end is closed."""
    logged.expect(r"(WARNING|ERROR) stomp\.py: ")  # what it has to say when a socket is shut down twice

    async def play(node, version, talk):
        clients = []

        def connect(**options):
            clients.append(Client(node, version, **options))
            return clients[-1]

        def run():
            try:
                talk(connect)
            finally:
                for client in clients:
                    if client.connection.is_connected():
                        client.connection.disconnect(receipt=None)
                    client.connection.transport.disconnect_socket()

        await in_a_thread(run)
        await until(lambda: node.gateway.connections == 0)

    return play


async def started(start_node, **options):
    return await start_node({"listen": ("stomp://127.0.0.1:0",), **options})


@every_version
@pytest.mark.gen_test(timeout=30)
async def test_messages_settled_one_by_one(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        producer, consumer = connect(), connect()
        consumer.subscribe("/queue/jobs", id="1", ack="client-individual", headers={"prefetch-count": "2"})
        for body in ("a", "b", "c", "dö"):
            producer.send("/queue/jobs", body, receipt=body)
        producer.heard.wait("RECEIPT", 4)
        a, b = consumer.messages(2)
        consumer.fence()
        assert consumer.bodies(2) == ["a", "b"] == [frame.body for frame in consumer.heard.of("MESSAGE")]
        consumer.settle(b, receipt="settled")
        consumer.heard.wait("RECEIPT", 2)
        assert consumer.bodies(1, 2) == ["c"]
        consumer.settle(a)
        assert consumer.bodies(1, 3) == ["dö"]
        for frame in consumer.messages(2, 2):
            assert "redelivered" not in frame.headers
            consumer.settle(frame)
        producer.close()
        consumer.close()

    await play(node, version, talk)
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.unsettled, jobs.acked, jobs.delivered) == (0, 0, 4, 4)


@every_version
@pytest.mark.gen_test(timeout=30)
async def test_messages_settled_together_and_what_is_left_behind(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        first, second = connect(), connect()
        for body in "12345":
            second.send("/queue/jobs", body)
        first.subscribe("/queue/jobs", id="1", ack="client")
        third = first.messages(5)[2]
        first.settle(third)
        first.fence()
        first.connection.transport.disconnect_socket()  # without a word
        second.subscribe("/queue/jobs", id="2", ack="client")
        left = second.messages(2)
        assert [frame.body for frame in left] == ["4", "5"]
        assert [(frame.headers["redelivered"], frame.headers["delivery-count"]) for frame in left] == [
            ("true", "2")
        ] * 2
        second.settle(left[1])
        second.close()

    await play(node, version, talk)
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.unsettled, jobs.acked, jobs.redelivered) == (0, 0, 5, 2)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.gen_test(timeout=30)
async def test_messages_given_back_and_given_up(start_node, play, version):
    node = await started(start_node, queues=({"match": "/queue/jobs", "dead_letter": "/queue/dead"},))

    def talk(connect):
        client = connect()
        client.subscribe("/queue/jobs", id="1", ack="client-individual")
        client.subscribe("/queue/dead", id="2")
        client.send("/queue/jobs", "x")
        client.settle(client.messages(1)[0], "nack")
        (again,) = client.messages(1, 1)
        assert (again.body, again.headers["redelivered"]) == ("x", "true")
        client.settle(again, "nack", requeue="false")
        (dead,) = client.messages(1, 2)
        assert (dead.headers["subscription"], dead.headers["x-first-death-reason"]) == ("2", "rejected")
        client.close()

    await play(node, version, talk)
    assert node.stats["messages_rejected"] == 1


@every_version
@pytest.mark.gen_test(timeout=30)
async def test_transactions(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        one, other = connect(), connect()
        other.subscribe("/queue/out", id="1")
        one.connection.begin("t")
        one.send("/queue/out", "in", transaction="t", receipt="kept")
        one.heard.wait("RECEIPT", 1)
        one.send("/queue/out", "outside", receipt="sent")
        assert other.bodies(1) == ["outside"]
        one.connection.commit("t")
        one.connection.begin("u")
        one.send("/queue/out", "never", transaction="u")
        one.connection.abort("u")
        one.send("/queue/out", "after")
        assert other.bodies(3) == ["outside", "in", "after"]
        one.subscribe("/queue/jobs", id="jobs", ack="client-individual")
        one.send("/queue/jobs", "job")
        (job,) = one.messages(1)
        for transaction, end in (("v", one.connection.abort), ("w", one.connection.commit)):
            one.connection.begin(transaction)
            one.settle(job, transaction=transaction)
            one.send("/queue/out", transaction, transaction=transaction)
            end(transaction)
        assert other.bodies(4)[3] == "w"
        one.close()
        other.close()

    await play(node, version, talk)
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.acked, node.registry.queues["/queue/out"].published) == (0, 1, 4)


@every_version
@pytest.mark.gen_test(timeout=30)
async def test_requests_and_replies(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        service, asker = connect(), connect()
        service.subscribe("/queue/add", id="1", ack="client")
        for number in range(3):
            headers = {"reply-to": "/temp-queue/sums", "correlation-id": str(number)}
            asker.send("/queue/add", f"{number}+40", headers=headers)
        for request in service.messages(3):
            body = str(sum(map(int, request.body.split("+"))))
            fields = {"correlation-id": request.headers["correlation-id"]}
            service.send(request.headers["reply-to"], body, headers=fields)
            service.settle(request)
        replies = asker.messages(3)
        assert [(frame.headers["correlation-id"], frame.body) for frame in replies] == [
            ("0", "40"), ("1", "41"), ("2", "42"),
        ]  # fmt: skip
        assert {frame.headers["subscription"] for frame in replies} == {"/temp-queue/sums"}
        service.close()
        asker.close()

    await play(node, version, talk)
    assert list(node.registry.queues) == ["/queue/add"]


@every_version
@pytest.mark.gen_test(timeout=30)
async def test_errors_name_the_receipt(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        client = connect()
        client.send("/queue/small", "fits", headers={"x-max-length": "1"}, receipt="first")
        client.send("/queue/small", "does not fit", receipt="second")
        (error,) = client.heard.wait("ERROR")
        assert (error.headers["code"], error.headers["receipt-id"]) == ("queue-full", "second")
        assert error.body.startswith("/queue/small holds 1 messages of 4 octets; max-length is 1")
        client.heard.wait("disconnected")
        assert [frame.headers["receipt-id"] for frame in client.heard.of("RECEIPT")] == ["first"]

    await play(node, version, talk)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.gen_test(timeout=30)
async def test_heart_beats_while_something_is_unsettled(start_node, play, version):
    node = await started(start_node)

    def talk(connect):
        client = connect(heartbeats=(200, 200))
        client.subscribe("/queue/jobs", id="1", ack="client")
        client.send("/queue/jobs", "x")
        (message,) = client.messages(1)
        client.heard.wait("heartbeat", 5)
        client.settle(message)
        client.close()

    await play(node, version, talk)
    assert node.stats["errors_heartbeat-lost"] == 0
    assert node.registry.queues["/queue/jobs"].acked == 1
