"""The WebSocket codec, by itself: what it reads, what it refuses, what it writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.wire import websocket
from qmq.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Decoder

MASK = b"\x12\x34\x56\x78"


def client(opcode, payload=b"", *, fin=True, rsv=0, mask=MASK, length=None):
    """A client's frame, as wrong as asked for."""
    size = len(payload)
    head = bytes(((0x80 if fin else 0) | rsv | opcode,))
    if length is not None:
        head += bytes((0x80 | length[0],)) + length[1:]
    elif size < 126:
        head += bytes((0x80 | size,))
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + websocket.xor(mask, payload)


def feed(data, **options):
    decoder = Decoder(**options)
    return decoder.feed(data), decoder.error and decoder.error.code.name


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 70000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages_of_all_lengths(opcode, size):
    assert feed(client(opcode, b"x" * size)) == ([(opcode, b"x" * size)], None)


def test_many_frames_in_one_piece():
    data = client(TEXT, b"a") + client(PING, b"p") + client(BINARY, b"\xff") + client(PONG) + client(CLOSE, b"\x03\xe8")
    assert feed(data) == ([(TEXT, b"a"), (PING, b"p"), (BINARY, b"\xff"), (PONG, b""), (CLOSE, b"\x03\xe8")], None)


def test_fragments_with_a_ping_between():
    data = client(TEXT, "ä€".encode()[:3], fin=False) + client(PING) + client(CONTINUATION, "ä€".encode()[3:])
    assert feed(data) == ([(PING, b""), (TEXT, "ä€".encode())], None)


REFUSED = {
    "unmasked": (b"\x81\x01a", "bad-websocket"),
    "reserved bit": (client(TEXT, b"a", rsv=0x40), "bad-websocket"),
    "reserved data opcode": (client(3), "bad-websocket"),
    "reserved control opcode": (client(11), "bad-websocket"),
    "fragmented ping": (client(PING, fin=False), "bad-websocket"),
    "long ping": (client(PING, b"x" * 126), "bad-websocket"),
    "continuation of nothing": (client(CONTINUATION, b"a"), "bad-websocket"),
    "text within a message": (client(TEXT, b"a", fin=False) + client(TEXT, b"b"), "bad-websocket"),
    "length in too many octets": (client(TEXT, b"a", length=b"\x7e\x00\x01"), "bad-websocket"),
    "length in far too many octets": (client(TEXT, b"a", length=b"\x7f" + b"\0" * 7 + b"\x01"), "bad-websocket"),
    "length with the top bit": (client(TEXT, b"a", length=b"\x7f\x80" + b"\0" * 7), "bad-websocket"),
    "close code 1005": (client(CLOSE, b"\x03\xed"), "bad-websocket"),
    "close of one octet": (client(CLOSE, b"\x03"), "bad-websocket"),
    "close reason that is no UTF-8": (client(CLOSE, b"\x03\xe8\xff"), "bad-utf8"),
    "text that is no UTF-8": (client(TEXT, b"\xff"), "bad-utf8"),
    "text that ends in the middle of a character": (client(TEXT, b"\xe2\x82"), "bad-utf8"),
    "surrogate": (client(TEXT, b"\xed\xa0\x80"), "bad-utf8"),
    "too large": (client(BINARY, b"x" * 101), "frame-too-large"),
    "too large, said beforehand": (
        client(BINARY, b"", length=b"\x7f" + (1 << 40).to_bytes(8, "big")),
        "frame-too-large",
    ),
    "too large in fragments": (client(BINARY, b"x" * 60, fin=False) + client(0, b"x" * 60), "frame-too-large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    data, code = REFUSED[name]
    good = client(TEXT, b"before")
    decoder = Decoder(max_message=100)
    assert decoder.feed(good + data + good)[:1] == [(TEXT, b"before")]
    assert decoder.error.code.name == code
    assert decoder.feed(good) == []


def test_bad_utf8_is_noticed_at_the_octet_that_makes_it_bad():
    whole = client(TEXT, b"abc\xffdefgh")
    decoder = Decoder()
    assert decoder.feed(whole[:-5]) == []
    assert decoder.error.code.name == "bad-utf8"


def test_nothing_counts_after_a_close():
    assert feed(client(CLOSE) + client(TEXT, b"a") + b"garbage") == ([(CLOSE, b"")], None)


def test_a_client_refuses_masked_frames():
    assert feed(client(TEXT, b"a"), masked=False) == ([], "bad-websocket")
    assert feed(websocket.encode(TEXT, b"a"), masked=False) == ([(TEXT, b"a")], None)


def test_the_close_payload_fits_and_keeps_whole_characters():
    payload = websocket.close_payload(1000, "€" * 100)
    assert len(payload) <= 125
    assert payload[2:].decode() == "€" * 41
    assert websocket.close_code(payload) == 1000
    assert websocket.close_code(b"") == 1005


def test_the_accept_key_of_the_rfc():
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_many_tiny_fragments_do_not_pile_up():
    decoder = Decoder()
    for number in range(5000):
        assert decoder.feed(client(CONTINUATION if number else BINARY, b"x", fin=False)) == []
        assert len(decoder._chunks) <= 1025
    assert decoder.feed(client(CONTINUATION)) == [(BINARY, b"x" * 5000)]


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=300))
def test_masking_twice_is_nothing(mask, data):
    assert websocket.xor(mask, websocket.xor(mask, data)) == data
    assert websocket.xor(mask, data) == bytes(octet ^ mask[place % 4] for place, octet in enumerate(data))


messages = st.one_of(
    st.tuples(st.just(TEXT), st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode)),
    st.tuples(st.sampled_from([BINARY, PING, PONG]), st.binary(max_size=125)),
)


@given(st.lists(messages, max_size=6), st.data())
def test_any_split_gives_the_same_messages(sent, data):
    stream = b"".join(client(opcode, payload) for opcode, payload in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event for piece in pieces for event in decoder.feed(piece)] == sent
    assert decoder.error is None


@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_gives_events_or_one_error_and_never_an_exception(data, cut):
    """Any octets, cut anywhere: the same events and the same verdict."""
    whole = Decoder(max_message=100)
    events = whole.feed(data)
    parts = Decoder(max_message=100)
    assert parts.feed(data[:cut]) + parts.feed(data[cut:]) == events
    assert (parts.error and parts.error.code) == (whole.error and whole.error.code)
