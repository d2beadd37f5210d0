"""Some hundred inputs for each decoder in every run; `make fuzz` tries a million."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import HERE, MAX_SIZE, mutate, targets

TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_is_like_them(name):
    target = TARGETS[name]
    for number in range(len(target.seeds) + 400):
        target.check(target.input(number))


@pytest.mark.parametrize("name", TARGETS)
def test_anything(name):
    target = TARGETS[name]

    @given(st.binary(max_size=200) | st.lists(st.sampled_from([*target.seeds, *target.tokens])).map(b"".join))
    @settings(max_examples=150)
    def check(data):
        target.check(data[:MAX_SIZE])

    check()


def test_an_input_is_the_same_each_time_and_most_are_different():
    target = next(iter(TARGETS.values()))
    numbers = range(1000, 1200)
    inputs = [target.input(number) for number in numbers]
    assert inputs == [target.input(number) for number in numbers]
    assert len(set(inputs)) > 150
    assert all(len(each) <= MAX_SIZE for each in inputs)


def test_a_finding_is_found(monkeypatch):
    """The mutations reach what is not in the seeds."""
    target = TARGETS["proxy"]

    def check(data):
        assert b"\x22" not in data[12:13]

    monkeypatch.setattr(target.module, "check", check)
    with pytest.raises(AssertionError):
        for number in range(20_000):
            target.check(target.input(number))


def test_every_target_says_what_must_hold():
    for name, target in TARGETS.items():
        assert target.module.__doc__.startswith("Must hold: "), name
        assert len(target.seeds) > 3
    assert len(list(HERE.glob("fuzz_*.py"))) == len(TARGETS)


def test_mutations_never_fail_on_nothing():
    import random

    for number in range(2000):
        mutate(random.Random(number), [b""])
