"""A message in the hands of a worker: settling, redelivery and replies, against a real node."""

import pytest

from qmq.client import Received, connect
from qmq.client.received import Unsettled
from qmq.errors import QmqError
from tests.client.failing import fails

WORK = {"ack": "client-individual"}


@pytest.fixture
def workers(start_node, url):
    """A node, a client of its, and a subscription with three messages: `client, messages, queue = await workers()`."""

    async def begin(headers=WORK):
        node = await start_node()
        client = await connect(url(node))
        work = await client.subscribe("/queue/a", headers)
        for number in range(3):
            await client.publish("/queue/a", str(number))
        return client, [await work.next() for _ in range(3)], node.registry.queues["/queue/a"]

    return begin


@pytest.mark.gen_test(timeout=20)
async def test_each_message_is_settled_once(workers):
    client, (first, second, third), queue = await workers()
    assert queue.unsettled == 3
    await second.ack()
    assert queue.unsettled == 2
    async with fails("unknown-delivery", "it is settled"):
        await second.ack()
    async with fails("unknown-delivery", "it is settled"):
        await second.nack()
    await first.nack(requeue=False)
    await third.ack(receipt=False)
    await client.publish("/topic/a", "after it")
    assert (len(queue), queue.unsettled) == (0, 0)
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_with_ack_client_one_settles_all_before_it(workers):
    client, (first, second, third), queue = await workers({"ack": "client"})
    await second.ack()
    assert queue.unsettled == 1
    async with fails("unknown-delivery", "it is settled"):
        await first.ack()
    await third.ack()
    assert queue.unsettled == 0
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_what_comes_settled_cannot_be_settled_and_the_connection_stays(workers):
    client, (first, *_), _ = await workers({})
    for settle in (first.ack, first.nack):
        async with fails("unknown-delivery", "it came settled"):
            await settle()
    await client.publish("/topic/a", "still here")
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_what_goes_back_comes_again_and_says_so(workers):
    client, messages, queue = await workers()
    assert not any(message.redelivered for message in messages)
    work = next(iter(client._talk._subscriptions))
    await messages[1].nack()
    again = await work.next()
    assert (again.text(), again.redelivered, again.headers["delivery-count"]) == ("1", True, "2")
    assert again.id == messages[1].id
    await again.ack()
    await client.close()
    assert len(queue) == 2


@pytest.mark.gen_test(timeout=20)
async def test_after_the_connection_settling_tells_its_reason(workers):
    client, (first, second, _), _ = await workers()
    await client.close()
    for settle in (first.ack, second.nack):
        async with fails("closed"):
            await settle()


class Sender:
    """A client that keeps what it is given."""

    def __init__(self):
        self.told = []

    async def publish(self, *what, **how):
        self.told.append((*what, how))

    async def settle(self, *what, **how):
        self.told.append((*what, how))


@pytest.mark.gen_test
async def test_a_reply_has_the_correlation_of_its_request():
    sender = Sender()
    asked = Received({"reply-to": "/temp-queue/x", "correlation-id": "7"}, b"", sender, Unsettled())
    await asked.reply("y", {"k": "v", "correlation-id": "8"})
    await Received({"reply-to": "/topic/x"}, b"", sender, Unsettled()).reply(b"", receipt=False)
    assert sender.told == [
        ("/temp-queue/x", "y", {"k": "v", "correlation-id": "7"}, {"receipt": True}),
        ("/topic/x", b"", {}, {"receipt": False}),
    ]
    with pytest.raises(QmqError, match="no reply-to"):
        await Received({"correlation-id": "7"}, b"", sender, Unsettled()).reply("y")


def test_what_was_given_back_is_forgotten():
    unsettled = Unsettled()
    unsettled.add("1.1")
    unsettled.clear()
    with pytest.raises(QmqError, match="given back"):
        unsettled.take("1.1")
