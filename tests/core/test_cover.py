"""Which patterns cover which."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.cover import EVERYTHING, allowing, check_allowing, shape_of
from qmq.core.matcher import Matcher
from qmq.errors import QmqError

COVERED = [
    ("/topic/a", "/topic/a"),
    ("/topic/*", "/topic/a"),
    ("/topic/*", "/topic/*"),
    ("/topic/#", "/topic/a.b.c"),
    ("/topic/#", "/topic/#"),
    ("/topic/a.#", "/topic/a"),
    ("/topic/a.#", "/topic/a.*.#"),
    ("/topic/#.*", "/topic/*.#"),
    ("/topic/#.#", "/topic/#"),
    ("/topic/#.b.#", "/topic/*.b"),
    ("/queue/jobs.#", "/queue/jobs.eu.1"),
    ("/exchange/logs", "/exchange/logs"),
    ("/exchange/logs", "/exchange/logs/a.b"),
    ("/exchange/logs", "/exchange/logs/#"),
    ("/exchange/logs/a.*", "/exchange/logs/a.*"),
    ("/exchange/*", "/exchange/logs/a"),
    ("/exchange/*.eu/a.#", "/exchange/logs.eu/a.b"),
    ("/manage/#", "/manage/stats"),
    (EVERYTHING, "/topic/#"),
    (EVERYTHING, "/queue/a"),
    (EVERYTHING, "/exchange/a/b"),
]

NOT_COVERED = [
    ("/topic/a", "/topic/b"),
    ("/topic/a", "/topic/*"),
    ("/topic/*", "/topic/#"),
    ("/topic/*", "/topic/a.b"),
    ("/topic/a.#", "/topic/#"),
    ("/topic/a.#", "/topic/*.a"),
    ("/topic/*.#", "/topic/#"),
    ("/topic/a.*.c", "/topic/a.#.c"),
    ("/topic/a", "/topic/a.b"),
    ("/topic/a.b", "/topic/a"),
    ("/topic/#", "/queue/a"),
    ("/queue/#", "/topic/a"),
    ("/queue/#", "/exchange/a"),
    ("/exchange/logs/a.#", "/exchange/logs"),
    ("/exchange/logs/a.#", "/exchange/logs/#"),
    ("/exchange/logs", "/exchange/log/a"),
    ("/exchange/logs/a", "/exchange/logs/b"),
    ("/topic/#", "x"),
    ("/topic/#", ""),
    ("/topic/#", EVERYTHING),
]


@pytest.mark.parametrize(("allowed", "asked"), COVERED)
def test_covered(allowed, asked):
    assert allowing(allowed).covers(shape_of(asked))


@pytest.mark.parametrize(("allowed", "asked"), NOT_COVERED)
def test_not_covered(allowed, asked):
    assert not allowing(allowed).covers(shape_of(asked))


WORDS = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=5).map(".".join)

# `z` stands for a word that no pattern names. No name needs more words than both patterns have, and one more.
NAMES = [".".join(name) for size in range(1, 6) for name in itertools.product("abz", repeat=size)]


def matched(pattern):
    matcher = Matcher()
    matcher.add(f"/topic/{pattern}", 1)
    return {name for name in NAMES if matcher.match(f"/topic/{name}")}


@given(WORDS, WORDS)
def test_a_pattern_covers_exactly_those_of_which_it_matches_every_name(allowed, asked):
    found = allowing(f"/topic/{allowed}").covers(shape_of(f"/topic/{asked}"))
    if found:
        assert matched(asked) <= matched(allowed)
    elif len(asked.split(".")) < 4:  # long enough names have been tried
        assert not matched(asked) <= matched(allowed)


@pytest.mark.parametrize("pattern", [EVERYTHING, *dict(COVERED), "/manage/*", "/temp-queue/#", "/topic/a/b"])
def test_patterns_of_rules(pattern):
    assert check_allowing(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("", "bad-destination"),
        ("topic/a", "bad-destination"),
        ("/nope/a", "bad-destination"),
        ("/topic/", "bad-pattern"),
        ("/topic/a..b", "bad-pattern"),
        ("/topic/a*", "bad-pattern"),
        ("/topic/a b", "bad-pattern"),
        ("/topic/a\nb", "bad-pattern"),
        ("/exchange/", "bad-pattern"),
        ("/queue/" + "x" * 300, "bad-pattern"),
    ],
)
def test_what_is_no_pattern_of_a_rule(pattern, code):
    with pytest.raises(QmqError) as error:
        check_allowing(pattern)
    assert error.value.code.name == code
