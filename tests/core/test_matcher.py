"""The matcher against a plain regular expression, and that it leaves nothing behind."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.matcher import Matcher

words = st.sampled_from(["a", "b", "c"])
names = st.lists(words, min_size=1, max_size=5).map(lambda parts: "/topic/" + ".".join(parts))
patterns = st.lists(st.one_of(words, st.sampled_from("*#")), min_size=1, max_size=5).map(
    lambda parts: "/topic/" + ".".join(parts)
)


def matches(pattern, name):
    """The meaning of a pattern, written the slow way."""
    regex = "/topic/"
    for word in pattern.removeprefix("/topic/").split("."):
        regex += {"*": r"[^.]+\.", "#": r"([^.]+\.)*"}.get(word, re.escape(word) + r"\.")
    return re.fullmatch(regex, name + ".") is not None


@given(st.lists(patterns, max_size=12), names)
def test_finds_what_the_slow_way_finds(added, name):
    matcher = Matcher()
    for place, pattern in enumerate(added):
        matcher.add(pattern, place)
    assert sorted(matcher.match(name)) == [place for place, pattern in enumerate(added) if matches(pattern, name)]


@given(st.lists(st.tuples(patterns, st.integers(0, 3)), max_size=12), names)
def test_removing_leaves_nothing(pairs, name):
    matcher = Matcher()
    for pattern, value in pairs:
        matcher.add(pattern, value)
    for pattern, value in dict.fromkeys(pairs):
        matcher.remove(pattern, value)
    assert matcher.match(name) == []
    assert (matcher._names, matcher._root.children, matcher._patterns) == ({}, {}, 0)


def test_removing_what_is_not_there():
    with pytest.raises(KeyError):
        Matcher().remove("/topic/a", 1)


def test_kinds_do_not_mix():
    matcher = Matcher()
    matcher.add("/topic/#", 1)
    assert matcher.match("/queue/a") == []


def test_many_hashes_do_not_explode():
    matcher = Matcher()
    matcher.add("/topic/" + ".".join(["#"] * 30), 1)
    assert matcher.match("/topic/" + ".".join(["a"] * 30)) == [1]
