"""Texts that test a UTF-8 decoder, and an own reading of RFC 3629 to judge them.

The sequences are those of the classic stress tests: the first and last of each
length, lonely and missing octets, overlong forms, surrogates, non-characters.
`first_bad` follows the grammar of RFC 3629, section 4, row by row, and shares
nothing with the codec under test.
"""

_TAIL = (0x80, 0xBF)

# Section 4: (range of the first octet, ranges of the octets that follow).
_GRAMMAR = [
    ((0x00, 0x7F), []),
    ((0xC2, 0xDF), [_TAIL]),
    ((0xE0, 0xE0), [(0xA0, 0xBF), _TAIL]),
    ((0xE1, 0xEC), [_TAIL, _TAIL]),
    ((0xED, 0xED), [(0x80, 0x9F), _TAIL]),
    ((0xEE, 0xEF), [_TAIL, _TAIL]),
    ((0xF0, 0xF0), [(0x90, 0xBF), _TAIL, _TAIL]),
    ((0xF1, 0xF3), [_TAIL, _TAIL, _TAIL]),
    ((0xF4, 0xF4), [(0x80, 0x8F), _TAIL, _TAIL]),
]


def first_bad(data: bytes) -> int | None:
    """The place of the first octet that no text can have there.

    It is the length of `data` if only the end is missing, and None for a text.
    """
    pending: list[tuple[int, int]] = []
    for place, octet in enumerate(data):
        if pending:
            low, high = pending.pop(0)
            if not low <= octet <= high:
                return place
            continue
        rows = [tail for (low, high), tail in _GRAMMAR if low <= octet <= high]
        if not rows:
            return place
        pending = list(rows[0])
    return len(data) if pending else None


def _hex(*texts: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


# Each lacks its last octet, whether or not that could have made it a character.
_CUT = _hex("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")

VALID: dict[str, list[bytes]] = {
    "plain": [b"", b"Hello, world!", "Grüße, κόσμε, 世界, 🌍".encode()],
    "first of its length": [chr(code).encode() for code in (0x00, 0x80, 0x800, 0x10000)],
    "last of its length": [chr(code).encode() for code in (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)],
    "beside the surrogates": [chr(code).encode() for code in (0xD7FF, 0xE000)],
    "specials": [chr(code).encode() for code in range(0xFFF9, 0x10000)],
    "non-characters": [chr(plane << 16 | low).encode() for plane in range(17) for low in (0xFFFE, 0xFFFF)],
    "byte order mark": ["\ufeff".encode(), "a\ufeffb\ufeff".encode()],
    "edges of the grammar's rows": [
        "".join(
            map(chr, (0x7F, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000))
        ).encode()
    ],
}

INVALID: dict[str, list[bytes]] = {
    "the classic": _hex("cebae1bdb9cf83cebcceb5eda080656469746564", "cebae1bdb9cf83cebcceb5f4908080656469746564"),
    "five and six octets": _hex("f888808080", "fc8480808080", "fbbfbfbfbf", "fdbfbfbfbfbf"),
    "beyond the last": _hex("f4908080", "f7bfbfbf", "f5808080", "f4bfbfbf"),
    "lonely continuation": _hex("80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80", "80bf80bf80bf"),
    "all continuations": [bytes(range(0x80, 0xC0))],
    "lonely first octets": [
        b"".join(bytes((octet, 0x20)) for octet in range(low, high + 1))
        for low, high in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    ],
    "last octet missing": [*_CUT, *_hex("c2", "e1bd", "f09080", "48656c6cc3")],
    "several cut ones": [b"".join(_CUT)],
    "impossible octets": _hex("fe", "ff", "fefeffff", "c0", "c1", "f5", "61ff62"),
    "overlong slash": _hex("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"),
    "longest overlong": _hex("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"),
    "overlong zero": _hex("c080", "e08080", "f0808080", "f880808080", "fc8080808080"),
    "single surrogates": _hex("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),
    "paired surrogates": _hex(
        "eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf",
        "edae80edb080", "edae80edbfbf", "edafbfedb080", "edafbfedbfbf",
    ),
    "a character broken off by another": _hex("c3c3a4", "e282e282ac", "f09f98f09f9880", "e282ac80", "c3a4a4"),
}  # fmt: skip
