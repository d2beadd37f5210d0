"""Reading forward through several stores: one order, bounded steps, and nothing missing untold."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.memory import OVERHEAD
from qmq.core.scan import Scan
from qmq.core.store import Keep
from tests.core.test_history import Past

EVERYTHING = (1 << 30, 1 << 60, 0, 1 << 30)


def numbers(messages):
    return [message.offset for message in messages]


def scan_of(past, pattern, position=0):
    past.settle()
    return Scan(past.history, f"/topic/{pattern}", position)


def test_one_order_from_many_names():
    past = Past()
    for name in ("a", "b", "b", "c.x", "a", "c.y", "b"):
        past.publish(name, settle=False)
    assert numbers(scan_of(past, "#").read(*EVERYTHING)) == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(scan_of(past, "c.*", 4).read(*EVERYTHING)) == [6]
    assert numbers(scan_of(past, "b", 2).read(*EVERYTHING)) == [3, 7]


def test_bounds_of_one_reading():
    past = Past()
    for number in range(10):
        past.publish(f"t{number % 3}", b"12345")
    scan = scan_of(past, "#")
    assert numbers(scan.read(3, 1 << 60, 0, 1000)) == [1, 2, 3]
    assert (scan.position, scan.complete) == (3, False)
    assert numbers(scan.read(100, 10, 0, 1000)) == [4, 5]
    assert numbers(scan.read(100, 10, 5, 1000)) == [6]
    assert numbers(scan.read(100, 1 << 60, 0, 1000)) == [7, 8, 9, 10]
    assert (scan.position, scan.complete) == (10, True)


def test_no_reading_looks_at_more_stores_than_it_may():
    past = Past()
    for number in range(2000):
        past.publish(f"t.{number}")
    scan, found = scan_of(past, "t.*"), []
    looked = readings = 0
    while not scan.complete:
        readings += 1
        before = len(scan._heap)
        got = scan.read(1000, 1 << 60, 0, 50)
        assert len(scan._heap) - before + len(got) <= 50
        found += numbers(got)
        looked += not got
    assert found == list(range(1, 2001))
    assert 40 <= looked <= 42  # walks through the names once, not once for each reading
    assert readings < 150


def test_what_comes_meanwhile_has_its_turn_afterwards():
    past = Past()
    for number in range(20):
        past.publish(f"t.{number}")
    scan, found = scan_of(past, "#"), []
    while not scan.complete:
        found += numbers(scan.read(1, 1 << 60, 0, 3))
        if past.offset < 30:
            past.publish("t.3")
            past.publish(f"u.{past.offset}")
    assert found == list(range(1, past.offset + 1))


def test_what_is_put_back_comes_again():
    past = Past()
    for _ in range(6):
        past.publish("a")
    scan = scan_of(past, "#")
    got = scan.read(4, 1 << 60, 0, 1000)
    scan.put_back(got[1:])
    assert (scan.position, scan.complete) == (1, False)
    assert numbers(scan.read(2, 1 << 60, 0, 1000)) == [2, 3]
    assert numbers(scan.read(9, 1 << 60, 0, 1000)) == [4, 5, 6]
    assert scan.complete
    scan.put_back([])
    assert scan.complete


def test_what_is_dropped_before_it_was_read_is_noticed():
    past = Past([("/topic/#", Keep(messages=2))])
    for name in ("a", "b", "a", "b"):
        past.publish(name)
    scan = scan_of(past, "#")
    assert numbers(scan.read(1, 1 << 60, 0, 1000)) == [1]
    past.publish("b")  # for which 2 is dropped
    past.history.store("/topic/b").trim()
    assert numbers(scan.read(*EVERYTHING)) == [3, 4, 5]
    assert (scan.dropped, scan.position) == (2, 5)


def test_what_is_dropped_while_it_is_looked_for_is_noticed():
    past = Past([("/topic/#", Keep(messages=1))])
    for number in range(10):
        past.publish(f"t.{number}")
    scan = scan_of(past, "#")
    scan.read(9, 1 << 60, 0, 2)
    past.publish("t.0")
    assert scan.dropped == 0
    scan.read(*EVERYTHING)
    assert scan.dropped == 1


def test_name_that_is_forgotten_before_it_was_read_is_noticed():
    past = Past(max_names=3)
    for name in "abc":
        past.publish(name)
    scan = scan_of(past, "*")
    scan.read(9, 1 << 60, 0, 1)
    past.publish("d")
    assert past.forgotten == ["/topic/a"]
    assert numbers(scan.read(*EVERYTHING)) == [2, 3, 4]
    assert scan.dropped == 1
    scan = scan_of(past, "*", 1)
    assert (numbers(scan.read(*EVERYTHING)), scan.dropped) == ([2, 3, 4], 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(["a", "b", "c.x", "c.y", "d"])),
        st.tuples(st.just("read"), st.integers(1, 6)),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from(["a", "c.*", "#", "*"]), st.integers(1, 4), st.sampled_from([2, 4, 100]))
def test_everything_once_and_in_order_or_it_is_known_to_be_missing(steps, pattern, bound, names):
    past = Past([("/topic/#", Keep(messages=bound, bytes=3 * OVERHEAD))], max_names=names)
    scan, found, published = scan_of(past, pattern), [], []
    for step, what in [*steps, *[("read", 4)] * 200]:
        if step == "publish":
            past.publish(what)
            published.append(what)
        else:
            before = scan.position
            got = numbers(scan.read(what, 1 << 60, 0, what))
            found += got
            wanted = [
                number
                for number, name in enumerate(published, 1)
                if before < number <= scan.position
                and (pattern in ("#", name) or ((pattern == "*") == ("." not in name) and pattern != "a"))
            ]
            assert got == wanted or scan.dropped > before
    assert scan.complete
    assert found == sorted(set(found))
