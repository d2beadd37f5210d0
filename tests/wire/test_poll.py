"""Packets of long-polling: what is written is what a reader of lines and lengths finds."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.wire import poll
from tests.gateway.poll_peer import read_packets

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "poll.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", [case for case in CASES if case.get("writes")], ids=lambda case: case["name"])
def test_the_vectors_are_what_is_written(case):
    written = b"".join(
        poll.end(found["number"], found["end"]) if "end" in found
        else poll.packet(found["number"], found["data"].encode("latin-1"))
        for found in case["packets"]
    )  # fmt: skip
    assert written == case["bytes"].encode("latin-1")


def test_a_packet_is_its_number_its_length_and_its_octets():
    assert poll.packet(7, b"MESSAGE\n\n\0") == b"7 10\nMESSAGE\n\n\0"
    assert poll.packet(1, b"") == b"1 0\n"


def test_the_end_says_code_and_name():
    assert poll.end(4000, "slow-consumer") == b"end 4000 slow-consumer\n"


@given(st.lists(st.one_of(st.binary(max_size=40), st.none()), max_size=20), st.booleans())
def test_any_octets_may_be_in_a_packet(pieces, ended):
    octets, wanted = b"", []
    for seq, piece in enumerate(pieces, 1):
        if piece is None:
            octets += poll.SIGN_OF_LIFE
        else:
            octets += poll.packet(seq, piece)
            wanted.append((seq, piece))
    if ended:
        octets += poll.end(1000, "closed")
    assert read_packets(octets) == (wanted, (1000, "closed") if ended else None, b"")
