"""One order for several hubs: whatever turns they take, each subscriber sees all of it once, in order."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.message import Envelope
from qmq.core.store import Keep
from tests.core.siblings import NUMBERS, WIDE, Reader, Siblings

TOPICS = ("/topic/a.x", "/topic/a.y", "/topic/b")
PATTERNS = (*TOPICS, "/topic/a.*", "/topic/#")


def matches(pattern, topic):
    return pattern in (topic, "/topic/#") or (pattern == "/topic/a.*" and topic.startswith("/topic/a."))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 2), st.sampled_from(TOPICS)),
        st.tuples(st.just("subscribe"), st.integers(0, 2), st.sampled_from(PATTERNS)),
        st.tuples(st.just("resume"), st.integers(0, 2), st.integers(0, 100)),
        st.tuples(st.just("leave"), st.integers(0, 100), st.none()),
        st.tuples(st.just("flush"), st.integers(0, 2), st.none()),
    ),
    max_size=60,
)


class Model:
    """What was published, and who is to have seen what."""

    def __init__(self):
        self.world = Siblings(3)
        self.published = []  # the destination of each number, from 1
        self.here = []  # index of the hub, pattern, reader, subscription, the number it begins after
        self.gone = []  # pattern, begins after, what it saw

    def publish(self, index, topic):
        self.world.publish(index, topic, b"%d" % index)
        self.published.append(topic)

    def subscribe(self, index, pattern):
        reader = Reader()
        with self.world.on(index) as hub:
            subscription = hub.subscribe(pattern, NUMBERS, reader.outbox, WIDE)
        self.here.append((index, pattern, reader, subscription, len(self.published)))

    def leave(self, which, _):
        if self.here:
            index, pattern, reader, subscription, after = self.here.pop(which % len(self.here))
            with self.world.on(index) as hub:
                if hasattr(subscription, "end"):
                    subscription.end()
                else:
                    hub.unsubscribe(subscription)
            self.check(pattern, after, reader.numbers)
            self.gone.append((pattern, after, reader.numbers))

    def resume(self, index, which):
        if self.gone:
            pattern, after, numbers = self.gone.pop(which % len(self.gone))
            after = max([after, *numbers])
            reader = Reader()
            with self.world.on(index) as hub:
                replay = hub.resume(pattern, NUMBERS, reader.outbox, WIDE, after)
            self.here.append((index, pattern, reader, replay, after))

    def flush(self, index, _):
        self.world.flush(index)

    def check(self, pattern, after, numbers, all_of_it=False):
        wanted = [n for n, topic in enumerate(self.published, 1) if n > after and matches(pattern, topic)]
        assert numbers == (wanted if all_of_it else wanted[: len(numbers)])


@given(STEPS)
def test_every_subscriber_sees_everything_once_and_in_order_whoever_has_published_it(steps):
    model = Model()
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
    model.world.flush()
    for _, pattern, reader, _, after in model.here:
        model.check(pattern, after, reader.numbers, all_of_it=True)
        assert not reader.errors
    assert model.world.sequence.offset == len(model.published)


def test_what_a_client_unsubscribes_from_it_has_up_to_then():
    """What was published before, by any thread, comes before the end."""
    world = Siblings(2)
    reader = Reader()
    subscription = world.hubs[1].subscribe("/topic/a", NUMBERS, reader.outbox, WIDE)
    world.publish(0, "/topic/a", b"1", b"2")
    world.publish(1, "/topic/a", b"3")
    world.hubs[1].unsubscribe(subscription)
    assert reader.numbers == [1, 2, 3]
    world.publish(0, "/topic/a", b"4")
    world.flush()
    assert reader.numbers == [1, 2, 3]
    assert not world.hubs[1]._box.messages  # nobody wants it there any more


def test_only_those_are_woken_who_want_it_and_once():
    world = Siblings(3)
    world.hubs[1].subscribe("/topic/a", NUMBERS, Reader().outbox, WIDE)
    world.hubs[0].subscribe("/topic/a", NUMBERS, Reader().outbox, WIDE)
    world.publish(0, "/topic/a", b"1", b"2", b"3")
    assert world.calls == [0, 1, 0]  # its own loop looks anyway
    world.hubs[1].look()
    world.publish(0, "/topic/a", b"4")
    assert world.calls == [0, 2, 0]


def test_what_comes_by_an_exchange_has_its_place_in_the_order():
    world = Siblings(2, keep=(("/topic/#", Keep()),))
    world.registry.declare_exchange("in")
    world.registry.bind("in", "/exchange/amq.topic", "k")
    reader = Reader()
    world.hubs[1].subscribe("/topic/#", NUMBERS, reader.outbox, WIDE)
    world.publish(0, "/topic/a", b"1")
    world.publish(1, "/exchange/in/k", b"2")
    world.publish(0, "/topic/a", b"3")
    world.flush()
    assert reader.seen == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert [each.offset for each in world.kept(0, "/topic/k")] == [2]


def test_queues_that_are_bound_to_a_topic_get_it_from_every_thread():
    world = Siblings(2)
    world.publish(1, "/topic/a", b"0")  # nothing is bound yet, and that is remembered
    world.registry.declare("/queue/a")
    world.registry.bind("amq.topic", "/queue/a", "a")
    world.publish(0, "/topic/a", b"1")
    world.publish(1, "/topic/a", b"2")
    world.registry.unbind("amq.topic", "/queue/a", "a")
    world.publish(1, "/topic/a", b"3")
    assert [entry.message.body for entry in world.registry.queues["/queue/a"]._ready] == [b"1", b"2"]


def test_a_topic_that_is_given_up_is_kept_anew_when_it_comes_again():
    world = Siblings(2, keep=(("/topic/#", Keep(messages=10)),))
    world.sequence.history.max_names = 2
    for topic in ("/topic/a", "/topic/b", "/topic/c", "/topic/a"):
        world.publish(0, topic, b"x")
        world.flush()
    assert [each.offset for each in world.kept(1, "/topic/a")] == [4]
    assert not world.hubs[0].whole("/topic/a", 0)
    assert repr(world.sequence) == "<sequence at node.e.4 of 2 hubs>"
    assert world.hubs[0].number(Envelope("/queue/x", {}), b"", True).offset == 5
