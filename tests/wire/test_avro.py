"""Avro's frames against the vectors, and against anything at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.wire import avro

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "avro.json").read_text("utf-8"))["frames"]

each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def decoder_of(case):
    return avro.Decoder(case.get("limit", 1 << 20))


def check(case, decoder, messages):
    assert messages == [bytes.fromhex(each) for each in case["messages"]]
    assert (decoder.error and decoder.error.code.name) == case.get("error")
    if decoder.error is None:
        assert decoder.idle == case.get("idle", True)


@each_case
def test_whole(case):
    decoder = decoder_of(case)
    check(case, decoder, decoder.feed(bytes.fromhex(case["bytes"])))


@each_case
def test_split_at_every_octet(case):
    data = bytes.fromhex(case["bytes"])
    for cut in range(len(data) + 1):
        decoder = decoder_of(case)
        check(case, decoder, decoder.feed(data[:cut]) + decoder.feed(data[cut:]))


@pytest.mark.parametrize("case", [case for case in CASES if case.get("encodes")], ids=lambda case: case["name"])
def test_encodes(case):
    assert b"".join(avro.encode(bytes.fromhex(each)) for each in case["messages"]) == bytes.fromhex(case["bytes"])


def test_nothing_is_read_after_an_error():
    decoder = avro.Decoder(10)
    assert decoder.feed(b"\xff\xff\xff\xff") == []
    assert decoder.feed(avro.encode(b"good")) == []
    assert decoder.error.code.name == "frame-too-large"


@given(st.lists(st.binary(max_size=50), max_size=10), st.integers(1, 20))
def test_what_is_encoded_is_decoded_however_it_is_cut(messages, size):
    data = b"".join(map(avro.encode, messages))
    decoder = avro.Decoder()
    found = [each for at in range(0, len(data), size) for each in decoder.feed(data[at : at + size])]
    assert (found, decoder.error, decoder.idle) == (messages, None, True)


@given(st.binary(max_size=200))
def test_anything_is_messages_or_an_error(data):
    decoder = avro.Decoder(100)
    messages = decoder.feed(data)
    assert all(len(each) <= 100 for each in messages)
    assert sum(map(len, messages)) <= len(data)
