"""STOMP frames as SockJS messages: text as it is, all else in base64, both ways, whatever comes."""

import json
from base64 import b64encode
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.wire import sockjs, stomp


def elements(frames):
    """What a client finds in the array."""
    array = sockjs.array(frames)
    assert array.isascii() and array.startswith("a[")
    return json.loads(array[1:])


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_each_frame_is_a_message_of_its_own(bodies):
    frames = [stomp.encode("MESSAGE", {"destination": "/topic/a"}, body.encode(), "1.2") for body in bodies]
    assert elements(b"".join(sockjs.frame(frame, True) for frame in frames)) == [frame.decode() for frame in frames]


def test_a_body_that_is_no_text_goes_in_base64():
    data = b"MESSAGE\ndestination:/topic/a\ncontent-length:4\n\n\xff\0\n\x80\0"
    (message,) = elements(sockjs.frame(data, False))
    assert message == (
        "MESSAGE\ncontent-transfer-encoding:base64\ndestination:/topic/a\ncontent-length:8\n\n/wAKgA==\0"
    )


@given(st.binary())
def test_binary_bodies_come_through_in_both_directions(body):
    data = b"SEND\ndestination:/topic/a\ncontent-length:%d\n\n%b\0" % (len(body), body)
    (message,) = elements(sockjs.frame(data, False))
    assert sockjs.unframe(message) == (data, False)


@given(st.text())
def test_text_is_taken_as_it_is(text):
    assert sockjs.unframe(text) == (text.encode(), True)


def test_half_a_surrogate_pair_is_replaced():
    assert sockjs.unframe("a\ud83db") == ("a\ufffdb".encode(), True)


def test_lines_may_end_as_in_stomp_1_2_and_heart_beats_may_surround_the_frame():
    encoded = b64encode(b"\xff").decode()
    message = f"\nSEND\r\ncontent-transfer-encoding:base64\r\ndestination:/topic/a\r\n\r\n{encoded}\0\r\n"
    assert sockjs.unframe(message) == (b"SEND\ndestination:/topic/a\ncontent-length:1\n\n\xff\0", False)


def test_a_body_may_mention_the_header():
    text = "SEND\ndestination:/topic/a\n\n\ncontent-transfer-encoding:base64\n\0"
    assert sockjs.unframe(text) == (text.encode(), True)
    assert sockjs.unframe("content-transfer-encoding:base64") == (b"content-transfer-encoding:base64", True)


@pytest.mark.parametrize("body", ["%%%%\0", "QUI=", "QUI\0", "QUI=\0SEND\n\n\0", "QU\nI=\0"])
def test_what_only_claims_to_be_base64_is_refused(body):
    with pytest.raises(QmqError) as caught:
        sockjs.unframe(f"SEND\ncontent-transfer-encoding:base64\ndestination:/topic/a\n\n{body}")
    assert caught.value.code.name == "bad-frame"


@given(st.text(alphabet="SEND\n\r\0:=ab\ud800"), st.text(alphabet="\n\r\0=aQ"))
def test_nothing_but_bad_frames_comes_out_of_random_messages(before, after):
    try:
        sockjs.unframe(f"{before}\ncontent-transfer-encoding:base64\n{after}")
    except QmqError as error:
        assert error.code.name == "bad-frame"


def test_event_data_survives_percent_decoding():
    for said in ("%41 100% %", "a%20b", "%25", "", "\u2028 \0"):
        frame = sockjs.array(sockjs.frame(said.encode(), True))
        assert unquote(sockjs.escaped(frame)) == frame
