"""STOMP with nothing around it."""

from qmq.client.transport import Plain


def test_octets_are_octets():
    carrier = Plain()
    assert (carrier.ready, carrier.reason, carrier.hello(), carrier.answer) == (True, None, b"", b"")
    assert carrier.receive(b"x") == b"x"
    assert carrier.carry([b"a\0", b"b\0"]) == b"a\0b\0"
