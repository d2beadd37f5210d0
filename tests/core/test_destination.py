"""Which names are well formed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.destination import check_name, check_pattern, is_pattern
from qmq.errors import QmqError


@pytest.mark.parametrize(
    "name", ["/topic/a", "/topic/a.b.c", "/topic/été", "/topic/a/b", "/topic/x-1_2", "/topic/" + "x" * 248]
)
def test_good_names(name):
    assert check_name(name) == name
    assert not is_pattern(name)


@pytest.mark.parametrize("pattern", ["/topic/*", "/topic/#", "/topic/a.*.b", "/topic/a.#", "/topic/#.a.*"])
def test_good_patterns(pattern):
    assert check_pattern(pattern) == pattern
    assert is_pattern(pattern)
    with pytest.raises(QmqError, match="bad-pattern"):
        check_name(pattern)


BAD = {
    "": "bad-destination",
    "a": "bad-destination",
    "/": "bad-destination",
    "/nope/a": "bad-destination",
    "/topic": "bad-destination",
    "/topic/": "bad-pattern",
    "/topic/a..b": "bad-pattern",
    "/topic/.a": "bad-pattern",
    "/topic/a.": "bad-pattern",
    "/topic/a b": "bad-pattern",
    "/topic/a\nb": "bad-pattern",
    "/topic/a\0b": "bad-pattern",
    "/topic/a*": "bad-pattern",
    "/topic/a.#b": "bad-pattern",
    "/topic/**": "bad-pattern",
    "/topic/" + "x" * 249: "bad-pattern",
    "/topic/" + ".".join("x" * 33): "bad-pattern",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name):
    with pytest.raises(QmqError) as error:
        check_pattern(name)
    assert error.value.code.name == BAD[name]


@given(st.text())
def test_any_text_is_a_name_or_an_error(text):
    try:
        assert check_pattern("/topic/" + text) == "/topic/" + text
    except QmqError as error:
        assert error.code.name == "bad-pattern"
