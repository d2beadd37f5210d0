"""What tests of queues share: a world with a queue, and clients that consume from it."""

from qmq.core.memory import OVERHEAD
from tests.worlds import World

QUEUE, DEAD = "/queue/a", "/queue/dead"


class Shop(World):
    """A world with one queue, which has these messages and properties."""

    def __init__(self, *bodies, rules=None, memory=1 << 30, **options):
        super().__init__(rules=rules, memory=memory)
        self.queue = self.registry.declare(QUEUE, options)
        self.put(*bodies)

    def put(self, *bodies, **more):
        self.publish(QUEUE, *bodies, **more)

    @property
    def waiting(self):
        return self.bodies(QUEUE)

    @property
    def dead(self):
        """What has come to the queue of dead letters: bodies with their last reasons."""
        queue = self.registry.queues.get(DEAD)
        return [
            f"{entry.message.body.decode()} {entry.message.envelope.deaths[-1].reason}"
            for entry in (queue._ready if queue else ())
        ]


class Worker:
    """A consumer's client, which notes what it is given, and settles it by its body.

    Consumes from a queue as soon as it is made.

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
