"""Whose turn it is to catch up: nobody waits long for those who come back, and all of them get there."""

import pytest

from qmq.core import replays
from qmq.core.store import Keep
from tests.core.test_replay import WIDE, Numbers, Reader, World


def publish_names(world, count, name="t"):
    for number in range(count):
        world.publish(f"{name}.{number}")
    world.flush()


@pytest.fixture
def world():
    return World()


def test_replay_of_many_names_is_given_in_short_turns(world):
    publish_names(world, 5000)
    steps, most = [], world.hub.turn_steps
    advance = world.hub.advance

    def noted(scan, messages, octets, overhead=0, steps_=0):
        before = len(scan._heap)
        found = advance(scan, messages, octets, overhead, steps_)
        steps.append(len(scan._heap) - before + len(found))
        return found

    world.hub.advance = noted
    reader, other = Reader(), Reader()
    world.hub.subscribe("/topic/other", Numbers(), other.outbox, WIDE)
    world.hub.resume("/topic/#", Numbers(), reader.outbox, WIDE, 0)
    passes = 0
    while len(reader.numbers) < 5000:
        world.publish("other")
        world.flush()
        reader.outbox.resume()
        passes += 1
        assert len(other.numbers) == passes  # who is up to date has it in the very pass
    assert max(steps) <= most
    assert passes >= 5000 / most
    world.settle(reader)
    assert reader.numbers == world.expected("#", 0)


def test_all_who_look_for_long_get_there(world):
    """They take turns, and none begins again at the beginning."""
    world.hub.turn_steps = 7
    publish_names(world, 100)
    readers = [Reader() for _ in range(60)]
    for number, reader in enumerate(readers):
        world.hub.resume("/topic/#" if number % 2 else f"/topic/t.{number}", Numbers(), reader.outbox, WIDE, number)
    passes = 0
    while world.woken or any(reader.outbox.waiting for reader in readers):
        world.flush()
        for reader in readers:
            reader.outbox.resume()
        passes += 1
        assert passes < 5000
        assert len(world.hub.replays._scans) <= replays._SCANS
        assert len(world.hub.replays._pieces) <= replays._PIECES
    for number, reader in enumerate(readers):
        assert reader.numbers == world.expected("#" if number % 2 else f"t.{number}", number)


def test_what_one_has_read_is_at_hand_for_others_in_later_passes(world):
    publish_names(world, 1000)
    encoded = []

    class Counting(Numbers):
        def encode(self, message):
            encoded.append(message.offset)
            return super().encode(message)

    encoder, readers = Counting(), [Reader() for _ in range(30)]
    for reader in readers:
        world.hub.resume("/topic/#", encoder, reader.outbox, WIDE, 0)
    world.settle(*readers)
    assert all(reader.numbers == list(range(1, 1001)) for reader in readers)
    assert len(encoded) == 1000


def test_nothing_is_kept_at_hand_once_nobody_catches_up(world):
    publish_names(world, 50)
    first, second = Reader(), Reader()
    world.hub.turn_steps = 10
    world.hub.resume("/topic/#", Numbers(), first.outbox, WIDE, 0)
    replay = world.hub.resume("/topic/t.*", Numbers(), second.outbox, WIDE, 0)
    for _ in range(8):
        world.flush()
        first.outbox.resume()
    assert world.hub.replays._scans
    replay.end()
    world.settle(first)
    assert world.hub.replays._scans  # a client that comes with requests may soon want more
    for _ in range(replays._AT_HAND + 1):
        world.hub.flush()
    assert not (world.hub.replays._scans or world.hub.replays._pieces or world.hub.replays._open)
    assert repr(world.hub.replays) == "<0 readers, 0 clients wait for a turn>"


def test_where_a_subscription_begins_is_found_at_once_or_not_at_all(world):
    publish_names(world, 200)
    assert world.hub.begins("/topic/t.50", 3) == 50
    assert world.hub.begins("/topic/t.50", 51) is None
    assert world.hub.begins("/topic/#", 199) == 199
    assert world.hub.begins("/topic/#", 200) is None
    assert world.hub.begins("/topic/#", 5) == 5


def test_client_with_many_subscriptions_keeps_nobody_waiting(world):
    world.hub.turn_steps = 5
    publish_names(world, 100)
    greedy, honest = Reader(), Reader()
    for _ in range(500):
        world.hub.resume("/topic/#", Numbers(), greedy.outbox, WIDE, 0)
    world.hub.resume("/topic/t.7", Numbers(), honest.outbox, WIDE, 0)
    world.flush()
    assert honest.numbers == [8]


def test_those_who_have_ended_take_nobodys_turn(world):
    publish_names(world, 10)
    reader, other = Reader(), Reader()
    for _ in range(1000):
        world.hub.resume("/topic/#", Numbers(), Reader().outbox, WIDE, 0).end()
        world.hub.resume("/topic/#", Numbers(), other.outbox, WIDE, 0).end()
    world.hub.resume("/topic/t.7", Numbers(), reader.outbox, WIDE, 0)
    world.flush()
    assert (reader.numbers, other.numbers) == ([8], [])
    assert not world.hub.replays


def test_client_whose_encoder_fails_ends_alone(world):
    publish_names(world, 10)

    class Broken(Numbers):
        def encode(self, message):
            raise ValueError("broken")

    class Failing(Reader):
        def failed(self, error):
            self.error = error

    broken, reader = Failing(), Reader()
    world.hub.resume("/topic/#", Broken(), broken.outbox, WIDE, 0)
    world.hub.resume("/topic/#", Numbers(), reader.outbox, WIDE, 0)
    world.settle(reader)
    assert (str(broken.error), reader.numbers) == ("broken", list(range(1, 11)))
    assert not world.hub.replays._open and not world.hub.replays


def test_those_who_begin_at_the_same_position_share_what_one_has_found(world):
    publish_names(world, 500)
    walks = []
    walk = world.history.walk
    world.history.walk = lambda *args, **more: walks.append(more) or walk(*args, **more)
    readers = [Reader() for _ in range(20)]
    for number, reader in enumerate(readers):
        world.hub.resume("/topic/#", Numbers(number), reader.outbox, WIDE, 3)  # each has an encoder of its own
        world.publish("t.7")
        world.flush()
    world.settle(*readers)
    assert all(reader.numbers == world.expected("#", 3) for reader in readers)
    assert walks.count({}) < 40  # one through all names; the others see what came since


def test_what_one_has_found_is_no_excuse_for_what_is_lost_since(world):
    keep = World(Keep(messages=1))
    publish_names(keep, 100)
    first, second = Reader(), Reader()
    keep.hub.resume("/topic/#", Numbers(), first.outbox, WIDE, 0)
    keep.settle(first)
    assert first.numbers == list(range(1, 101))
    keep.publish("t.50", 70)
    keep.flush()
    keep.hub.resume("/topic/#", Numbers(1), second.outbox, WIDE, 0, floor=0)
    keep.settle(second)
    assert second.error.code.name == "slow-consumer"
