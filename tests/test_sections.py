"""What all options have in common, by the fields that they are."""

import dataclasses

import pytest

from qmq.config import Config
from qmq.sections import Limits, Tls, Tokens, setting


@pytest.mark.parametrize("section", [Config, Limits, Tls, Tokens])
def test_every_field_says_what_it_means(section):
    for field in dataclasses.fields(section):
        if field.name not in ("limits", "tls", "tokens", "source"):  # sections, and the text of the file
            assert set(field.metadata) == {"help", "least", "secret"}


def test_what_is_secret_is_not_shown():
    @dataclasses.dataclass(frozen=True)
    class Some:
        word: str = setting("", "a word", secret=True)
        number: int = setting(1, "a number", 1)

    assert "hush" not in repr(Some("hush"))
    assert "number=1" in repr(Some("hush"))
    assert "hush" not in repr(Config(users=({"name": "a", "password": "hush"},)))


def test_octets_of_a_whole_frame():
    assert Limits().frame_bytes == 8192 + 3 + (1 << 20) + 1
