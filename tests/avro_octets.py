"""Avro values as octets, made by hand: what they are supposed to be does not depend on a library."""


def number(value):
    """An int or a long: the lowest seven bits first, signs folded in."""
    value, out = (value << 1) ^ (value >> 63), b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def text(value):
    """A string, or bytes."""
    data = value.encode() if isinstance(value, str) else value
    return number(len(data)) + data
