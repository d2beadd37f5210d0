"""The STOMP codec against the shared vectors, and against anything at all."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qmq.errors import CODES, QmqError
from qmq.wire import stomp

CASES = json.loads((Path(__file__).parents[1] / "vectors" / "stomp.json").read_text("utf-8"))["cases"]


def octets(text):
    return text.encode("latin-1")


def decoder_of(case):
    return stomp.Decoder(case["version"], **case.get("limits", {}))


def expected(case):
    return [(f["command"], [tuple(pair) for pair in f["headers"]], octets(f["body"])) for f in case["frames"]]


def plain(frames):
    return [(head.command, list(head.headers.items()), body) for head, body in frames]


def code_of(decoder):
    return decoder.error and decoder.error.code.name


each_case = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


@each_case
def test_whole(case):
    decoder = decoder_of(case)
    assert plain(decoder.feed(octets(case["bytes"]))) == expected(case)
    assert code_of(decoder) == case["error"]


@each_case
def test_split_at_every_byte(case):
    data = octets(case["bytes"])
    for cut in range(len(data) + 1):
        decoder = decoder_of(case)
        frames = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
        assert plain(frames) == expected(case), cut
        assert code_of(decoder) == case["error"], cut


@each_case
def test_byte_by_byte(case):
    decoder = decoder_of(case)
    frames = [frame for byte in octets(case["bytes"]) for frame in decoder.feed(bytes((byte,)))]
    assert plain(frames) == expected(case)
    assert code_of(decoder) == case["error"]


@pytest.mark.parametrize("case", [c for c in CASES if c["error"] is None], ids=lambda case: case["name"])
def test_with_a_tail_that_is_kept(case):
    decoder = decoder_of(case)
    assert plain(decoder.feed(octets(case["bytes"]) + b"\nBEG")) == expected(case)
    assert not decoder.idle
    [(head, _)] = decoder.feed(b"IN\ntransaction:x\n\n\0")
    assert (head.command, head.headers) == ("BEGIN", {"transaction": "x"})
    assert decoder.idle


@pytest.mark.parametrize("case", [c for c in CASES if c.get("encodes")], ids=lambda case: case["name"])
def test_encodes(case):
    frames = [
        stomp.encode(frame["command"], dict(map(tuple, frame["headers"])), octets(frame["body"]), case["version"])
        for frame in case["frames"]
    ]
    assert b"".join(frames) == octets(case["bytes"])


def test_every_error_code_of_the_vectors_is_in_the_table():
    assert {case["error"] for case in CASES if case["error"]} <= set(CODES)


def test_a_head_that_comes_again_is_the_same_object():
    decoder = stomp.Decoder()
    frame = b"SEND\ndestination:/topic/a\n\nx\0"
    (first, _), (second, body) = decoder.feed(frame + b"\n" + frame.replace(b"x\0", b"y\0"))
    ((third, _),) = decoder.feed(frame)
    assert first is second is third
    assert body == b"y"


def test_a_head_with_a_receipt_is_not_kept():
    decoder = stomp.Decoder()
    frame = b"SEND\ndestination:/topic/a\nreceipt:1\n\nx\0"
    (first, _), (second, _) = decoder.feed(frame * 2)
    assert first is not second


def test_the_head_cache_stays_small():
    decoder = stomp.Decoder()
    for number in range(1000):
        assert len(decoder.feed(b"SEND\ndestination:/topic/%d\n\nx\0" % number)) == 1
    assert len(decoder._heads) <= 32


def test_an_old_clients_disconnect_without_its_blank_line():
    [(head, body)] = stomp.Decoder().feed(b"DISCONNECT\n\0\n")
    assert (head.command, head.headers, body) == ("DISCONNECT", {}, b"")
    [(head, _)] = stomp.Decoder().feed(b"DISCONNECT\r\nreceipt:1\r\n\0")
    assert head.headers == {"receipt": "1"}


def test_a_large_body_in_small_pieces_is_looked_at_once():
    size = 1 << 18
    decoder = stomp.Decoder()
    assert decoder.feed(b"SEND\ndestination:/topic/a\ncontent-length:%d\n\n" % size) == []
    for _ in range(size // 64):
        assert decoder.feed(b"x" * 64) == []
    [(_, body)] = decoder.feed(b"\0")
    assert len(body) == size


def test_a_new_version_forgets_the_heads_of_the_old():
    decoder = stomp.Decoder("1.2")
    frame = b"SEND\nk:a\\nb\n\n\0"
    assert decoder.feed(frame)[0][0].headers == {"k": "a\nb"}
    decoder.version = "1.0"
    assert decoder.feed(frame)[0][0].headers == {"k": "a\\nb"}


@pytest.mark.parametrize("command, version", [("CONNECT", "1.2"), ("CONNECTED", "1.2"), ("SEND", "1.0")])
def test_a_header_that_would_forge_another_is_refused(command, version):
    with pytest.raises(QmqError, match="bad-header"):
        stomp.encode(command, {"login": "x\npasscode:y"}, version=version)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
values = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    st.sampled_from(["SEND", "MESSAGE", "ERROR", "SUBSCRIBE"]),
    st.dictionaries(names.filter(lambda name: name != "content-length" and "\0" not in name), values, max_size=8),
    st.binary(max_size=200),
    st.integers(0, 500),
)
def test_what_is_encoded_is_decoded(command, headers, body, cut):
    headers = {name: value.replace("\0", "") for name, value in headers.items()}
    data = stomp.encode(command, headers, body)
    decoder = stomp.Decoder()
    frames = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
    assert decoder.error is None
    [(head, got)] = frames
    length = {"content-length": str(len(body))} if body else {}
    assert (head.command, head.headers, got) == (command, {**headers, **length}, body)


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([case["bytes"].encode("latin-1") for case in CASES])))
)
@example([b"\n\n", b"SEND\ndestination:/topic/a\n\n\0"])
@example([b"SEND\r\n", b"\r\n", b"\0"])
def test_garbage_gives_frames_or_one_error_and_never_an_exception(pieces):
    """Any octets, cut anywhere: frames, then at most one error from the table, then nothing."""
    whole = stomp.Decoder(max_body=100)
    frames = plain(whole.feed(b"".join(pieces)))
    decoder = stomp.Decoder(max_body=100)
    assert [frame for piece in pieces for frame in plain(decoder.feed(piece))] == frames
    assert code_of(decoder) == code_of(whole)
    if decoder.error is not None:
        assert decoder.feed(b"BEGIN\ntransaction:x\n\n\0") == []
        assert decoder.error.code.name in CODES


def test_what_is_too_large_is_so_however_it_is_cut():
    """Also if it could not be a frame anyway: what comes first is what is told."""
    data = b"S" * 301 + b"\0"
    for cut in (0, 100, 300, 301):
        decoder = stomp.Decoder(max_header_bytes=300)
        assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) == []
        assert code_of(decoder) == "headers-too-large"


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_headers_of_just_the_limit_pass_however_they_are_cut(eol):
    """The blank line does not count, whichever part of it is there."""
    head = b"SEND" + eol + b"a:xxxxx"
    size = len(head + eol) - 1  # up to the line end that the blank line begins with
    data = head + eol + eol + b"\0"
    for cut in range(len(data) + 1):
        decoder = stomp.Decoder(max_header_bytes=size)
        assert plain(decoder.feed(data[:cut]) + decoder.feed(data[cut:])) == [("SEND", [("a", "xxxxx")], b"")]
        decoder = stomp.Decoder(max_header_bytes=size - 1)
        assert decoder.feed(data[:cut]) + decoder.feed(data[cut:]) == []
        assert code_of(decoder) == "headers-too-large"
