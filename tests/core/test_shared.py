"""Queues that several threads use: nothing is lost, nothing given twice, nobody is called on a thread not its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.message import Envelope
from qmq.errors import QmqError
from tests.core.siblings import Siblings

QUEUE = "/queue/q"


class Client:
    """Takes messages on its thread; `most` says how many it has room for."""

    def __init__(self, world, index, auto=False, prefetch=10, most=1 << 30):
        self.world, self.index, self.most = world, index, most
        self.got, self.tags, self.error = [], [], None
        with world.on(index):
            queue = world.views[index].declare(QUEUE)
            self.consumer = queue.consume(self, prefetch, auto)

    def deliver(self, consumer, tag, message, deliveries):
        assert self.world.home == self.index
        self.got.append(message.body)
        self.tags.append(tag)
        return len(self.got) < self.most

    def cancelled(self, consumer, error):
        assert self.world.home == self.index
        self.error = error.code.name

    def ack(self):
        """Settles the oldest that it has."""
        if self.tags:
            with self.world.on(self.index):
                try:
                    self.consumer.ack(self.tags.pop(0))
                except QmqError:
                    return False
            return True
        return False

    def leave(self):
        with self.world.on(self.index) as hub:
            hub.drain()
            self.consumer.cancel()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("join"), st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("ack"), st.integers(0, 9), st.none()),
        st.tuples(st.just("leave"), st.integers(0, 9), st.none()),
        st.tuples(st.just("flush"), st.integers(0, 2), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_is_lost_and_nothing_is_settled_twice(steps):
    world = Siblings(3)
    world.registry.declare(QUEUE)
    clients, published, settled = [], 0, []
    for name, number, more in steps:
        if name == "publish":
            world.publish(number, QUEUE, *[b"%d" % (published + each) for each in range(more)])
            published += more
        elif name == "join":
            clients.append(Client(world, number, prefetch=more))
        elif name == "flush":
            world.flush(number)
        elif clients and name == "leave":
            clients.pop(number % len(clients)).leave()
        elif clients:
            client = clients[number % len(clients)]
            first = client.got[-len(client.tags)] if client.tags else None
            if client.ack():
                settled.append(first)
    clients.append(Client(world, 0, prefetch=1000))
    for _ in range(2 * published + 2):
        world.flush()
        for client in clients:
            first = client.got[-len(client.tags)] if client.tags else None
            if client.ack():
                settled.append(first)
    queue = world.registry.queues[QUEUE]
    assert sorted(settled, key=int) == [b"%d" % number for number in range(published)]
    assert (len(queue), queue.unsettled, queue.acked, world.pool.used) == (0, 0, published, 0)
    assert all(
        client.got == sorted(client.got, key=int)
        for client in clients
        if client.consumer.tag == len(client.got) and queue.redelivered == 0
    )


def test_a_consumer_elsewhere_gets_its_messages_at_home_and_in_order():
    world = Siblings(2)
    client = Client(world, 1)
    world.publish(0, QUEUE, b"1", b"2")
    assert client.got == []
    world.publish(1, QUEUE, b"3")  # at home, but the others are on their way
    assert client.got == []
    world.flush(1)
    assert client.got == [b"1", b"2", b"3"]
    world.publish(1, QUEUE, b"4")
    assert client.got[-1] == b"4"  # at once


def test_only_little_is_on_its_way_to_one_consumer_and_the_rest_is_for_others():
    world = Siblings(2)
    far = Client(world, 1, prefetch=1000)
    world.publish(0, QUEUE, *[bytes(10_000)] * 20)
    assert len(world.registry.queues[QUEUE]) == 20 - 7
    near = Client(world, 0, prefetch=1000)
    assert (len(near.got), len(far.got)) == (13, 0)
    world.flush(1)
    assert len(far.got) == 7
    world.publish(0, QUEUE, b"x", b"y")
    world.flush()
    assert (len(near.got), len(far.got)) == (14, 8)  # it is in line again


def test_a_consumer_that_has_no_room_at_home_is_given_no_more():
    world = Siblings(2)
    client = Client(world, 1, prefetch=1000, most=3)
    world.publish(0, QUEUE, *b"1 2 3 4 5".split())
    world.flush()
    world.publish(0, QUEUE, *b"6 7".split())
    world.flush()
    assert len(client.got) == 5  # these were on their way
    assert len(world.registry.queues[QUEUE]) == 2
    client.most = 100
    with world.on(1):
        client.consumer.resume()
    assert len(client.got) == 7


def test_what_is_on_its_way_to_a_consumer_that_ends_goes_back():
    world = Siblings(2)
    client = Client(world, 1)
    world.publish(0, QUEUE, b"1")
    with world.on(1):
        client.consumer.cancel()  # without having looked
    other = Client(world, 0)
    assert other.got == [b"1"]
    world.flush()
    assert client.got == []


def test_what_counts_as_settled_arrives_even_if_the_queue_is_gone():
    world = Siblings(2)
    client = Client(world, 1, auto=True)
    world.publish(0, QUEUE, b"1", b"2")
    with world.on(0):
        world.views[0].delete(QUEUE)
    world.flush()
    assert (client.got, client.error) == ([b"1", b"2"], "queue-deleted")


def test_who_keeps_a_message_too_long_hears_of_it_at_home():
    world = Siblings(2)
    world.registry.declare(QUEUE, {"ack_timeout": 1000})
    client = Client(world, 1)
    world.publish(0, QUEUE, b"1")
    world.flush()
    world.now += 2
    with world.on(0), world.lock:
        world.timers.run()
    assert client.error is None
    world.flush(1)
    assert client.error == "ack-timeout"
    assert len(world.registry.queues[QUEUE]) == 1


def test_views_have_the_same_queues_and_a_hub_each():
    world = Siblings(2)
    one, other = world.views
    queue = one.declare("/queue/x")
    assert other.queue("/queue/x") is queue
    assert (one.hub, other.hub) == tuple(world.hubs)
    assert one.published is other.published and one.claims is other.claims
    other.declare_exchange("e")
    assert one.exchange("e") is other.exchange("e")
    with pytest.raises(QmqError):
        other.delete("/queue/nowhere")


def test_dead_letters_go_on_whoever_has_rejected_them():
    world = Siblings(2)
    world.registry.declare(QUEUE, {"dead_letter": "/topic/dead"})
    client = Client(world, 1)
    world.publish(0, QUEUE, b"1")
    world.flush()
    with world.on(1):
        client.consumer.nack(client.tags[0], requeue=False)
    with world.on(0), world.lock:
        world.timers.run()
    assert [each.body for each in world.kept(1, "/topic/dead")] == [b"1"]
    assert world.stats["dead_letters"] == 1


def test_memory_has_shares_that_add_up_and_wakes_whoever_waits():
    world = Siblings(2)
    one, other = (view.memory for view in world.views)
    one.take(1 << 30)
    assert other.full and other.used == 1 << 30
    called = []
    other.wait(lambda: called.append(1))
    one.free(1 << 20)
    assert not called  # not enough yet
    assert world.registry.publish(Envelope("/queue/x", {}), b"x", True).offset == 1
    one.free(1 << 29)
    assert called == [1]
    assert not other.full
