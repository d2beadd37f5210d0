"""Dead letters: where they go, what they tell, and which go in circles."""

import pytest
from worlds import World

from qmq.core.letters import letter_of
from qmq.core.message import Death, Envelope, Message, Origin


def dead(destination="/queue/a", headers=None, **more):
    return Message(Envelope(destination, headers or {}, **more), b"x", True, Origin("n", "e"), 1)


@pytest.mark.parametrize(
    "target, destination, address",
    [
        ("/queue/dead", "/queue/a", "/queue/dead"),
        ("/topic/dead", "/queue/a", "/topic/dead"),
        ("/exchange/x/key", "/queue/a", "/exchange/x/key"),
        ("/exchange/x", "/queue/a", "/exchange/x/a"),
        ("/exchange/x", "/topic/b.c", "/exchange/x/b.c"),
        ("/exchange/x", "/exchange/y/k", "/exchange/x/k"),
    ],
)
def test_where_it_goes(target, destination, address):
    assert letter_of(dead(destination), "/queue/a", target, "rejected").destination == address


def test_what_it_tells():
    message = dead("/exchange/y/k", {"own": "1", "expiration": "5"}, priority=3, ttl=5)
    letter = letter_of(message, "/queue/a", "/queue/dead", "expired")
    assert letter.headers == {
        "own": "1",
        "x-first-death-queue": "/queue/a",
        "x-first-death-reason": "expired",
        "x-last-death-queue": "/queue/a",
        "x-last-death-reason": "expired",
        "x-death-count": "1",
        "x-original-destination": "/exchange/y/k",
    }
    assert (letter.priority, letter.ttl) == (3, None)
    assert letter.deaths == (Death("/queue/a", "expired", "/exchange/y/k"),)


def test_a_second_death_and_the_same_again():
    first = letter_of(dead(), "/queue/a", "/queue/b", "rejected")
    second = letter_of(Message(first, b"", True, None, 2), "/queue/b", "/queue/a", "rejected")
    assert second.headers["x-first-death-queue"] == "/queue/a"
    assert second.headers["x-last-death-queue"] == "/queue/b"
    third = letter_of(Message(second, b"", True, None, 3), "/queue/a", "/queue/b", "rejected")
    assert third.deaths[-1] == Death("/queue/a", "rejected", "/queue/a", 2)
    assert third.headers["x-death-count"] == "3"


@pytest.mark.parametrize("reason", ["expired", "maxlen"])
def test_who_is_its_own_dead_letter_queue_keeps_nothing(reason):
    assert letter_of(dead(), "/queue/a", "/queue/a", reason) is None


def test_a_circle_in_which_nobody_refuses_ends():
    world = World()
    for name, other in (("/queue/a", "/queue/b"), ("/queue/b", "/queue/a")):
        world.registry.declare(name, {"message_ttl": 10, "dead_letter": other})
    world.publish("/queue/a", "round")
    for _ in range(10):
        world.pass_time(0.02)
    assert world.stats["dead_letters_in_circles"] == 1
    assert world.bodies("/queue/a") == world.bodies("/queue/b") == []
    assert world.memory.used == 0


def test_a_letter_that_nobody_takes_is_counted():
    world = World()
    world.registry.declare("/queue/a", {"message_ttl": 10, "dead_letter": "/exchange/none"})
    world.registry.declare("/queue/b", {"message_ttl": 10, "dead_letter": "/queue/full"})
    world.registry.declare("/queue/full", {"max_length": 1})
    world.publish("/queue/full", "first")
    world.publish("/queue/a", "to nowhere")
    world.publish("/queue/b", "to a full one")
    world.pass_time(0.02)
    world.pass_time()
    assert world.stats["dead_letters_lost"] == 2
    assert world.bodies("/queue/full") == ["first"]
