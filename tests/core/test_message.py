"""Messages, their ids, and the envelope that they share."""

from qmq.core.message import Envelope, Message, Origin


def test_the_id_names_origin_epoch_and_offset():
    origin = Origin("node-a", "k3f9")
    message = Message(Envelope("/topic/a", {"k": "v"}), b"body", True, origin, 1042)
    assert message.id == origin.id_of(1042) == "node-a.k3f9.1042"
    assert message.id.encode() == origin.prefix + b"1042"
    assert repr(message) == "<message node-a.k3f9.1042 to /topic/a, 4 octets>"
