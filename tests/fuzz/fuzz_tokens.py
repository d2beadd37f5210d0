"""Must hold: whatever is shown as a token is one that was issued, to the letter, or refused; nothing else is raised.

The same octets as a hash of a password and as a file with keys are understood, or refused in one line.
"""

import base64

from qmq.errors import ConfigError, QmqError
from qmq.session import keys, passwords
from qmq.session.auth import Kind
from qmq.session.tokens import Tokens
from tests.tokens import key_file, token, with_header

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
NOW, LATER = 1_800_000_000, 1_900_000_000  # so that the same are issued in each run, as far as their keys are the same
GOOD = [token("alice", algorithm, exp=LATER) for algorithm in ALGORITHMS] + [
    token("alice", qmq={"publish": ["/topic/#"]}, exp=LATER)
]
ISSUED = {each.rpartition(".")[0] for each in GOOD}
TOKENS_OF = Tokens([key for algorithm in ALGORITHMS for key in keys.read(key_file(algorithm))])


def part(text):
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


TEXTS = [
    *GOOD, token("alice", exp=NOW - 60), token("alice", nbf=NOW + 600, exp=LATER), with_header(GOOD[0], alg="none"),
    with_header(GOOD[1], alg="HS256"), GOOD[0].rpartition(".")[0] + ".", "a.b.c", "..", "", part("{}") + "." * 2,
    f"{part('{' * 500)}.{part('[' * 500)}.x", token(None, exp=LATER), token("x" * 400, exp=LATER),
    token("alice", exp="soon"), token("alice", qmq="all", exp=LATER), passwords.hashed("x", cost=4),
    "$scrypt$ln=40,r=8,p=1$c2FsdA$aGFzaA", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA",
    '{"keys": [{"kty": "oct", "k": "eA", "alg": "HS256"}]}',
]  # fmt: skip
SEEDS = [each.encode() for each in TEXTS] + [key_file(algorithm) for algorithm in ALGORITHMS]
TOKENS = [b".", b"eyJhbGciOiJub25lIn0", b"eyJhbGciOiJIUzI1NiJ9", b"=", b"$", b'"alg":"none"', b"{", b"}", b"-----BEGIN"]


def check(data):
    text = data.decode("utf-8", "replace")
    try:
        principal = TOKENS_OF.verify(text, NOW)
    except QmqError as error:
        assert error.code.name in ("bad-token", "token-expired")
        assert "0123456789abcdef" not in str(error)
    else:
        assert text.rpartition(".")[0] in ISSUED
        assert (principal.name, principal.kind) == ("alice", Kind.TOKEN)
    for read in (lambda: passwords.parse(text), lambda: keys.read(data)):
        try:
            read()
        except ConfigError as error:
            assert "\n" not in str(error)
