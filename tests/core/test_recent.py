"""Idempotency keys: remembered for a time, bounded in number."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.recent import Recent
from qmq.stats import Stats


def key(name, owner="o", destination="/topic/a"):
    return owner, destination, name


class Keys:
    """Recent keys with a clock to set."""

    def __init__(self, most=3, seconds=10.0):
        self.now = 0.0
        self.stats = Stats()
        self.recent = Recent(lambda: self.now, most, seconds, self.stats)

    @property
    def evicted(self):
        return self.stats["idempotency_keys_evicted"]


def test_a_key_is_remembered_for_its_time():
    keys = Keys()
    keys.recent.add(key("a"))
    keys.now = 9.9
    assert key("a") in keys.recent and key("b") not in keys.recent
    keys.now = 10.0
    assert key("a") not in keys.recent


def test_the_oldest_goes_when_there_are_too_many_and_is_counted():
    keys = Keys()
    for name in "abcd":
        keys.recent.add(key(name))
    assert [key(name) in keys.recent for name in "abcd"] == [False, True, True, True]
    assert (keys.evicted, len(keys.recent)) == (1, 3)


def test_what_is_too_old_takes_no_room():
    keys = Keys(most=100)
    for name in "abcdef":
        keys.recent.add(key(name))
    keys.now = 20.0
    for name in "uvwxyz":
        keys.recent.add(key(name))
    assert (len(keys.recent), keys.evicted) == (6, 0)


def test_none_is_remembered_when_there_is_no_room():
    keys = Keys(most=0)
    keys.recent.add(key("a"))
    assert (key("a") in keys.recent, len(keys.recent), keys.evicted) == (False, 0, 0)


STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 4.0]), st.sampled_from("abcdefgh"), st.booleans()), max_size=60)


@given(STEPS, st.integers(1, 5))
def test_any_sequence_is_as_in_a_plain_model(steps, most):
    keys, model = Keys(most), {}
    for wait, name, add in steps:
        keys.now += wait
        assert (key(name) in keys.recent) == (name in model and keys.now - model[name] < 10.0)
        if add:
            keys.recent.add(key(name))
            model.pop(name, None)
            model[name] = keys.now
            for old in list(model)[:2]:
                if keys.now - model[old] >= 10.0:
                    del model[old]
            while len(model) > most:
                del model[next(iter(model))]
        assert len(keys.recent) <= most


def test_key_says_nothing_of_other_publishers_and_destinations():
    keys = Keys()
    keys.recent.add(key("a"))
    assert key("a") in keys.recent
    assert key("a", owner="other") not in keys.recent
    assert key("a", destination="/topic/b") not in keys.recent


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=300), st.integers(6, 20))
def test_no_publisher_loses_a_key_because_another_has_many(steps, most):
    """Whoever has less than its share keeps all of it, whatever the others do."""
    keys, added = Keys(most), {}
    for owner, name in steps:
        own = added.setdefault(owner, {})
        own.pop(name, None)
        own[name] = None
        keys.recent.add(key(str(name), owner=str(owner)))
        assert len(keys.recent) <= most
        for other, names in added.items():
            if len(names) <= most // 6:
                assert all(key(str(name), owner=str(other)) in keys.recent for name in names)
    assert len(keys.recent) == sum(map(len, keys.recent._owners.values()))


def test_keys_of_a_publisher_that_has_gone_are_forgotten():
    keys = Keys(most=100)
    for owner in "abcdef":
        keys.recent.add(key("x", owner=owner))
    keys.now = 20.0
    for name in range(8):
        keys.recent.add(key(str(name)))
    assert len(keys.recent) == 8
    assert list(keys.recent._owners) == ["o"]
