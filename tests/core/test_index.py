"""The tree of names: a walk finds what matches and has changed, and sees little else."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.index import Index
from qmq.core.matcher import Matcher


class Named:
    """A store of which the index needs only the name."""

    def __init__(self, destination):
        self.destination = destination


class Tree:
    """An index, and the numbers at which its names last came."""

    def __init__(self, *names):
        self.index = Index()
        self.places = {}
        self.touched = {}
        self.number = 0
        for name in names:
            self.touch(name)

    def touch(self, name):
        self.number += 1
        if name not in self.places:
            self.places[name] = self.index.add(Named(f"/topic/{name}"))
        self.index.touch(self.places[name], self.number)
        self.touched[name] = self.number

    def remove(self, name):
        self.index.remove(self.places.pop(name))
        del self.touched[name]

    def walk(self, pattern, position=0, losses=False):
        """The names found, and in how many steps."""
        steps = list(self.index.walk(f"/topic/{pattern}", position, losses))
        found = [store.destination.removeprefix("/topic/") for store in steps if store is not None]
        assert len(found) == len(set(found))
        return sorted(found), len(steps)

    def found(self, *args, **more):
        return self.walk(*args, **more)[0]


def matches(pattern, name):
    matcher = Matcher()
    matcher.add(f"/topic/{pattern}", True)
    return bool(matcher.match(f"/topic/{name}"))


WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=12).map(".".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=12).map(".".join)


@given(st.lists(st.tuples(WORDS, st.booleans()), max_size=30), PATTERNS, st.integers(0, 30))
def test_walk_finds_what_matches_and_has_changed(steps, pattern, position):
    tree = Tree()
    for name, add in steps:
        if add:
            tree.touch(name)
        elif name in tree.places:
            tree.remove(name)
    expected = {name for name, number in tree.touched.items() if number > position and matches(pattern, name)}
    found = set(tree.found(pattern, position))
    assert expected <= found
    for name in found - expected:  # others only if something below them has changed
        below = [number for other, number in tree.touched.items() if other.startswith(f"{name}.")]
        assert matches(pattern, name) and max(below, default=0) > position


@given(st.lists(WORDS, min_size=1, max_size=12), st.lists(WORDS, max_size=12), PATTERNS, st.integers(0, 12))
def test_walk_may_be_left_while_names_come_and_go(names, more, pattern, stop):
    """Whoever was there when it began, and still is, is found."""
    tree = Tree(*names)
    before = {name for name in tree.places if matches(pattern, name)}
    walk = tree.index.walk(f"/topic/{pattern}", 0)
    found = [store for _, store in zip(range(stop), walk, strict=False)]
    removed = set()
    for name in more:
        if len(name) % 3 == 0 and name in tree.places:
            tree.remove(name)
            removed.add(name)
        else:
            tree.touch(name)
    found += list(walk)
    seen = {store.destination.removeprefix("/topic/") for store in found if store is not None}
    assert before - removed <= seen
    assert all(matches(pattern, name) for name in seen)


def test_walk_from_now_takes_one_step_however_many_names_there_are():
    tree = Tree(*[f"t.{number}" for number in range(10_000)])
    for pattern in ("#", "t.*", "*.77", "#.77", "t.77"):
        assert tree.walk(pattern, tree.number) == ([], 1)
    tree.touch("t.5")
    assert tree.walk("#", tree.number - 1)[0] == ["t.5"]
    assert tree.walk("#", tree.number - 1)[1] <= 4


def test_walk_does_not_see_what_is_below_other_words():
    tree = Tree(*[f"user.{user}.s{number}" for user in range(500) for number in range(10)])
    found, steps = tree.walk("user.77.#")
    assert (len(found), steps) == (10, 13)
    found, steps = tree.walk("user.*.s1")
    assert (len(found), steps) == (500, 1002)


def test_walk_through_many_children_begins_without_looking_at_all():
    tree = Tree(*[f"t.{number}" for number in range(1000)])
    walk = tree.index.walk("/topic/#", 0)
    for _ in range(10):
        next(walk)
    for number in range(1000):
        tree.touch(f"t.{number}")  # all change their places while the walk stands
    assert len([store for store in walk if store is not None]) == 1000 - 8


def test_losses_are_found_without_those_that_have_lost_nothing():
    tree = Tree(*[f"t.{number}" for number in range(1000)])
    assert tree.walk("#", 0, losses=True)[1] == 1
    tree.index.lose(tree.places["t.3"], 4)
    assert tree.found("t.*", 3, losses=True) == ["t.3"]
    assert tree.walk("#", 4, losses=True)[1] == 1
    tree.index.lose(tree.places["t.3"], 2)
    assert tree.found("t.*", 3, losses=True) == ["t.3"]


def test_nothing_stays_of_names_that_are_gone():
    tree = Tree()

    def nodes():
        gc.collect()
        return sum(type(each).__name__ == "Node" for each in gc.get_objects())

    before = nodes()
    for number in range(500):
        tree.touch(f"a.{number}.b." + "x." * 20 + "y")
    for number in range(500):
        tree.remove(f"a.{number}.b." + "x." * 20 + "y")
    assert nodes() == before


def test_deep_name_takes_few_nodes():
    tree = Tree("a." * 31 + "z", "a." * 31 + "y")
    assert tree.found("#.z") == ["a." * 31 + "z"]
    assert tree.found("a." * 31 + "*") == sorted(["a." * 31 + "z", "a." * 31 + "y"])
    depth, node = 0, tree.places["a." * 31 + "z"]
    while node is not None:
        node, depth = node.parent, depth + 1
    assert depth == 10
