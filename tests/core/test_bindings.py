"""All bindings of a node: counted, limited, and gone with what they lead from and to."""

import pytest

from qmq.core.bindings import Bindings
from qmq.core.exchange import Exchange, Kind
from qmq.errors import QmqError


class House:
    def __init__(self, limit=100):
        self.exchanges = {}
        self.changes = 0
        self.bindings = Bindings(self.exchanges, limit, self.note)

    def note(self):
        self.changes += 1

    def exchange(self, name, **more):
        found = self.exchanges[name] = Exchange(name, Kind.DIRECT, **more)
        return found


def test_the_same_again_is_not_new_and_counts_once():
    house = House()
    source = house.exchange("a")
    assert house.bindings.add(source, "queue", "k", None)
    assert not house.bindings.add(source, "queue", "k", None)
    assert house.bindings.add(source, "queue", "l", None)
    assert (len(house.bindings), house.changes) == (2, 2)
    assert house.bindings.remove(source, "queue", "k", None)
    assert not house.bindings.remove(source, "queue", "k", None)
    assert (len(house.bindings), house.changes) == (1, 3)


def test_the_limit_is_for_new_ones():
    house = House(limit=1)
    source = house.exchange("a")
    house.bindings.add(source, "queue", "k", None)
    assert not house.bindings.add(source, "queue", "k", None)
    with pytest.raises(QmqError, match="too-many-bindings"):
        house.bindings.add(source, "queue", "l", None)
    house.bindings.remove(source, "queue", "k", None)
    assert house.bindings.add(source, "queue", "l", None)


def test_a_target_that_goes_takes_its_bindings_along():
    house = House()
    a, b = house.exchange("a"), house.exchange("b")
    for key in "kl":
        house.bindings.add(a, "queue", key, None)
    house.bindings.add(b, "queue", "k", None)
    house.bindings.add(b, "other", "k", None)
    house.bindings.drop("queue")
    assert (len(a), len(b), len(house.bindings)) == (0, 1, 1)
    house.bindings.drop("queue")
    assert len(house.bindings) == 1


def test_an_exchange_that_goes_takes_those_from_and_to_it():
    house = House()
    a, b = house.exchange("a"), house.exchange("b")
    house.bindings.add(a, b, "", None)
    house.bindings.add(b, "queue", "", None)
    house.bindings.add(b, b, "", None)
    house.bindings.drop(b)
    assert (len(a), len(house.bindings), list(house.exchanges)) == (0, 0, ["a"])


def test_auto_delete_exchanges_go_with_their_last_binding_and_so_on():
    house = House()
    first, second = house.exchange("first", auto_delete=True), house.exchange("second", auto_delete=True)
    never = house.exchange("never", auto_delete=True)
    house.bindings.add(first, second, "", None)
    house.bindings.add(second, "queue", "", None)
    house.bindings.remove(second, "queue", "", None)
    assert house.exchanges == {"never": never}
    assert len(house.bindings) == 0
