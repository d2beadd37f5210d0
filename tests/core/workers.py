"""A consumer's client for tests of queues: notes what it is given, and settles it by its body."""

from qmq.core.memory import OVERHEAD


class Worker:
    """Consumes from a queue as soon as it is made.

    Attributes:
        got: The bodies that it was given; with `/2` behind if for the second time.
        tags: By body.
        room: What it answers when it is given something.
        ended: The codes with which it was cancelled.

    """

    def __init__(self, queue, prefetch=10, room=True, **more):
        self.got = []
        self.tags = {}
        self.room = room
        self.ended = []
        self.consumer = queue.consume(self, prefetch, **more)

    def deliver(self, consumer, tag, message, deliveries):
        body = message.body.decode()
        self.tags[body] = tag
        self.got.append(body if deliveries == 1 else f"{body}/{deliveries}")
        return self.room

    def cancelled(self, consumer, error):
        assert not consumer.open
        assert not consumer.unsettled
        self.ended.append(error.code.name)

    def take(self):
        """What it was given since the last time."""
        got, self.got = self.got, []
        return got

    def ack(self, *bodies):
        for body in bodies:
            self.consumer.ack(self.tags[body])

    def nack(self, *bodies, requeue=True):
        for body in bodies:
            self.consumer.nack(self.tags[body], requeue)

    def stall(self):
        """Has no room from the next message on."""
        self.room = False

    def resume(self):
        self.room = True
        self.consumer.resume()

    @property
    def held(self):
        """The bodies that it has not settled, in the order in which it got them."""
        return [entry.message.body.decode() for entry in self.consumer.unsettled.values()]


def weight(world):
    """What the queues of a world hold, counted one by one; `memory.used` must agree."""
    total = 0
    for queue in world.registry.queues.values():
        unsettled = [entry for consumer in queue.consumers for entry in consumer.unsettled.values()]
        for entry in [*queue._ready, *unsettled]:
            total += len(entry.message.body) + entry.message.envelope.octets + OVERHEAD
    return total
