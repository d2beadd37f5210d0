"""Requests that wait: for what is published, and for what takes long to be found among many topics."""

import gc
import weakref

import pytest

from qmq.core.store import Keep
from qmq.session.topics import Lookup, Start
from qmq.session.waiter import Frameless, Waiter
from tests.session.test_operations import ANYBODY, Office, bodies_of, refused


class Bodies(Frameless):
    def encode(self, message):
        return b"<" + message.body + b">"


@pytest.fixture
def office():
    """One with 300 topics, where a turn looks at 20 of them."""
    office = Office(keep=[("/topic/brief", Keep(messages=1)), ("/topic/#", Keep())])
    for number in range(300):
        office.publish(f"/topic/t.{number}", str(number))
    office.hub.turn_steps = 20
    return office


def passes_until(office, told):
    passes = 0
    while not told:
        office.hub.flush()
        passes += 1
        assert passes < 100
    return passes


def test_reading_among_many_topics_is_answered_some_passes_later(office):
    waiter = office.operations.read(ANYBODY, "/topic/#", Start("node.e.250"), 5, 1000, Bodies())
    told = []
    waiter.on_change = lambda: told.append(True)
    assert passes_until(office, told) > 1
    reading = waiter.close()
    assert (bodies_of(reading), reading.cursor, reading.recovered) == (
        ["250", "251", "252", "253", "254"],
        "node.e.255",
        True,
    )
    assert waiter.frames == [b"<%d>" % number for number in range(250, 255)]
    assert office.operations.waiting == 0 and not office.hub.replays._open


def test_reading_what_is_soon_found_is_answered_at_once(office):
    reading = office.operations.read(ANYBODY, "/topic/t.299", Start("node.e.250"), 5, 1000)
    assert bodies_of(reading) == ["299"]
    reading = office.operations.read(ANYBODY, "/topic/#", Start("node.e.300"), 5, 1000)
    assert (reading.messages, reading.cursor) == ([], "node.e.300")


def test_polling_that_found_nothing_waits_and_misses_nothing(office):
    waiter = office.operations.poll(ANYBODY, "/topic/#.none", Start("node.e.0"), 5, 1000, Bodies())
    told = []
    waiter.on_change = lambda: told.append(True)
    for _ in range(40):
        office.hub.flush()
    assert not told
    office.publish("/topic/x.none", "new")
    passes_until(office, told)
    reading = waiter.close()
    assert (bodies_of(reading), waiter.frames, reading.recovered) == (["new"], [b"<new>"], True)
    assert office.operations.waiting == 0 and not office.hub._audiences


def test_what_is_published_while_it_looks_is_found(office):
    waiter = office.operations.poll(ANYBODY, "/topic/*.none", Start("node.e.0"), 5, 1000)
    told = []
    waiter.on_change = lambda: told.append(True)
    office.hub.flush()
    office.publish("/topic/x.none", "new")
    passes_until(office, told)
    assert bodies_of(waiter.close()) == ["new"]


def test_time_that_is_over_while_it_looks(office):
    """What was found up to then is given, and a cursor that misses nothing."""
    waiter = office.operations.poll(ANYBODY, "/topic/#", Start("node.e.0"), 500, 10_000)
    office.hub.flush()
    reading = waiter.close()
    assert (reading.messages, reading.cursor, reading.recovered) == ([], "node.e.0", True)
    assert waiter.close() == reading
    for _ in range(40):
        office.hub.flush()  # it has no more turns
    assert office.operations.waiting == 0 and not office.hub.replays._open


def test_what_is_lost_while_it_looks_is_said(office):
    office.publish("/topic/brief", "old")
    waiter = office.operations.read(ANYBODY, "/topic/#", Start("node.e.0"), 500, 10_000)
    told = []
    waiter.on_change = lambda: told.append(True)
    office.publish("/topic/brief", "new")
    assert office.read(pattern="/topic/brief")[0] == ["new"]
    passes_until(office, told)
    reading = waiter.close()
    assert (reading.messages, reading.cursor, reading.recovered) == ([], "node.e.302", False)
    lookup = Lookup(office.hub, "/topic/#", Start("node.e.0", earliest=True), 500, 10_000)
    lookup.go_on()
    while not lookup.done:
        office.hub.flush()
    assert (len(lookup.reading.messages), lookup.reading.recovered) == (301, False)


def test_who_looks_is_one_who_waits():
    office = Office(max_waiting=1)
    for number in range(40):
        office.publish(f"/topic/t.{number}", "x")
    office.hub.turn_steps = 5
    waiter = office.operations.read(ANYBODY, "/topic/#", Start(earliest=True), 50, 1000)
    refused("too-many-connections", office.operations.read, ANYBODY, "/topic/#", Start(earliest=True), 50, 1000)
    refused("too-many-connections", office.operations.wait, ANYBODY, "/topic/a", 1, 1)
    waiter.abandon()
    assert office.operations.waiting == 0


@pytest.mark.parametrize("passes", [0, 3, 60])
def test_nothing_stays_of_one_that_is_closed(office, passes):
    gc.disable()
    try:
        waiter = office.operations.poll(ANYBODY, "/topic/#.none", Start("node.e.0"), 5, 1000)
        for _ in range(passes):
            office.hub.flush()
        gone = weakref.ref(waiter)
        waiter.close()
        del waiter
        office.hub.flush()
        assert gone() is None
    finally:
        gc.enable()


def test_next_request_goes_on_where_the_last_one_stood(office):
    """To read page by page costs one look at the names, not one for each page."""
    walks = []
    walk = office.history.walk
    office.history.walk = lambda *args, **more: walks.append(more) or walk(*args, **more)
    cursor, found = "node.e.0", []
    while len(found) < 300:
        reading = office.operations.read(ANYBODY, "/topic/#", Start(cursor), 30, 1000)
        if isinstance(reading, Waiter):
            waiter, told = reading, []
            waiter.on_change = lambda told=told: told.append(True)
            passes_until(office, told)
            reading = waiter.close()
        found += bodies_of(reading)
        cursor = reading.cursor
    assert found == [str(number) for number in range(300)]
    assert walks.count({}) == 1
