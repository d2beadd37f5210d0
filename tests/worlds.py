"""A node's core and its STOMP sessions without any socket, loop or real clock.

A `World` has a clock that tests set forward; its clients are sessions, and what they are
sent is decoded. Everything in it is the real thing but the sockets.
"""

from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.memory import Memory
from qmq.core.message import Envelope, Origin
from qmq.core.outbox import Outbox
from qmq.core.registry import Registry, Rules
from qmq.core.store import Keep
from qmq.core.timers import Timers
from qmq.errors import CODES, QmqError
from qmq.session.desk import Desk
from qmq.session.stomp import Session
from qmq.session.stomp_headers import Limits
from qmq.stats import Stats
from qmq.wire import stomp


def plain(data, text):
    """A transport that puts nothing around frames."""
    return data


KEEP = (("/topic/#", Keep()),)


class World:
    """A node's core. `limits` are those of STOMP sessions, `rules` those of the registry,
    `keep` those of the history."""

    def __init__(self, *, rules=None, memory=1 << 30, desk=False, keep=KEEP, **limits):
        self.now = 1000.0
        self.stats = Stats()
        self.limits = Limits(**limits)
        self.timers = Timers(lambda: self.now, lambda when: None)
        self.history = History(self.timers, keep, stats=self.stats)
        self.hub = Hub(Origin("node", "e"), lambda: None, self.stats, self.history)
        self.memory = Memory(memory)
        self.registry = Registry(self.hub, self.timers, self.memory, self.stats, rules or Rules())
        self.clients = []
        self.desk = Desk(self.registry, self.describe, self.kick) if desk else None

    def client(self, connect=True, version="1.2"):
        """A STOMP client, which has logged in unless told otherwise."""
        client = Client(self)
        self.clients.append(client)
        if connect:
            client.frame("CONNECT", {"accept-version": version, "host": "x"})
            client.got()
        return client

    def describe(self, after, most):
        """What an operator is told about connections."""
        found = [client.session.describe() for client in self.clients if client.session.ending is None]
        return sorted((each for each in found if each["name"] > after), key=lambda each: each["name"])[:most]

    def kick(self, name):
        """Ends a connection."""
        found = [each for each in self.clients if each.session.name == name and each.session.ending is None]
        for client in found:
            client.hang_up(QmqError("kicked"))
        return bool(found)

    def pass_time(self, seconds=0.0):
        """Sets the clock forward and does what is due, as a loop would."""
        self.now += seconds
        self.timers.run()
        self.hub.flush()

    def publish(self, destination, *bodies, **more):
        """Publishes text or octets from nowhere."""
        for body in bodies:
            octets = body.encode() if isinstance(body, str) else body
            envelope = Envelope(destination, more.pop("headers", {}), **more)
            self.registry.publish(envelope, octets, isinstance(body, str))

    def bodies(self, destination):
        """What waits in a queue, as text, in order."""
        return [entry.message.body.decode() for entry in self.registry.queues[destination]._ready]


class Client:
    """A STOMP client, and the connection that its session thinks it has."""

    least_turns = 8

    def __init__(self, world):
        self.world = world
        self.octets = b""
        self.blocked = False
        self.stats = Stats(world.stats)
        self.outbox = Outbox(self, self.stats, 1 << 20, world.memory)
        self.session = Session(world.registry, self.outbox, plain, world.limits, self.stats, "qmq/test", world.desk)

    # What a connection does for its session

    def deliver(self, data, batch):
        self.octets += data

    def flush(self):
        if self.blocked:
            self.outbox.hold()
            return
        self.octets += self.outbox.take_fresh()
        self.outbox.resume()

    def hang_up(self, error):
        self.session.fail(error)

    # What tests do

    def frame(self, command, headers=None, body=b"", version="1.2"):
        """Sends a frame."""
        self.receive(stomp.encode(command, headers or {}, body, version))

    def receive(self, data, text=False):
        """What its connection does with octets, in as many passes as that takes."""
        self.session.receive(data, text)
        while self.session.behind:
            self.session.go_on()

    def got(self):
        """The frames sent to it since the last time."""
        self.world.pass_time()
        self.flush()
        data, self.octets = self.octets, b""
        decoder = stomp.Decoder(self.session.version)
        return [(head.command, head.headers, body) for head, body in decoder.feed(data)]

    def messages(self):
        """The bodies of the MESSAGE frames sent to it since the last time, as text."""
        return [body.decode() for command, _, body in self.got() if command == "MESSAGE"]

    def refused(self, code):
        """Checks that it was sent away with this code; returns the headers of its ERROR."""
        [*_, (command, headers, _)] = self.got()
        assert (command, headers["code"]) == ("ERROR", code)
        assert headers["message"] == CODES[code].text
        assert headers["retry"] == ("true" if CODES[code].retry else "false")
        assert self.session.ending is CODES[code]
        assert self.stats[f"errors_{code}"] == 1
        return headers
