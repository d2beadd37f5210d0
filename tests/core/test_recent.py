"""Idempotency keys: remembered for a time, bounded in number."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.recent import Recent
from qmq.stats import Stats


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
    keys.recent.add("a")
    keys.now = 9.9
    assert "a" in keys.recent and "b" not in keys.recent
    keys.now = 10.0
    assert "a" not in keys.recent


def test_the_oldest_goes_when_there_are_too_many_and_is_counted():
    keys = Keys()
    for key in "abcd":
        keys.recent.add(key)
    assert [key in keys.recent for key in "abcd"] == [False, True, True, True]
    assert (keys.evicted, len(keys.recent)) == (1, 3)


def test_what_is_too_old_takes_no_room():
    keys = Keys(most=100)
    for key in "abcdef":
        keys.recent.add(key)
    keys.now = 20.0
    for key in "uvwxyz":
        keys.recent.add(key)
    assert (len(keys.recent), keys.evicted) == (6, 0)


def test_none_is_remembered_when_there_is_no_room():
    keys = Keys(most=0)
    keys.recent.add("a")
    assert ("a" in keys.recent, len(keys.recent), keys.evicted) == (False, 0, 0)


STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 4.0]), st.sampled_from("abcdefgh"), st.booleans()), max_size=60)


@given(STEPS, st.integers(1, 5))
def test_any_sequence_is_as_in_a_plain_model(steps, most):
    keys, model = Keys(most), {}
    for wait, key, add in steps:
        keys.now += wait
        assert (key in keys.recent) == (key in model and keys.now - model[key] < 10.0)
        if add:
            keys.recent.add(key)
            model.pop(key, None)
            model[key] = keys.now
            for old in list(model)[:2]:
                if keys.now - model[old] >= 10.0:
                    del model[old]
            while len(model) > most:
                del model[next(iter(model))]
        assert len(keys.recent) <= most
