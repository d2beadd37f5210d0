"""The matcher against the meaning of a pattern written the slow way, and that it leaves nothing behind."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.matcher import Matcher, normal_form, words_of_destination, words_of_key

words = st.sampled_from(["a", "b", "c"])
names = st.lists(words, min_size=1, max_size=5).map(lambda parts: "/topic/" + ".".join(parts))
patterns = st.lists(st.one_of(words, st.sampled_from("*#")), min_size=1, max_size=5).map(
    lambda parts: "/topic/" + ".".join(parts)
)

# Routing keys are not checked: anything may stand between dots, on both sides.
keys = st.lists(st.sampled_from(["a", "b", "", "a*", "#b", "*", "#"]), max_size=6).map(".".join)


def matches(pattern, name, split):
    """The meaning of a pattern: how many of its words, taken one by one, the name's first words may use up."""

    def reach(wanted, given):
        if not wanted:
            return not given
        if wanted[0] == "#":
            return any(reach(wanted[1:], given[skipped:]) for skipped in range(len(given) + 1))
        return bool(given) and wanted[0] in ("*", given[0]) and reach(wanted[1:], given[1:])

    return reach(split(pattern), split(name))


def found(added, name, split):
    matcher = Matcher(split)
    for place, pattern in enumerate(added):
        assert matcher.add(pattern, place)
    return sorted(matcher.match(name))


@given(st.lists(patterns, max_size=12), names)
def test_finds_what_the_slow_way_finds(added, name):
    expected = [place for place, pattern in enumerate(added) if matches(pattern, name, words_of_destination)]
    assert found(added, name, words_of_destination) == expected


@given(st.lists(keys, max_size=12), keys)
def test_finds_keys_like_the_slow_way(added, key):
    expected = [place for place, pattern in enumerate(added) if matches(pattern, key, words_of_key)]
    assert found(added, key, words_of_key) == expected


@pytest.mark.parametrize(
    "pattern, key, expected",
    [
        ("", "", True),
        ("#", "", True),
        ("*", "", False),
        ("*", "a", True),
        ("*.*", ".", True),
        ("a.*", "a.", True),
        ("a.*", "a", False),
        ("a.#", "a", True),
        ("a.#.b", "a..b", True),
        ("#.", "a.", True),
        ("#.", "a", False),
        ("a*", "ab", False),
        ("a*", "a*", True),
        ("a*.*", "a*.b", True),
        ("a*.*", "ab.b", False),
        ("a", "*", False),
        ("*", "#", True),
        ("#.a.#", "a", True),
        ("#.*.#", "", False),
        ("/topic/a", "/topic/a", True),
    ],
)
def test_keys(pattern, key, expected):
    assert found([pattern], key, words_of_key) == [0] * expected
    assert matches(pattern, key, words_of_key) is expected


@pytest.mark.parametrize(
    "strategy, split", [(patterns, words_of_destination), (keys, words_of_key)], ids=["destinations", "keys"]
)
def test_removing_leaves_nothing(strategy, split):
    @given(st.lists(st.tuples(strategy, st.integers(0, 3)), max_size=12), st.randoms(use_true_random=False))
    def leaves_nothing(pairs, chance):
        matcher = Matcher(split)
        known = set()
        for pair in pairs:
            assert matcher.add(*pair) is (pair not in known)
            known.add(pair)
        for pair in chance.sample(sorted(known), len(known)):
            matcher.remove(*pair)
            known.remove(pair)
            for name in ("/topic/a.b", "/topic/a"):
                expected = {value for pattern, value in known if matches(pattern, name, split)}
                assert set(matcher.match(name)) == expected
        assert (matcher._names, bool(matcher._root), matcher._patterns) == ({}, False, 0)

    leaves_nothing()


@pytest.mark.parametrize("pattern", ["/topic/a", "/topic/*", "/topic/a.*.b", "/topic/#"])
def test_removing_what_is_not_there(pattern):
    matcher = Matcher()
    with pytest.raises(KeyError):
        matcher.remove(pattern, 1)
    matcher.add(pattern, 2)
    with pytest.raises(KeyError):
        matcher.remove(pattern, 1)
    assert matcher.match("/topic/a") == ([] if "b" in pattern else [2])


def test_each_value_once():
    matcher = Matcher()
    for pattern in ("/topic/a", "/topic/*", "/topic/#", "/topic/#.#"):
        assert matcher.add(pattern, "x")
        assert not matcher.add(pattern, "x")
    assert matcher.match("/topic/a") == ["x"]


def test_kinds_do_not_mix():
    matcher = Matcher()
    matcher.add("/topic/#", 1)
    assert matcher.match("/queue/a") == []


def test_names_only_need_no_words():
    def never(text):
        raise AssertionError(text)

    matcher = Matcher(never)
    matcher.add("a", 1)
    assert (matcher.match("a"), matcher.match("b")) == ([1], [])


def test_many_hashes_do_not_explode():
    matcher = Matcher()
    matcher.add("/topic/" + ".".join(["#"] * 30), 1)
    assert matcher.match("/topic/" + ".".join(["a"] * 30)) == [1]


def test_many_hashes_between_words_do_not_explode():
    matcher = Matcher(words_of_key)
    matcher.add(".".join(["#", "*"] * 60) + ".b", 1)
    matcher.add(".".join(["#", "a"] * 60), 2)
    assert matcher.match(".".join(["a"] * 127)) == [2]


def test_wildcards_in_a_key_do_not_explode():
    matcher = Matcher(words_of_key)
    for word in "*#":
        matcher.add(".".join([word] * 100), word)
    assert matcher.match(".".join("*" * 100)) == matcher.match(".".join("#" * 100)) == ["*", "#"]


WILD = st.lists(st.sampled_from(["*", "#", "a", "b"]), min_size=1, max_size=7)


@given(WILD, st.lists(st.sampled_from("ab"), max_size=7))
def test_normal_form_matches_the_same(words, name):
    """Against a matcher of one pattern by regular expression."""
    parts = {"*": "<[^<>]*>", "#": "(?:<[^<>]*>)*"}
    expression = "".join(parts.get(word, f"<{word}>") for word in words)
    normal = "".join(parts.get(word, f"<{word}>") for word in normal_form(words))
    text = "".join(f"<{word}>" for word in name)
    assert bool(re.fullmatch(expression, text)) == bool(re.fullmatch(normal, text))


def test_normal_form():
    assert normal_form(["#", "*", "#", "a", "#", "#", "b", "*", "#", "*"]) == ["*", "#", "a", "#", "b", "*", "*", "#"]
    assert normal_form([]) == []


def test_many_ways_to_say_the_same_cost_what_one_does():
    matcher = Matcher()
    for number in range(1000):
        words = ["#" if number >> bit & 1 else "*" for bit in range(10)] * 3
        matcher.add("/topic/" + ".".join(words), number)
    live = matcher._walk(words_of_destination("/topic/" + ".".join(["a"] * 31)))
    assert len(live) < 100
    for number in range(1000):
        words = ["#" if number >> bit & 1 else "*" for bit in range(10)] * 3
        matcher.remove("/topic/" + ".".join(words), number)
    assert not matcher._root


def test_pattern_and_its_normal_form_are_two_pairs():
    matcher = Matcher()
    assert matcher.add("/topic/#.*", 1) and matcher.add("/topic/*.#", 2)
    assert sorted(matcher.match("/topic/a")) == [1, 2]
    matcher.remove("/topic/#.*", 1)
    assert matcher.match("/topic/a") == [2]


def test_value_of_two_patterns_that_say_the_same_stays_until_both_are_gone():
    matcher = Matcher()
    assert matcher.add("/topic/#.*", 1) and matcher.add("/topic/*.#", 1) and not matcher.add("/topic/*.#", 1)
    matcher.remove("/topic/#.*", 1)
    assert matcher.match("/topic/a") == [1]
    with pytest.raises(KeyError):
        matcher.remove("/topic/#.*", 1)
    matcher.remove("/topic/*.#", 1)
    assert matcher.match("/topic/a") == []
    assert not matcher._root
