"""A stream of Server-Sent Events as a conversation: what it says, in which order, and how it ends."""

import orjson
import pytest
from worlds import World

from qmq.core.outbox import Outbox
from qmq.core.store import Keep
from qmq.core.subscription import Bounds, Overflow
from qmq.errors import CODES, QmqError
from qmq.session.access import EVERYTHING, Access
from qmq.session.auth import Kind, Principal
from qmq.session.events import EventStream
from qmq.session.topics import Start
from qmq.stats import Stats


class Browser:
    """A stream's other end."""

    least_turns = 8

    def __init__(self, world, pattern="/topic/a", start=None, rights=EVERYTHING, **bounds):
        self.world = world
        self.octets = b""
        self.blocked = False
        self.stats = Stats(world.stats)
        self.outbox = Outbox(self, self.stats, 1 << 20, world.memory)
        self.stream = EventStream(world.registry, self.outbox, self.stats, rights)
        limits = {"max_messages": 100, "max_bytes": 10_000, **bounds}
        self.stream.begin(pattern, Bounds(**limits), start or Start())

    def deliver(self, data, batch):
        if self.blocked:
            self.outbox.fresh.extend(batch)
            self.flush()
        else:
            self.octets += data

    def flush(self):
        if self.blocked:
            error = self.outbox.hold()
            if error is not None:
                self.outbox.clear()
                self.stream.fail(error)
                self.blocked = False
            return
        self.octets += self.outbox.take_fresh()
        self.outbox.resume()

    def hang_up(self, error):
        self.stream.fail(error)

    def events(self):
        """What has come: names, ids and data."""
        self.world.pass_time()
        self.flush()
        text, self.octets = self.octets.decode(), b""
        found = []
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if "data" in fields:
                found.append((fields.get("event", "message"), fields.get("id"), orjson.loads(fields["data"])))
        return found

    def bodies(self):
        return [data["body"] for name, _, data in self.events() if name == "message"]


@pytest.fixture
def world():
    world = World(keep=(("/topic/#", Keep(messages=3)),))
    world.publish("/topic/a", *"12345")
    return world


def test_it_begins_with_what_it_is_granted(world):
    [(name, cursor, data)] = Browser(world, max_messages=7, max_bytes=8).events()
    assert (name, cursor) == ("subscribed", "node.e.5")
    assert data == {"cursor": "node.e.5", "recovered": True, "maxMessages": 7, "maxBytes": 8}


def test_messages_are_events_whose_ids_are_cursors(world):
    browser = Browser(world)
    browser.events()
    world.publish("/topic/a", "6")
    world.publish("/topic/b", "7")
    assert browser.events() == [("message", "node.e.6", {"id": "node.e.6", "destination": "/topic/a", "body": "6"})]


def test_who_comes_back_misses_nothing_or_is_told(world):
    browser = Browser(world, start=Start("node.e.3"))
    assert [name for name, _, _ in browser.events()] == ["subscribed", "message", "message"]
    world.publish("/topic/a", "6")
    assert browser.bodies() == ["6"]
    events = Browser(world, start=Start("node.e.1")).events()
    assert [name for name, _, _ in events] == ["subscribed", "gap"]
    assert events[0][2]["recovered"] is False and events[0][2]["cursor"] == "node.e.6"


def test_what_replays_begins_before_the_first(world):
    name, cursor, data = Browser(world, start=Start(earliest=True)).events()[0]
    assert (name, cursor, data["recovered"]) == ("subscribed", "node.e.2", False)


def test_all_streams_share_what_is_encoded(world):
    browsers = [Browser(world) for _ in range(3)]
    world.publish("/topic/a", "6")
    assert [browser.bodies() for browser in browsers] == [["6"]] * 3
    assert len(world.hub._audiences) == 1


def test_bounds_are_as_everywhere(world):
    browser = Browser(world, max_messages=2)
    browser.events()
    browser.blocked = True
    world.publish("/topic/a", *"678")
    [(name, _, data)] = browser.events()
    assert (name, data["code"], data["retry"]) == ("error", "slow-consumer", True)
    assert "max-messages" in data["detail"] and "cursor" in data["detail"]
    assert browser.stream.ending is CODES["slow-consumer"] and browser.stats["errors_slow-consumer"] == 1


def test_what_may_be_dropped_is_dropped(world):
    browser = Browser(world, max_messages=2, overflow=Overflow.DROP_OLDEST)
    world.publish("/topic/b", "x")
    browser.events()
    assert browser.stream.open


def test_an_error_is_the_last_event(world):
    browser = Browser(world)
    browser.events()
    browser.stream.fail(QmqError("shutting-down", "bye", retry_after=500))
    browser.stream.fail(QmqError("internal-error"))
    world.publish("/topic/a", "6")
    browser.flush()
    assert browser.octets.startswith(b"retry: 1500\nevent: error\n")
    title = CODES["shutting-down"].text
    told = {"code": "shutting-down", "title": title, "detail": "bye", "retry": True}
    assert browser.events() == [("error", None, told)]
    assert not world.hub._audiences


@pytest.mark.parametrize("behind", [True, False])
def test_closing_gives_everything_back(world, behind):
    browser = Browser(world, start=Start("node.e.3") if behind else None)
    browser.stream.close()
    browser.stream.close()
    world.pass_time()
    assert not world.hub._audiences and not world.hub.replays and not browser.stream.open


def test_a_sign_of_life_is_a_comment(world):
    browser = Browser(world)
    browser.events()
    browser.stream.beat()
    browser.stream.receive(b"what is said is not heard")
    browser.flush()
    assert browser.octets == b":\n\n"


def test_who_loses_its_right_is_sent_away(world):
    browser = Browser(world)
    allowed = Principal("ann", Kind.USER, rights={"subscribe": ("/topic/a",)})
    browser.stream.change(Access(guarded=True).rights(allowed))
    assert browser.stream.describe()["principal"] == "user 'ann'"
    with pytest.raises(QmqError, match="forbidden"):
        browser.stream.change(Access(guarded=True).rights(Principal("ann", Kind.USER)))


def test_what_an_operator_sees(world):
    browser = Browser(world)
    told = browser.stream.describe()
    assert (told["protocol"], told["state"], told["subscriptions"]) == ("events", "open", 1)
