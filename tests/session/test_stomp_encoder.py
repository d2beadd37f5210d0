"""MESSAGE frames: octets for each version, and which encoders are the same."""

from qmq.core.message import Envelope, Message, Origin
from qmq.session.stomp_encoder import Encoder
from qmq.wire import stomp


def plain(data, text):
    return data


def marked(data, text):
    return (b"T" if text else b"B") + data


ORIGIN = Origin("node", "e")


def message(body=b"hi", text=True, offset=7, **headers):
    return Message(Envelope("/topic/a", headers), body, text, ORIGIN, offset)


def test_the_octets():
    assert Encoder(plain, "1.2", "3").encode(message()) == (
        b"MESSAGE\nsubscription:3\nmessage-id:node.e.7\ndestination:/topic/a\ncontent-length:2\n\nhi\0"
    )


def test_the_transport_is_told_what_is_text():
    encoder = Encoder(marked, "1.2", "0")
    assert encoder.encode(message())[:1] == b"T"
    assert encoder.encode(message(b"\xff", False))[:1] == b"B"


def test_headers_survive_each_version():
    headers = {"content-type": "text/plain", "odd": "a:b\\c\nd"}
    for version in ("1.1", "1.2"):
        [(head, body)] = stomp.Decoder(version).feed(Encoder(plain, version, "x:y").encode(message(b"\0", **headers)))
        assert {name: head.headers[name] for name in headers} == headers
        assert (head.headers["subscription"], body) == ("x:y", b"\0")


def test_what_1_0_cannot_carry_is_left_out():
    data = Encoder(plain, "1.0", "").encode(message(good="a:b", odd="a\nb", **{"x:y": "z"}))
    assert data == b"MESSAGE\nmessage-id:node.e.7\ndestination:/topic/a\ngood:a:b\ncontent-length:2\n\nhi\0"


def test_lengths_and_origins_may_change_from_message_to_message():
    encoder, envelope = Encoder(plain, "1.2", "0"), Envelope("/topic/a", {})
    for origin in (ORIGIN, Origin("other", "f"), ORIGIN):
        for body in (b"", b"abc", b"abc", b"x" * 3000):
            [(head, got)] = stomp.Decoder().feed(encoder.encode(Message(envelope, body, True, origin, 5)))
            assert (head.headers["message-id"], got, head.length) == (origin.id_of(5), body, len(body))


def test_equal_encoders_are_interchangeable():
    assert Encoder(plain, "1.2", "0") == Encoder(plain, "1.2", "0")
    assert hash(Encoder(plain, "1.2", "0")) == hash(Encoder(plain, "1.2", "0"))
    others = [Encoder(marked, "1.2", "0"), Encoder(plain, "1.1", "0"), Encoder(plain, "1.2", "1"), "0"]
    assert all(Encoder(plain, "1.2", "0") != other for other in others)
