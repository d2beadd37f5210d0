"""All bindings of a node: counting, and what goes with what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.bindings import Bindings
from qmq.core.exchange import Exchange, Kind
from qmq.errors import QmqError


class Setup:
    """Bindings of exchanges whose names are letters; targets in lower case are queues."""

    def __init__(self, names="ABC", limit=100, auto_delete=""):
        self.exchanges = {name: Exchange(name, Kind.DIRECT, auto_delete=name in auto_delete) for name in names}
        self.changes = 0
        self.bindings = Bindings(self.exchanges, limit, self.change)

    def change(self):
        self.changes += 1

    def find(self, name):
        return self.exchanges[name] if name.isupper() else name

    def add(self, source, target, key="", arguments=None):
        return self.bindings.add(self.exchanges[source], self.find(target), key, arguments)

    def remove(self, source, target, key="", arguments=None):
        return self.bindings.remove(self.exchanges[source], self.find(target), key, arguments)

    def drop(self, name):
        self.bindings.drop(self.find(name))

    @property
    def all(self):
        return {
            f"{name}{getattr(binding.target, 'name', binding.target)}{binding.key}"
            for name, exchange in self.exchanges.items()
            for binding in exchange.bindings
        }


def test_adding_and_removing():
    setup = Setup()
    assert setup.add("A", "q", "k")
    assert not setup.add("A", "q", "k")
    assert setup.add("A", "q", "k", {"x": 1})
    assert (len(setup.bindings), setup.changes) == (2, 2)
    assert setup.remove("A", "q", "k")
    assert not setup.remove("A", "q", "k")
    assert (len(setup.bindings), setup.changes) == (1, 3)
    assert repr(setup.bindings) == "<1 bindings to 1 targets>"


def test_there_is_a_limit():
    setup = Setup(limit=2)
    setup.add("A", "q")
    setup.add("B", "q")
    with pytest.raises(QmqError, match="2 are allowed") as error:
        setup.add("A", "r")
    assert error.value.code.name == "too-many-bindings"
    setup.remove("A", "q")
    setup.add("A", "r")


def test_at_the_limit_one_may_say_again_what_is_there():
    setup = Setup(limit=1)
    setup.add("A", "q", "k", {"x": 1})
    assert not setup.add("A", "q", "k", {"x": 1})
    with pytest.raises(QmqError):
        setup.add("A", "q", "k", {"x": 2})


def test_a_queue_takes_its_bindings_along():
    setup = Setup()
    for source, target, key in [("A", "q", "a"), ("A", "q", "b"), ("B", "q", "a"), ("A", "r", "a")]:
        setup.add(source, target, key)
    setup.drop("q")
    assert (setup.all, len(setup.bindings), setup.changes) == ({"Ara"}, 1, 5)
    setup.drop("q")
    setup.drop("s")
    assert setup.changes == 5  # looking up all routes anew is not for nothing


def test_an_exchange_takes_those_from_it_and_to_it_along():
    setup = Setup()
    for source, target in [("A", "B"), ("B", "q"), ("B", "C"), ("C", "B"), ("C", "q"), ("B", "B")]:
        setup.add(source, target)
    setup.drop("B")
    assert (setup.all, len(setup.bindings), list(setup.exchanges)) == ({"Cq"}, 1, ["A", "C"])
    assert len(setup.bindings._sources) == 1


def test_auto_delete_goes_with_the_last_binding():
    setup = Setup(auto_delete="A")
    setup.add("A", "q", "a")
    setup.add("A", "r", "a")
    setup.drop("q")
    assert "A" in setup.exchanges
    setup.remove("A", "r", "a")
    assert list(setup.exchanges) == ["B", "C"]


def test_auto_delete_stays_as_long_as_it_never_had_one():
    setup = Setup(auto_delete="A")
    assert not setup.remove("A", "q")
    setup.drop("q")
    assert "A" in setup.exchanges


def test_auto_delete_in_a_row():
    setup = Setup(auto_delete="AB")
    setup.add("A", "B")
    setup.add("B", "q")
    setup.add("C", "A")
    setup.drop("q")
    assert (list(setup.exchanges), len(setup.bindings), setup.all) == (["C"], 0, set())


def test_auto_delete_in_a_long_row():
    """It used to call itself for each, and a thousand are allowed."""
    names = [f"N{number}" for number in range(5000)]
    setup = Setup(names, limit=5000)
    for exchange in setup.exchanges.values():
        exchange.auto_delete = True
    for one, other in zip(names, [*names[1:], "q"], strict=True):
        setup.add(one, other)
    setup.drop("q")
    assert (setup.exchanges, len(setup.bindings), setup.bindings._sources) == ({}, 0, {})


def test_auto_delete_of_one_that_is_bound_to_itself():
    setup = Setup(auto_delete="A")
    setup.add("A", "A")
    setup.add("A", "q")
    setup.drop("q")
    assert "A" in setup.exchanges
    setup.remove("A", "A")
    assert ("A" in setup.exchanges, len(setup.bindings)) == (False, 0)


def test_one_that_is_gone_does_not_take_its_successor_along():
    """An exchange used to be remembered for a target to which it was bound no more; its end came a second time."""
    setup = Setup(auto_delete="A")
    setup.add("A", "q")
    setup.add("A", "r")
    setup.remove("A", "q")
    setup.remove("A", "r")
    successor = setup.exchanges["A"] = Exchange("A", Kind.DIRECT, auto_delete=True)
    setup.add("A", "r")
    setup.drop("q")
    assert setup.exchanges["A"] is successor
    assert setup.all == {"Ar"}


NAMES = st.sampled_from("ABC")
TARGETS = st.sampled_from("ABCqr")
ACTIONS = st.tuples(st.sampled_from(["add", "add", "add", "remove", "drop"]), NAMES, TARGETS, st.sampled_from("kl"))


@given(st.lists(ACTIONS, max_size=40), st.sampled_from(["", "A", "AB", "ABC"]))
def test_as_a_set_of_all_would_do(actions, auto_delete):
    setup, model = Setup(auto_delete=auto_delete), set()
    had = set()

    def settle(gone):
        """Takes out what goes with these, until nothing more does."""
        while gone:
            nonlocal model
            model = {each for each in model if each[0] not in gone and each[1] not in gone}
            left = {each[0] for each in model}
            gone = {name for name in auto_delete if name in had - left and name in setup_names}
            setup_names.difference_update(gone)

    setup_names = set("ABC")
    for action, source, target, key in actions:
        if source not in setup_names or (target.isupper() and target not in setup_names):
            continue
        if action == "add":
            assert setup.add(source, target, key) is ((source, target, key) not in model)
            model.add((source, target, key))
            had.add(source)
        elif action == "remove":
            assert setup.remove(source, target, key) is ((source, target, key) in model)
            if (source, target, key) in model:
                model.remove((source, target, key))
                if source in auto_delete and not any(each[0] == source for each in model):
                    setup_names.discard(source)
                    settle({source})
        else:
            setup.drop(target)
            setup_names.discard(target)
            settle({target})
        assert setup.all == {"".join(each) for each in model}
        assert set(setup.exchanges) == setup_names
        assert len(setup.bindings) == len(model)
        assert len(setup.bindings._sources) == len({each[1] for each in model})
