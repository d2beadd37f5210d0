"""The properties of queues: how they are read, compared, shown and documented."""

import pytest

from qmq.core.options import FIELDS, Full, QueueOptions, as_dict, as_markdown, check_same, header_of, parse, show, truth
from qmq.errors import QmqError


@pytest.mark.parametrize(
    "name, value, parsed",
    [
        ("max_length", "5", 5),
        ("max_length", 5, 5),
        ("message_ttl", "0", 0),
        ("message_ttl", "9" * 15, 10**15 - 1),
        ("overflow", "drop-head", Full.DROP_HEAD),
        ("overflow", Full.REJECT_PUBLISH, Full.REJECT_PUBLISH),
        ("exclusive", "TRUE", True),
        ("exclusive", "0", False),
        ("exclusive", 1, True),
        ("auto_delete", False, False),
        ("dead_letter", "/queue/dead", "/queue/dead"),
        ("dead_letter", "", ""),
    ],
)
def test_values_from_text_and_from_their_own_types(name, value, parsed):
    found = parse(name, value)
    assert (found, type(found)) == (parsed, type(parsed))


@pytest.mark.parametrize(
    "name, value",
    [
        ("max_length", "0"),
        ("max_length", 0),
        ("max_length", "-1"),
        ("max_length", ""),
        ("max_length", "1.5"),
        ("max_length", 1.5),
        ("max_length", True),
        ("max_length", None),
        ("max_length", " 5"),
        ("max_length", "٣"),
        ("max_length", "1" * 16),
        ("max_length", 10**15),
        ("message_ttl", -1),
        ("overflow", "reject"),
        ("overflow", ""),
        ("overflow", None),
        ("overflow", ["drop-head"]),
        ("durable", "yes"),
        ("durable", 2),
        ("durable", None),
        ("dead_letter", 5),
        ("dead_letter", None),
    ],
)
def test_what_is_no_value(name, value):
    with pytest.raises(QmqError, match=header_of(name)) as error:
        parse(name, value)
    assert error.value.code.name == "bad-header"


def test_what_is_wrong_is_not_repeated_at_length():
    with pytest.raises(QmqError) as error:
        parse("overflow", "x" * 10_000)
    assert len(error.value.detail) < 150


def test_a_truth_names_what_it_is_of():
    assert truth("internal", "1") is True
    with pytest.raises(QmqError, match="internal must be true or false, not 'no'"):
        truth("internal", "no")


def test_priorities_are_at_most_255():
    assert QueueOptions(max_priority=255).max_priority == 255
    with pytest.raises(QmqError, match="max-priority is at most 255, not 256") as error:
        QueueOptions(max_priority=256)
    assert error.value.code.name == "bad-header"


def test_the_same_is_no_conflict():
    check_same(QueueOptions(max_length=5), {"max_length": 5, "exclusive": False}, "/queue/a")
    check_same(QueueOptions(max_length=5), {}, "/queue/a")


@pytest.mark.parametrize(
    "wanted, detail",
    [
        ({"max_length": 6}, "max-length of /queue/a is 5, 6 was asked for"),
        ({"exclusive": True}, "exclusive of /queue/a is false, true was asked for"),
        ({"dead_letter": "/queue/b"}, "dead-letter of /queue/a is '', /queue/b was asked for"),
        ({"overflow": Full.DROP_HEAD}, "overflow of /queue/a is reject-publish, drop-head was asked for"),
    ],
)
def test_a_conflict_names_both_values(wanted, detail):
    with pytest.raises(QmqError) as error:
        check_same(QueueOptions(max_length=5), wanted, "/queue/a")
    assert (error.value.code.name, error.value.detail) == ("conflict", detail)


def test_long_values_are_cut():
    assert show("x" * 1000) == "x" * 100


def test_all_properties_by_their_headers():
    assert as_dict(QueueOptions(max_length=7)) == {
        header_of(name): 7 if name == "max_length" else field.default for name, field in FIELDS.items()
    }


def test_the_table_has_a_line_for_each():
    lines = as_markdown().splitlines()
    assert len(lines) == 2 + len(FIELDS)
    assert "| `dead-letter` | `dead_letter` | none | the destination" in as_markdown()
    assert "| `overflow` | `overflow` | `reject-publish` |" in as_markdown()
    assert "| `exclusive` | `exclusive` | `false` |" in as_markdown()
