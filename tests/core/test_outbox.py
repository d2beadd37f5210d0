"""The outbox while its connection is blocked: counting, bounds, and each overflow policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.hub import Hub
from qmq.core.message import Envelope, Origin
from qmq.core.outbox import Outbox
from qmq.core.subscription import Bounds, Overflow
from qmq.stats import Stats


class Encoder:
    def encode(self, message):
        return b"%d;" % message.offset


class Setup:
    """A hub with one connection that is blocked until it takes."""

    least_turns = 8

    def __init__(self, bounds, max_bytes=1 << 20):
        self.hub = Hub(Origin("node", "e"), lambda: None)
        self.stats = Stats()
        self.errors = []
        self.outbox = Outbox(self, self.stats, max_bytes)
        self.subscription = self.hub.subscribe("/topic/#", Encoder(), self.outbox, bounds)

    def deliver(self, data, batch):
        self.outbox.fresh.extend(batch)
        self.flush()

    def flush(self):
        error = self.outbox.hold()
        if error is not None:
            self.errors.append(error)

    def publish(self, count=1, destination="/topic/a", headers=None):
        for _ in range(count):
            self.hub.publish(Envelope(destination, headers or {}), b"", True)
            self.hub.flush()


def test_what_is_held_is_counted_and_taken_in_order():
    setup = Setup(Bounds(10, 1000))
    setup.publish(3)
    assert (len(setup.subscription.pending), setup.subscription.pending_bytes, setup.outbox.backlog_bytes) == (3, 6, 6)
    assert setup.outbox.take(3) == b"1;2;"
    assert setup.outbox.take(100) == b"3;"
    assert (len(setup.subscription.pending), setup.subscription.pending_bytes, setup.outbox.backlog_bytes) == (0, 0, 0)


def test_disconnect_names_the_bound_what_was_pending_and_the_cursor():
    setup = Setup(Bounds(3, 1000))
    setup.publish(2)
    setup.outbox.take(2)
    setup.publish(3)
    [error] = setup.errors
    assert error.code.name == "slow-consumer"
    assert "max-messages of /topic/# is 3; 4 messages with 8 octets were pending; cursor node.e.1" in error.detail


def test_disconnect_for_octets():
    setup = Setup(Bounds(100, 5))
    setup.publish(3)
    assert "max-bytes of /topic/# is 5" in setup.errors[0].detail


def test_drop_oldest():
    setup = Setup(Bounds(3, 1000, Overflow.DROP_OLDEST))
    setup.publish(5)
    assert setup.outbox.take(100) == b"3;4;5;"
    assert setup.stats["messages_dropped_oldest"] == 2


def test_drop_newest():
    setup = Setup(Bounds(3, 1000, Overflow.DROP_NEWEST))
    setup.publish(5)
    assert setup.outbox.take(100) == b"1;2;3;"
    assert setup.stats["messages_dropped_newest"] == 2


def test_one_message_larger_than_the_bound_is_dropped_and_the_rest_goes_on():
    setup = Setup(Bounds(3, 1, Overflow.DROP_OLDEST))
    setup.publish(2)
    assert setup.outbox.take(100) == b""
    assert setup.stats["messages_dropped_oldest"] == 2


def test_conflate_keeps_the_latest_of_each_key_at_the_later_place():
    setup = Setup(Bounds(10, 1000, Overflow.CONFLATE, "symbol"))
    for symbol in "abacab":
        setup.publish(headers={"symbol": symbol})
    assert setup.outbox.take(100) == b"4;5;6;"
    assert setup.stats["messages_conflated"] == 3


def test_conflate_without_the_header_goes_by_destination():
    setup = Setup(Bounds(10, 1000, Overflow.CONFLATE, "symbol"))
    for name in "abab":
        setup.publish(destination=f"/topic/{name}")
    setup.publish(headers={"symbol": "/topic/a"})
    assert setup.outbox.take(100) == b"3;4;5;"


def test_conflate_with_too_many_keys_drops_the_oldest():
    setup = Setup(Bounds(2, 1000, Overflow.CONFLATE, "symbol"))
    for symbol in "abcd":
        setup.publish(headers={"symbol": symbol})
    assert setup.outbox.take(100) == b"3;4;"
    assert setup.subscription.latest == {}


def test_bounds_are_each_subscriptions_own():
    setup = Setup(Bounds(2, 1000, Overflow.DROP_OLDEST))
    setup.hub.subscribe("/topic/a", Encoder(), setup.outbox, Bounds(100, 1000))
    setup.publish(4)
    assert setup.outbox.take(1000) == b"1;2;3;3;4;4;"


def test_replies_keep_their_place_and_are_never_dropped():
    setup = Setup(Bounds(1, 1000, Overflow.DROP_OLDEST))
    for _ in range(3):
        setup.publish()
        setup.outbox.reply(b"R;")
        setup.flush()
    assert setup.outbox.reply_bytes == 6
    assert setup.outbox.take(100) == b"R;R;3;R;"
    assert setup.outbox.reply_bytes == 0


def test_the_whole_outbox_is_bounded_too():
    setup = Setup(Bounds(100, 1000), max_bytes=10)
    for _ in range(6):
        setup.outbox.reply(b"R;")
    setup.flush()
    assert setup.errors[0].code.name == "outbox-full"


def test_unsubscribing_forgets_what_waits():
    setup = Setup(Bounds(10, 1000))
    setup.publish(3)
    setup.outbox.reply(b"R;")
    setup.flush()
    setup.hub.publish(Envelope("/topic/a", {}), b"", True)  # offered, and not yet held
    setup.hub.unsubscribe(setup.subscription)
    setup.flush()
    assert setup.outbox.take(100) == b"R;"
    assert setup.outbox.backlog_bytes == 0


actions = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("abc")),
        st.tuples(st.just("take"), st.integers(1, 12)),
        st.tuples(st.just("reply"), st.just("")),
    ),
    max_size=60,
)


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.CONFLATE])
@given(actions, st.integers(1, 5))
def test_bounds_hold_and_nothing_is_lost_uncounted(overflow, steps, limit):
    """In order, never over the bound, and each message is taken, waiting or counted as dropped."""
    setup = Setup(Bounds(limit, 1000, overflow, "key"))
    published, taken, replies = 0, [], 0
    for action, value in steps:
        if action == "publish":
            setup.publish(headers={"key": value})
            published += 1
        elif action == "reply":
            setup.outbox.reply(b"R;")
            setup.flush()
            replies += 1
        else:
            taken += setup.outbox.take(value).split(b";")[:-1]
        assert len(setup.subscription.pending or ()) <= limit
        assert len(setup.subscription.latest) <= limit
    taken += setup.outbox.take(1 << 20).split(b";")[:-1]
    numbers = [int(piece) for piece in taken if piece != b"R"]
    assert numbers == sorted(set(numbers))
    assert taken.count(b"R") == replies
    dropped = sum(setup.stats.snapshot().values())
    assert len(numbers) + dropped == published
    assert setup.outbox.backlog_bytes == setup.subscription.pending_bytes == 0
