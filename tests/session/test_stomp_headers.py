"""What headers ask for: each value that is right, and each that is refused."""

import dataclasses

import pytest

from qmq.core.options import FIELDS, Full, QueueOptions, header_of
from qmq.core.subscription import Bounds, Overflow
from qmq.errors import QmqError
from qmq.session import stomp_headers
from qmq.session.stomp_headers import Limits

LIMITS = Limits(
    max_body=100, default_messages=10, default_bytes=1000, max_messages=50, max_bytes=5000, default_prefetch=7,
    max_prefetch=20,
)  # fmt: skip
NO_NUMBERS = ["", " ", "x", "-1", "+1", "1.0", "1e3", "0x1", "²", "٣", "１", "1 ", "1" * 16, "9" * 5000, "None"]


def refused(code, function, *arguments, **more):
    """What is said about it, once it is certain that it is refused with this code and in one short line."""
    with pytest.raises(QmqError) as error:
        function(*arguments, **more)
    assert error.value.code.name == code
    assert "\n" not in error.value.detail
    assert len(error.value.detail) < 300
    return error.value.detail


@pytest.mark.parametrize("value", [*NO_NUMBERS, "0"])
def test_numbers(value):
    assert "n must be a whole number of at least 1" in refused("bad-header", stomp_headers.number, {"n": value}, "n", 5)


def test_numbers_that_are_right():
    assert stomp_headers.number({}, "n", 5) == 5
    assert stomp_headers.number({"n": "007"}, "n", 5) == 7
    assert stomp_headers.number({"n": "0"}, "n", 5, 0) == 0
    assert stomp_headers.number({"n": "9" * 15}, "n", 5) == 10**15 - 1


def test_truth():
    assert [stomp_headers.truth({"t": value}, "t", True) for value in ("true", "false")] == [True, False]
    assert stomp_headers.truth({}, "t", True) is True
    assert [stomp_headers.truth({"t": value}, "t", True) for value in ("TRUE", "True", "False", " false")] == [
        True, True, False, False
    ]  # fmt: skip
    for value in ("", "1", "yes", "x" * 1000):
        refused("bad-header", stomp_headers.truth, {"t": value}, "t", True)


def test_ack_modes():
    assert stomp_headers.ack_mode({}) == "auto"
    for mode in ("auto", "client", "client-individual"):
        assert stomp_headers.ack_mode({"ack": mode}) == mode
    for mode in ("", "Client", "client-individually", "x" * 1000):
        refused("bad-header", stomp_headers.ack_mode, {"ack": mode})


@pytest.mark.parametrize("value, found", [(None, 0), ("0", 0), ("4", 4), ("255", 255), ("256", 255), ("9" * 15, 255)])
def test_priority(value, found):
    assert stomp_headers.priority({"priority": value} if value else {}) == found


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_priorities_that_are_none(value):
    refused("bad-header", stomp_headers.priority, {"priority": value})


@pytest.mark.parametrize("value, found", [(None, 7), ("0", 20), ("1", 1), ("20", 20), ("21", 20)])
def test_prefetch(value, found):
    assert stomp_headers.prefetch({"prefetch-count": value} if value else {}, LIMITS) == found


def test_bounds_of_topics():
    assert stomp_headers.bounds({}, LIMITS) == Bounds(10, 1000, Overflow.DISCONNECT, "")
    headers = {"max-messages": "99", "max-bytes": "1", "overflow": "conflate", "conflate-key": "k"}
    assert stomp_headers.bounds(headers, LIMITS) == Bounds(50, 1, Overflow.CONFLATE, "k")
    refused("bad-header", stomp_headers.bounds, {"overflow": "drop-head"}, LIMITS)


def test_a_queue_of_ones_own_never_refuses():
    assert stomp_headers.private({}, {}, LIMITS) == {
        "max_length": 50, "max_length_bytes": 5000, "overflow": Full.DROP_HEAD, "exclusive": True, "auto_delete": True
    }  # fmt: skip
    small = {"max-messages": "2", "max-bytes": "1"}
    found = stomp_headers.private(small, {"auto_delete": False}, LIMITS)
    assert (found["max_length"], found["max_length_bytes"], found["auto_delete"]) == (2, LIMITS.max_body, True)
    assert stomp_headers.private(small, {"max_length": 9}, LIMITS)["max_length"] == 9
    assert stomp_headers.own({}, LIMITS) == {"overflow": Full.DROP_HEAD, "exclusive": True}
    assert stomp_headers.own({"exclusive": True, "overflow": Full.DROP_HEAD, "expires": 3}, LIMITS)["expires"] == 3
    told = refused("conflict", stomp_headers.own, {"exclusive": False}, LIMITS)
    assert told == "exclusive of your queue is true, false was asked for"
    refused("conflict", stomp_headers.private, {}, {"overflow": Full.REJECT_PUBLISH}, LIMITS)


# A value of each kind, as text and as it is meant.
VALUES = {int: ("17", 17), bool: ("true", True), str: ("/queue/b", "/queue/b"), Full: ("drop-head", Full.DROP_HEAD)}


@pytest.mark.parametrize("name", FIELDS)
def test_every_property_has_its_headers(name):
    text, value = VALUES[type(FIELDS[name].default)]
    header = header_of(name)
    plain, prefixed = {header: text, "receipt": "r"}, {f"x-{header}": text}
    assert stomp_headers.properties(plain) == stomp_headers.properties(prefixed) == {name: value}
    assert stomp_headers.properties(prefixed, of_send=True) == {name: value}
    assert stomp_headers.properties(plain, of_send=True) == {}
    assert header in stomp_headers.OWN_OF_QUEUES
    present = dataclasses.replace(QueueOptions(), **{name: value})
    assert stomp_headers.granted({name: value}, present) == {header: text}


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if type(field.default) is int])
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_numbers_of_properties(name, value):
    told = refused("bad-header", stomp_headers.properties, {header_of(name): value})
    assert told.startswith(f"{header_of(name)} must be a whole number of at least")


def test_other_values_of_properties():
    for value in ("", "perhaps", "2"):
        refused("bad-header", stomp_headers.properties, {"exclusive": value})
    for value in ("", "DROP-HEAD", "disconnect"):
        refused("bad-header", stomp_headers.properties, {"x-overflow": value}, of_send=True)


@pytest.mark.parametrize(
    "exchange, key, target",
    [("e", "k", "/exchange/e/k"), ("e", "", "/exchange/e"), ("", "jobs.failed", "/queue/jobs.failed")],
)
@pytest.mark.parametrize("of_send", [False, True])
def test_the_names_that_rabbitmq_has(exchange, key, target, of_send):
    headers = {"x-dead-letter-exchange": exchange, **({"x-dead-letter-routing-key": key} if key else {})}
    assert stomp_headers.properties(headers, of_send=of_send) == {"dead_letter": target}
    assert stomp_headers.properties({"x-consumer-timeout": "5"}, of_send=of_send) == {"ack_timeout": 5}


def test_no_properties():
    headers = {"id": "1", "destination": "/queue/a", "ack": "client", "receipt": "r", "x-other": "1"}
    assert stomp_headers.properties(headers) == {}
    assert stomp_headers.OWN_OF_QUEUES.isdisjoint(headers)


def test_what_a_headers_exchange_is_to_look_at():
    headers = {
        "id": "1", "destination": "/exchange/amq.headers", "ack": "client", "receipt": "r", "content-length": "0",
        "prefetch-count": "1", "x-queue-name": "q", "max-length": "1", "x-expires": "1", "cursor": "c",
        "from": "latest", "colour": "red", "x-match": "any", "content-type": "text/plain",
    }  # fmt: skip
    assert stomp_headers.binding_arguments(headers) == {"colour": "red", "x-match": "any", "content-type": "text/plain"}


@pytest.mark.parametrize("header", ["10000, 20000", " 10000,20000", "10000 ,20000 "])
def test_heart_beats_with_blanks(header):
    assert stomp_headers.heartbeat(header, 100) == (20000, 10000)


@pytest.mark.parametrize("header", ["", ",", "1", "1,2,3", "²,1", "1 2,3", "-1,0", "9999999999999999,0"])
def test_heart_beats_that_are_none(header):
    refused("bad-header", stomp_headers.heartbeat, header, 100)
